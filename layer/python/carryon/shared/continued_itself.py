"""What becomes of an invocation in which the function has invoked itself: it has its successor, or nobody knows."""

from __future__ import annotations

from . import handover, log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .invocation import Invocation
    from .settings import Settings

# How the calls of one invocation stand. PENDING: one is not answered yet. The number lies on the board.
NONE, PENDING, ONCE, AMBIGUOUS = range(4)


def conclude(settings: Settings, invocation: Invocation, event: Any, standing: int, time_is_up: str) -> Any:
    """Say that the function has continued itself, and return the answer of a hop whose work goes on.

    Args:
        event: as it arrived, decoded.
        standing: ONCE, PENDING or AMBIGUOUS; of one that is not answered by now nobody knows.
        time_is_up: message of the error.

    Raises:
        Failure: nobody knows what goes on.
    """
    if standing != ONCE:
        text = (
            f"{time_is_up}; the function has invoked itself, several times, synchronously or with no answer known, so "
            "that nobody can tell whether its work goes on: Carry On does not continue it. Unset CARRYON_TO to leave "
            "that to the function, or have it not invoke itself"
        )
        raise handover.Failure("TimeIsUp", text, ("continued_itself", text, {"continued_itself": "ambiguous"}))
    text = (
        "The function has invoked itself in this invocation, so Carry On does not continue it as well. Unset CARRYON_TO"
        " to leave that to the function, or have it not invoke itself"
    )
    fields = {"continued_itself": "accepted", "to": invocation.arn}
    log.say(settings, "continued_itself", "WARN", text, invocation, fields)
    return handover.answer(settings, invocation, event, invocation.arn)
