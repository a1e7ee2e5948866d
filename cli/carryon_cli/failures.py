"""What Lambda leaves behind of an asynchronous invocation that failed for good, in each of its forms."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from carryon.shared import envelope
from carryon_cli import json_text
from carryon_cli.errors import UsageError
from carryon_cli.function_name import FunctionName

if TYPE_CHECKING:
    from collections.abc import Mapping

_REQUEST_ID = "RequestID"
_ERROR_CODE = "ErrorCode"
_PARCEL_MEMBERS = ("bucket", "key", "etag")


class NoFailureError(Exception):
    """It is not something that can be sent again; the text says why."""


@dataclasses.dataclass(frozen=True)
class Failure:
    """An event that can be sent again.

    Attributes:
        payload: the event, JSON, as Lambda wrote it down.
        function: the one that failed; None where it is not said.
        chain: id of the chain, which is the request id of its first invocation; None where that is not known.
        hop: number of the invocation in its chain.
        error: how it ended, in a few words, without its message, which may hold anything.
        signed: whether the envelope is bound to its function.
        parcel: where the real envelope is, if this is a reference to one: bucket, key and etag.
        token: of several envelopes of one hop the table tells by it which is to run.
    """

    payload: bytes
    function: FunctionName | None
    chain: str | None
    hop: int
    error: str
    signed: bool = False
    parcel: Mapping[str, str] | None = None
    token: str | None = None


def of_document(text: str) -> Failure:
    """Read an on-failure record, an SQS message as the AWS command line prints it, or an envelope.

    Raises:
        NoFailureError: it is none of them.
    """
    document = _object(text)
    if isinstance(document.get("Body"), str):
        attributes = document.get("MessageAttributes")
        return of_message(document["Body"], attributes if isinstance(attributes, dict) else {})
    if "requestPayload" in document or "requestContext" in document:
        return _of_record(document, text)
    if envelope.take(document):
        return _of_event(text, None, None, "unknown")
    raise NoFailureError("it is neither a record of a failed invocation, nor a dead-letter message, nor an envelope")


def of_message(body: str, attributes: Mapping[str, Mapping[str, Any]]) -> Failure:
    """Read a message: a dead letter, which is the event itself and has attributes, or an on-failure record.

    Raises:
        NoFailureError: it is neither.
    """
    if _REQUEST_ID not in attributes:
        return of_document(body)
    try:
        json_text.load(body)
    except ValueError as error:
        raise NoFailureError(f"its event is not JSON: {error}") from error
    status = attributes.get(_ERROR_CODE, {}).get("StringValue", "unknown")
    return _of_event(body, None, str(attributes[_REQUEST_ID].get("StringValue") or "") or None, f"status {status}")


def _of_record(record: dict[str, Any], text: str) -> Failure:
    context = record.get("requestContext")
    if not isinstance(context, dict) or not isinstance(context.get("condition"), str):
        raise NoFailureError("its requestContext has no condition, so it is not a record of Lambda's")
    if context["condition"] == "Success":
        raise NoFailureError("it tells of a success")
    if "requestPayload" not in record:
        raise NoFailureError("it has no event: a record about a stream only says where in the stream its batch is")
    function, request_id = context.get("functionArn"), context.get("requestId")
    response = record.get("responsePayload")
    kind = response.get("errorType") if isinstance(response, dict) else None
    return _of_event(
        json_text.members(text)["requestPayload"],
        _function(function),
        request_id if isinstance(request_id, str) and request_id else None,
        kind if isinstance(kind, str) else context["condition"],
    )


def _function(arn: object) -> FunctionName | None:
    if not isinstance(arn, str) or not arn:
        return None
    try:
        return FunctionName(arn, "functionArn")
    except UsageError as error:
        raise NoFailureError(f"its functionArn is none: {arn}") from error


def _of_event(text: str, function: FunctionName | None, request_id: str | None, error: str) -> Failure:
    taken = envelope.take(json_text.load(text))
    if taken is None:
        return Failure(text.encode(), function, request_id, 0, error)
    meta, _ = taken
    parcel = meta.get("parcel")
    if parcel is not None and not _is_parcel(parcel):
        raise NoFailureError("its envelope refers to an object in S3, but not by bucket, key and etag")
    return Failure(text.encode(), function, meta["chain"], meta["hop"], error, "sig" in meta, parcel, meta.get("token"))


def _is_parcel(parcel: object) -> bool:
    return isinstance(parcel, dict) and all(isinstance(parcel.get(name), str) for name in _PARCEL_MEMBERS)


def _object(text: str) -> dict[str, Any]:
    try:
        document = json_text.load(text)
    except ValueError as error:
        raise NoFailureError(f"it is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise NoFailureError("it is not a JSON object")
    return document
