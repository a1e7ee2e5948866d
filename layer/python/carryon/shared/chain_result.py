"""Have it recorded how a chain has ended, for whoever asks later and for invocations that come twice."""

from __future__ import annotations

import json
import os
import time

from . import delivery, log, margins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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
    return delivery.Order.of(invocation, delivery.CLOSE, until_ms, ending)


def say_not_recorded(settings: Settings, invocation: Invocation, cause: str) -> None:
    """Say that nobody will find out from the table how the chain has ended; the invocation's answer stands."""
    text = f"The end of the chain could not be recorded: {cause}"
    log.say(settings, "not_recorded", "ERROR", text, invocation, {"cause": cause})
