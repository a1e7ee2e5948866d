"""Have it recorded how a chain has ended, for whoever asks later and for invocations that come twice."""

from __future__ import annotations

import json
import os
import time

from . import delivery, handover, margins
from .board import ACCEPTED
from .ending import fail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .bootstrap import Shim
    from .delivery import Order
    from .invocation import Invocation
    from .settings import Settings

FINISHED, FAILED = "finished", "failed"

# No more than that, however much time is left: the answer waits for it.
_WITHIN_MS = 2_000
# What the board has room for, beside what else is said.
_RESULT_MAX = 7 << 20


def is_needed(settings: Settings, invocation: Invocation) -> bool:
    """Whether there is anything to do when a chain ends in this hop: a lease to give up, a parcel to delete."""
    carried = invocation.carried
    return (settings.table and (carried is not None or settings.table_always)) or "parcel" in (carried or {})


def order(invocation: Invocation, status: str, result: str, margin_ms: int) -> Order:
    """The courier's order.

    Args:
        status: FINISHED or FAILED.
        result: the answer, or the error with its errorType and errorMessage; JSON.
        margin_ms: the invocation's.
    """
    now_ms = int(time.time() * 1000)
    until_ms = min(now_ms + _WITHIN_MS, margins.until_ms(invocation.deadline_ms, margin_ms, os.environ, now_ms))
    ending: dict[str, Any] = {"status": status, "result_bytes": len(result.encode("utf-8", "replace"))}
    # It lies there as a text within JSON.
    if len(result) <= _RESULT_MAX and len(json.dumps(result)) <= _RESULT_MAX:
        ending["result"] = result
    return delivery.Order(
        invocation.arn,
        invocation.tenant,
        invocation.trace,
        until_ms,
        ending,
        delivery.CLOSE,
        handover.ordering_hop(invocation),
    )


def say_not_recorded(settings: Settings, invocation: Invocation, cause: str) -> None:
    """Say that nobody will find out from the table how the chain has ended; the invocation's answer stands."""
    text = f"The end of the chain could not be recorded: {cause}"
    handover.say(settings, "not_recorded", "ERROR", text, invocation, {"cause": cause})


def bracket(
    shim: Shim, handler: Callable[[Any, Any], Any], invocation: Invocation, encode: Callable[[Any], str]
) -> Callable[[Any, Any], Any]:
    """The handler, followed by what is to be done where a chain ends in it.

    Args:
        encode: how the runtime client encodes the answer.
    """
    if not is_needed(shim.settings, invocation):
        return handler

    def call(event: Any, context: Any) -> Any:
        shim.has_handed_over = False
        try:
            answer = handler(event, context)
        except Exception as error:
            if not shim.has_handed_over:
                _close(shim, invocation, FAILED, _described(error))
            raise
        if not shim.has_handed_over:
            try:
                status, result = FINISHED, encode(answer)
            except Exception as error:
                # As it will fail once more, in the runtime client's hands.
                status, result = FAILED, _described(error)
            _close(shim, invocation, status, result)
        return answer

    return call


def _described(error: Exception) -> str:
    kind = getattr(error, "exception_type", type(error).__name__)
    return json.dumps({"errorType": kind, "errorMessage": getattr(error, "msg", None) or str(error)})


def _close(shim: Shim, invocation: Invocation, status: str, result: str) -> None:
    # The handler has ended: nobody is to take over from here on.
    shim.finish_board()
    ending = order(invocation, status, result, shim.margin_ms)
    outcome, cause, taken_over = delivery.ask(shim.board, shim.settings, ending, invocation.raw)
    if outcome != ACCEPTED:
        say_not_recorded(shim.settings, invocation, cause)
    elif taken_over:
        text = taken_over.decode()
        handover.say(shim.settings, "duplicate", "WARN", text, invocation, {})
        if status == FINISHED:
            fail("Duplicate", text, [])
