"""What is known of one invocation, in the runtime process and, by the board, in its supervisor."""

from __future__ import annotations

import json
from collections import namedtuple

from . import envelope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .board import Board

# As the runtime client was told: `raw` is the event as the function is meant to see it; `carried` are the members of
# the envelope it came in, or None for a first invocation; `tenant`, `trace` (X-Ray header) and `invocation_id` are
# None where there is none.
Invocation = namedtuple("Invocation", "id arn deadline_ms raw carried tenant trace invocation_id")

# Of the facts, beside the outline.
_LINES = 7


def facts(
    request_id: str,
    arn: str,
    deadline_ms: int,
    carried: dict[str, Any] | None,
    tenant: str | None,
    trace: str | None,
    invocation_id: str | None,
    outline: Any = None,
) -> bytes:
    """All of an invocation but its event, as it lies on the board. Its progress is kept there by itself.

    Args:
        outline: of the event as it arrived, where another lies there.
    """
    # No JSON for what every invocation has.
    line = f"{request_id}\n{arn}\n{deadline_ms}\n{tenant or ''}\n{trace or ''}\n{invocation_id or ''}\n"
    if carried is not None:
        line += json.dumps({name: value for name, value in carried.items() if name not in envelope.PROGRESS})
    if outline is not None:
        line += f"\n{json.dumps(outline)}"
    return line.encode("utf-8", "replace")


def read(board: Board) -> Invocation | None:
    """The invocation that the board tells of, or None if it was too large for it. Its `carried` has no progress."""
    lines = _lines(board)
    if len(lines) < _LINES:
        return None
    request_id, arn, deadline_ms, tenant, trace, invocation_id, carried = lines[:_LINES]
    return Invocation(
        request_id,
        arn,
        int(deadline_ms),
        board.event(),
        json.loads(carried) if carried else None,
        tenant or None,
        trace or None,
        invocation_id or None,
    )


def outline_of(board: Board, invocation: Invocation) -> Any:
    """What of the event as it arrived decides who hears what; the event itself may have been changed on the board."""
    from .answers import outline

    lines = _lines(board)
    return json.loads(lines[_LINES]) if len(lines) > _LINES else outline(arrived(invocation))


def arrived(invocation: Invocation) -> Any:
    """The event as it arrived, whatever the handler has made of it.

    None where it is nested deeper than this process can follow: then it has no source that is known.
    """
    try:
        return json.loads(invocation.raw or b"null")
    except (ValueError, RecursionError):
        return None


def _lines(board: Board) -> list[str]:
    return board.facts().decode("utf-8", "replace").split("\n", _LINES)


def position(invocation: Invocation) -> tuple[str, int]:
    """Chain and hop of an invocation."""
    carried = invocation.carried
    return (carried["chain"], carried["hop"]) if carried else (invocation.id, 0)
