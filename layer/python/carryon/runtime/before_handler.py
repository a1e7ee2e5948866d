"""What an invocation asks for before its handler is called, unless it is the first of its chain and carries nothing."""

from __future__ import annotations

import os
import time

import carryon
from carryon.shared import answers, chain_limits, log, margins
from carryon.shared.left_progress import NotCarried

from .progress import Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carryon.shared.invocation import Invocation

    from .bootstrap import Shim


def begin(shim: Shim, invocation: Invocation, left_ms: int) -> bool:
    """Take up the progress that was carried, and say what is to be said; False for no alarm."""
    if invocation.carried is not None:
        _say(shim, "resumed", "INFO", "Carrying on", invocation, remaining_ms=max(left_ms, 0))
        keep_carried(shim, invocation)
    if left_ms < margins.STEP_ASIDE_MS:
        return step_aside(shim, invocation, "no time was left at the start")
    if shim.settings.margin_ms is not None and shim.settings.margin_ms > margins.largest_ms(left_ms):
        _say_margin_cut(shim, invocation, left_ms)
    return True


def keep_carried(shim: Shim, invocation: Invocation) -> None:
    """Begin with the progress that came with the event."""
    if invocation.carried is not None:
        carryon._run = Run(shim, invocation.carried)
        carryon._run.begin()


def step_aside(shim: Shim, invocation: Invocation, reason: str) -> bool:
    """Say why there is no alarm; always False."""
    _say(shim, "stepped_aside", "WARN", f"No alarm for this invocation: {reason}", invocation, reason=reason)
    return False


def say_completed(shim: Shim, invocation: Invocation, result: Any, started_at: float) -> None:
    """Say that the chain's work is done, in the invocation that began then (seconds since the epoch).

    Raises:
        FaultException: the result gives records of a batch back, and their source does not hear it.
    """
    given_back = answers.failures(result)
    if given_back and answers.batch_policy(invocation.arrived(), None) is not None:
        from . import after_handler

        text = f"Of this batch {len(given_back)} failed in a continuation, where their source does not hear of it"
        after_handler.fail("RecordsFailed", text, [])
    if shim.own_calls is not None and shim.own_calls.standing():
        text = "The handler has returned, and its work may go on in what it has sent to itself"
        _say(shim, "continued_itself", "INFO", text, invocation)
        return
    elapsed_ms = int((time.time() - started_at) * 1000)
    costs = chain_limits.as_fields(chain_limits.spent(invocation.carried, elapsed_ms, os.environ))
    _say(shim, "completed", "INFO", "The work is done", invocation, elapsed_ms=elapsed_ms, **costs)


def put_state_back(shim: Shim, invocation: Invocation, event: Any) -> Any:
    """Set the variables of the state; returns the event with those that belong there.

    Raises:
        FaultException: the state cannot be put back.
    """
    try:
        return shim.state.prepare(invocation.carried, event)
    except NotCarried as error:
        from . import after_handler

        after_handler.fail("StateNotSerializable", str(error), [])


def _say_margin_cut(shim: Shim, invocation: Invocation, left_ms: int) -> None:
    if shim.margin_cut_said:
        return
    shim.margin_cut_said = True
    _say(
        shim,
        "bad_setting",
        "WARN",
        "CARRYON_MARGIN is more than half of the time there is and was cut",
        invocation,
        name="CARRYON_MARGIN",
        value=f"{shim.settings.margin_ms}ms",
        allowed=f"at most half of the time left at the start, here {left_ms // 2}ms",
    )


def _say(shim: Shim, event: str, level: str, message: str, invocation: Invocation, **fields: Any) -> None:
    log.say(shim.settings, event, level, message, invocation, fields)
