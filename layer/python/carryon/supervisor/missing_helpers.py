"""Say that something the supervisor needs in an invocation could not be had, this time."""

from __future__ import annotations

from carryon.shared import log
from carryon.shared.invocation import read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carryon.shared.board import Board

# What the function's invocation does without.
_WITHOUT = {
    "courier": "the continuation is sent by a process that is started when there is one to send",
    "standby": "a process that is stuck or dies is replaced more slowly",
    "successor": "it is tried again once the process before it has ended",
    "rescue": "it is loaded when it is needed",
    "captures": "the state is not captured before the time is up",
    "stack": "it is not known where a process is stuck",
    "supervisor": "it is tried again, and then this invocation is not watched over; the next one is",
}


def say(board: Board, helper: str, error: Exception) -> None:
    """Write the line `helper_missing` for the invocation that is on the board."""
    invocation = read(board)
    reason = f"{type(error).__name__}: {error}".rstrip(": ")
    fields = {"helper": helper, "reason": reason}
    text = f"No {helper} for this invocation ({reason}): {_WITHOUT[helper]}"
    log.write("helper_missing", "WARN", text, fields, request_id=invocation.id if invocation else "")
