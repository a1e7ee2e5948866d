"""Whether a hop may begin: the runtime process's side.

The handler is put in brackets: what is decided before it is called is said where it would have been called, inside the
runtime client's own care for errors.
"""

from __future__ import annotations

import json
import time
from functools import partial
from importlib import import_module

from carryon.shared import chain_result, delivery, envelope, handover, log, margins
from carryon.shared.board import ACCEPTED, ATTENDED
from carryon.shared.hop_verdict import BAD_ENVELOPE, BUSY, CANCELLED, DUPLICATE, FAILED, RUN, Verdict, decode, refuse
from carryon.shared.keys import Keys

from . import after_handler, result_recording

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from carryon.shared.invocation import Invocation

    from .bootstrap import Shim

    Handler = Callable[[Any, Any], Any]
    Opened = tuple[dict[str, Any], bytes] | None

# In the bytes of what may be an envelope.
_KEY = b'"carryon"'
# Of the time until the alarm; the work needs the rest of it.
_SHARE = 0.75
# For each verdict the event and level of the log line, and the error type; a duplicate is answered.
_SAID = {
    BAD_ENVELOPE: ("bad_envelope", "ERROR", "BadEnvelope"),
    DUPLICATE: ("duplicate", "INFO", ""),
    BUSY: ("duplicate", "WARN", "Duplicate"),
    CANCELLED: ("cancelled", "WARN", "Cancelled"),
    FAILED: ("opening_failed", "ERROR", "OpeningFailed"),
}


def open_received(
    shim: Shim, client: Any, handler: Handler, invocation: Invocation, opened: Opened
) -> tuple[Handler, Opened]:
    """Have an envelope looked at as it was received; with CARRYON_TABLE_ALWAYS any event.

    Args:
        client: the one of the runtime API, which knows how answers are encoded; None where nothing is known of it.
        invocation: `raw` is the event as received, be it an envelope.
        opened: what `envelope.unwrap` has made of it.

    Returns:
        What to call in the handler's place, and what to go on with in the place of `opened`.
    """
    # Of the first, the shim looks at it again when it is decoded.
    if opened is None and (_KEY in invocation.raw or not _guards_all(shim)):
        return handler, None
    if opened is not None:
        invocation = invocation._replace(carried=opened[0])
    return _open(shim, client, handler, invocation, opened)


def _guards_all(shim: Shim) -> bool:
    return bool(shim.settings.table and shim.settings.table_always)


def _open(shim: Shim, client: Any, handler: Handler, invocation: Invocation, opened: Opened) -> tuple[Handler, Opened]:
    verdict = _ask(shim, invocation, opened)
    if verdict.kind != RUN:
        return _bracket_refusal(shim, invocation, verdict), opened
    if opened is not None:
        carried, raw = opened
        if verdict.received is not None:
            stored = envelope.unwrap(verdict.received)
            if stored is None:
                return _bracket_refusal(shim, invocation, _failed("the stored envelope is none")), None
            carried, raw = {**stored[0], "parcel": carried["parcel"]}, stored[1]
        opened = {**carried, **verdict.details}, raw
    invocation = invocation._replace(carried=opened[0] if opened else None)
    return result_recording.bracket(shim, handler, invocation, partial(_encode, client)), opened


def _encode(client: Any, answer: Any) -> str:
    if client is not None:
        marshaller = client.marshaller
    else:
        marshaller = import_module("awslambdaric.lambda_runtime_marshaller").LambdaMarshaller()
    encoded: str | bytes = marshaller.marshal_response(answer)[0]
    return encoded if isinstance(encoded, str) else encoded.decode("utf-8", "replace")


def take(shim: Shim, handler: Handler, invocation: Invocation, event: Any, context: Any) -> Any:
    """Go on with an event that has a member `carryon` and was not known as an envelope by its first bytes."""
    settings = shim.settings
    taken = envelope.take(event)

    def go_on(event: Any, context: Any) -> Any:
        return shim.invoke_opened(handler, invocation, event, context)

    call: Handler = go_on
    if taken is None:
        if settings.signing_keys:
            call = _bracket_refusal(shim, invocation, refuse("the event has a member carryon and is none"))
        elif _guards_all(shim):
            call, _ = _open(shim, None, go_on, invocation, None)
    else:
        carried, event = taken
        as_received, invocation = invocation, invocation._replace(carried=carried)
        whole = as_received._replace(carried=carried)
        call, opened = _open(shim, None, go_on, whole, (carried, json.dumps(event).encode()))
        if opened is not None:
            carried, raw = opened
            event = json.loads(raw)
        invocation = invocation._replace(raw=json.dumps(event).encode(), carried=carried)
        if shim.board is not None:
            shim.board.put_event(invocation.raw, invocation.facts())
    return call(event, context)


def _ask(shim: Shim, invocation: Invocation, opened: Opened) -> Verdict:
    settings = shim.settings
    try:
        if opened is not None and settings.table is None and "parcel" not in opened[0]:
            keys = Keys(settings.signing_keys)
            if keys.are_plain:
                return _check_here(invocation, opened, keys)
        return _have_it_looked_at(shim, invocation)
    except Exception as error:
        return _failed(f"{type(error).__name__}: {error}")


def _check_here(invocation: Invocation, opened: tuple[dict[str, Any], bytes], keys: Keys) -> Verdict:
    """What a courier would find out, whose start alone takes ten times as long."""
    from carryon.shared import signing

    try:
        signing.check(*opened, invocation.arn, keys, invocation.deadline_ms)
    except signing.BadEnvelope as error:
        return refuse(error)
    return Verdict(RUN)


def _have_it_looked_at(shim: Shim, invocation: Invocation) -> Verdict:
    board = shim.board
    # There is something of it on the board now that not every invocation puts there.
    shim.board_is_used = True
    now_ms = int(time.time() * 1000)
    left_ms = invocation.deadline_ms - now_ms
    until_ms = now_ms + int((left_ms - margins.margin_ms(shim.settings, left_ms)) * _SHARE)
    if board is not None:
        board.put_event(invocation.raw, invocation.facts())
        board.words[ATTENDED] = 1
    order = delivery.Order.of(invocation, delivery.OPEN, until_ms, {})
    outcome, cause, result = shim.have_done(order, invocation.raw)
    if outcome != ACCEPTED:
        return _failed(cause)
    # A process that was stopped meanwhile may have lost the hop to another.
    if time.time() * 1000 > until_ms:
        return _failed("it took more time than there was")
    return decode(result)


def _failed(cause: str) -> Verdict:
    return Verdict(FAILED, f"The hop could not be opened: {cause}", {"cause": cause})


def _bracket_refusal(shim: Shim, invocation: Invocation, verdict: Verdict) -> Handler:
    name, level, error = _SAID[verdict.kind]

    def answer(event: Any, _: Any) -> Any:
        details = {name: value for name, value in verdict.details.items() if name != "outcome"}
        log.say(shim.settings, name, level, verdict.text, invocation, details)
        if error:
            after_handler.fail(error, verdict.text, [])
        return _first_answer(shim, invocation, event, verdict.details)

    return answer


def _first_answer(shim: Shim, invocation: Invocation, event: Any, details: dict[str, Any]) -> Any:
    """What the hop's first owner has answered, as far as the table knows."""
    outcome = json.loads(details["outcome"] or "null")
    if details["status"] == chain_result.FINISHED:
        return outcome
    try:
        return handover.answer(shim.settings, invocation, event, (outcome or {}).get("to") or invocation.arn)
    except handover.Failure as failure:
        after_handler.fail(failure.kind, failure.text, [])
