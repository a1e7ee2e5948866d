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


def batch_policy(event: Any, wanted: str | None) -> str | None:
    """What becomes of a batch whose time is up: continue, fail or report; None where the event is no batch.

    Args:
        wanted: what CARRYON_BATCH says. Without it a batch fails whose order a continuation would break: SQS FIFO,
            Kinesis, DynamoDB streams.
    """
    source = _source_of_batch(event)
    if source == "aws:sqs":
        is_ordered = str(event["Records"][0].get("eventSourceARN", "")).endswith(".fifo")
    elif source in _STREAMS:
        is_ordered = True
    else:
        return None
    return wanted or ("fail" if is_ordered else "continue")


def unfinished(event: Any, finished: int) -> dict[str, Any]:
    """The answer that gives a batch's records back to its source, from the first one that is not finished on."""
    return {"batchItemFailures": [{"itemIdentifier": _identifier(record)} for record in records(event)[finished:]]}


def records(event: Any) -> Any:
    """A batch's list of records, None where the event has none."""
    return event.get("Records") if isinstance(event, dict) else None


def _identifier(record: dict[str, Any]) -> Any:
    for member in ("kinesis", "dynamodb"):
        if member in record:
            return record[member].get("sequenceNumber") or record[member].get("SequenceNumber")
    return record.get("messageId")


def _wants_http(event: Any) -> bool:
    context = event.get("requestContext") if isinstance(event, dict) else None
    if not isinstance(context, dict):
        return False
    return "elb" in context or "http" in context or "connectionId" in context or "httpMethod" in event


def _source_of_batch(event: Any) -> str | None:
    all_of_it = records(event)
    first = all_of_it[0] if isinstance(all_of_it, list) and all_of_it else None
    source = first.get("eventSource") if isinstance(first, dict) else None
    return source if isinstance(source, str) else None
