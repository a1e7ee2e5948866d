"""What the caller gets when the work goes on elsewhere, in the shape that the event's source understands."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FAILURES = "batchItemFailures"

_QUEUE = "aws:sqs"
_STREAMS = ("aws:kinesis", "aws:dynamodb")
# Members of the context of a request by ALB, by an HTTP API or a function URL, over a WebSocket.
_HTTP = ("elb", "http", "connectionId")


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
    if _source_of_batch(event) in (_QUEUE, *_STREAMS):
        return {FAILURES: []}
    return notice


def batch_policy(event: Any, wanted: str | None) -> str | None:
    """What becomes of a batch whose time is up: continue, fail or report; None where the event is no batch.

    Args:
        wanted: what CARRYON_BATCH says. Without it a batch fails whose order a continuation would break: SQS FIFO,
            Kinesis, DynamoDB streams. That of a tumbling window always does: its answer has to hold the window's
            state, which nobody but the handler knows.
    """
    if isinstance(event, dict) and "isFinalInvokeForWindow" in event:
        return "fail"
    if _source_of_batch(event) not in (_QUEUE, *_STREAMS):
        return None
    return wanted or ("fail" if _is_ordered(event) else "continue")


def outline(event: Any) -> dict[str, Any] | None:
    """What of an event decides about an answer and a batch's policy, and nothing else of it."""
    if not isinstance(event, dict):
        return None
    kept: dict[str, Any] = {name: True for name in ("isFinalInvokeForWindow", "httpMethod") if name in event}
    context = event.get("requestContext")
    if isinstance(context, dict):
        kept["requestContext"] = {name: True for name in _HTTP if name in context}
    source = _source_of_batch(event)
    if source is not None:
        kept["Records"] = [{"eventSource": source, "eventSourceARN": str(records(event)[0].get("eventSourceARN", ""))}]
    return kept


def unfinished(event: Any, finished: int) -> list[dict[str, Any]]:
    """The records of a batch that are to be given back to its source, as members of `batchItemFailures`.

    Of a standard SQS queue these are the ones not finished, of an ordered source all from the first of these on.

    Args:
        finished: a bit for each record that is, the lowest for the first one.
    """
    all_of_it = records(event)
    if _is_ordered(event):
        in_a_row = (~finished & (finished + 1)).bit_length() - 1
        finished = (1 << in_a_row) - 1
    return [
        {"itemIdentifier": _identifier(record)} for number, record in enumerate(all_of_it) if not finished >> number & 1
    ]


def join(answer: Any, result: Any) -> Any:
    """The answer to a batch, with what the handler itself has given back in its result."""
    given_back = failures(result)
    if not given_back or failures(answer) is None:
        return answer
    known = answer[FAILURES]
    return {**answer, FAILURES: [*known, *(failure for failure in given_back if failure not in known)]}


def failures(result: Any) -> list[Any] | None:
    """What a result gives back of its batch, None where it does not speak of that."""
    given_back = result.get(FAILURES) if isinstance(result, dict) else None
    return given_back if isinstance(given_back, list) else None


def records(event: Any) -> Any:
    """A batch's list of records, None where the event has none."""
    return event.get("Records") if isinstance(event, dict) else None


def _is_ordered(event: Any) -> bool:
    return _source_of_batch(event) != _QUEUE or str(records(event)[0].get("eventSourceARN", "")).endswith(".fifo")


def _identifier(record: Any) -> Any:
    """What the source knows a record by; None, which it takes for all of the batch, where that is not to be seen."""
    if not isinstance(record, dict):
        return None
    for member in ("kinesis", "dynamodb"):
        inner = record.get(member)
        if isinstance(inner, dict):
            return inner.get("sequenceNumber") or inner.get("SequenceNumber")
    return record.get("messageId")


def _wants_http(event: Any) -> bool:
    context = event.get("requestContext") if isinstance(event, dict) else None
    if not isinstance(context, dict):
        return False
    return any(name in context for name in _HTTP) or "httpMethod" in event


def _source_of_batch(event: Any) -> str | None:
    all_of_it = records(event)
    first = all_of_it[0] if isinstance(all_of_it, list) and all_of_it else None
    source = first.get("eventSource") if isinstance(first, dict) else None
    return source if isinstance(source, str) else None
