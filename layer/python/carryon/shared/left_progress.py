"""What a hop leaves of its progress on the board: for the runtime process that hands over, or for the supervisor."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .board import Board

# What is known of the state that travels: it was captured at the end of a turn of a loop; nothing has touched it since
# one; it is an earlier one.
BOUNDARY, WHOLE, EARLIER = "boundary", "whole", "earlier"

# Which records of a batch are finished, as Batch has it in hexadecimal, and why the state is not the last one; they
# stay in this invocation.
RECORDS = "records"
NOT_CARRIED = "not_carried"

# No JSON begins with it.
_REFUSAL = b"!"


class NotCarried(Exception):
    """A value that cannot travel; the text names the variable and says why."""


def read(board: Board) -> bytes | NotCarried | None:
    """What was left on the board: JSON of its parts, or why there is none; None where nothing was."""
    kept = board.state()
    if kept is not None and kept.startswith(_REFUSAL):
        return NotCarried(kept[len(_REFUSAL) :].decode("utf-8", "replace"))
    return kept


def reason_not_carried(progress: bytes | NotCarried | None) -> dict[str, str]:
    """What a log line says of progress that is not the last one, as the variables could not travel in the end."""
    if isinstance(progress, bytes) and NOT_CARRIED.encode() in progress:
        members = json.loads(progress)
        if NOT_CARRIED in members:
            return {NOT_CARRIED: members[NOT_CARRIED]}
    return {}


def refused(reason: NotCarried) -> bytes:
    """As it lies on the board that there is none, and why."""
    return _REFUSAL + str(reason).encode("utf-8", "replace")
