"""What becomes of an invocation in which the function has invoked itself: it has its successor, or nobody knows."""

from __future__ import annotations

from . import handover, log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .ending_hop import EndingHop

# How the calls of one invocation stand. PENDING: one is not answered yet. The number lies on the board.
NONE, PENDING, ONCE, AMBIGUOUS = range(4)


def conclude(hop: EndingHop) -> Any:
    """Say that the function has continued itself, and return the answer of a hop whose work goes on.

    Raises:
        Failure: nobody knows what goes on.
    """
    # Of one that is not answered by now nobody knows.
    if hop.own_calls != ONCE:
        text = (
            f"{hop.time_is_up}; the function has invoked itself, several times, synchronously or with no answer known, "
            "so that nobody can tell whether its work goes on: Carry On does not continue it. Unset CARRYON_TO to "
            "leave that to the function, or have it not invoke itself"
        )
        raise handover.Failure("TimeIsUp", text, ("continued_itself", text, {"continued_itself": "ambiguous"}))
    text = (
        "The function has invoked itself in this invocation, so Carry On does not continue it as well. Unset CARRYON_TO"
        " to leave that to the function, or have it not invoke itself"
    )
    fields = {"continued_itself": "accepted", "to": hop.invocation.arn}
    log.say(hop.settings, "continued_itself", "WARN", text, hop.invocation, fields)
    return handover.answer(hop.settings, hop.invocation, hop.event(), hop.invocation.arn)
