"""What the caller gets when the work goes on elsewhere, in the shape that the event's source understands."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_STREAMS = ("aws:kinesis", "aws:dynamodb")


def answer(event: Any, *, chain: str, hop: int, to: str) -> Any:
    """Return the answer of a hop that has handed over.

    Args:
        event: the original event, decoded.
        chain: id of the chain.
        hop: the hop that carries on.
        to: where it does.
    """
    notice = {"carryon": {"continued": True, "chain": chain, "hop": hop, "to": to}}
    if _wants_http(event):
        # ALB wants the description, API Gateway and function URLs ignore it.
        return {
            "statusCode": 202,
            "statusDescription": "202 Accepted",
            "headers": {"Content-Type": "application/json"},
            "isBase64Encoded": False,
            "body": json.dumps(notice),
        }
    if _source_of_batch(event) == "aws:sqs":
        return {"batchItemFailures": []}
    return notice


def is_ordered_batch(event: Any) -> bool:
    """Whether the event is a batch whose order a continuation would break: SQS FIFO, Kinesis, DynamoDB streams."""
    source = _source_of_batch(event)
    if source == "aws:sqs":
        return str(event["Records"][0].get("eventSourceARN", "")).endswith(".fifo")
    return source in _STREAMS


def _wants_http(event: Any) -> bool:
    context = event.get("requestContext") if isinstance(event, dict) else None
    if not isinstance(context, dict):
        return False
    return "elb" in context or "http" in context or "connectionId" in context or "httpMethod" in event


def _source_of_batch(event: Any) -> str | None:
    records = event.get("Records") if isinstance(event, dict) else None
    first = records[0] if isinstance(records, list) and records else None
    source = first.get("eventSource") if isinstance(first, dict) else None
    return source if isinstance(source, str) else None
