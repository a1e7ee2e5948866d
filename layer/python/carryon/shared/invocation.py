"""What is known of one invocation, in the runtime process and, by the board, in its supervisor."""

from __future__ import annotations

import json
import time
from collections import namedtuple

from . import envelope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .board import Board

# Of the facts, beside the outline.
_LINES = 7


class Invocation(namedtuple("Invocation", "id arn deadline_ms raw carried tenant trace invocation_id")):
    """As the runtime client was told.

    `raw` is the event as the function is meant to see it; `carried` are the members of the envelope it came in, or None
    for a first invocation; `tenant`, `trace` (X-Ray header) and `invocation_id` are None where there is none.
    """

    __slots__ = ()

    @property
    def chain(self) -> str:
        """Id of the chain that it belongs to, which is that of the first one's request."""
        return self.carried["chain"] if self.carried else self.id  # type: ignore[no-any-return]

    @property
    def hop(self) -> int:
        """Its number in that chain, from 0."""
        return self.carried["hop"] if self.carried else 0

    def remaining_ms(self) -> int:
        """Time until the deadline, not below 0."""
        return max(int(self.deadline_ms - time.time() * 1000), 0)

    def arrived(self) -> Any:
        """The event as it arrived, whatever the handler has made of it.

        None where it is nested deeper than this process can follow: then it has no source that is known.
        """
        try:
            return json.loads(self.raw or b"null")
        except (ValueError, RecursionError):
            return None

    def facts(self, outline: Any = None) -> bytes:
        """All of it but its event, as it lies on the board. Its progress is kept there by itself.

        Args:
            outline: of the event as it arrived, where another lies there.
        """
        request_id, arn, deadline_ms, _, carried, tenant, trace, invocation_id = self
        # No JSON for what every invocation has.
        line = f"{request_id}\n{arn}\n{deadline_ms}\n{tenant or ''}\n{trace or ''}\n{invocation_id or ''}\n"
        if carried is not None:
            line += json.dumps({name: value for name, value in carried.items() if name not in envelope.PROGRESS})
        if outline is not None:
            line += f"\n{json.dumps(outline)}"
        return line.encode("utf-8", "replace")

    def as_ordering(self) -> dict[str, Any]:
        """What a courier is told of the hop that orders."""
        hop = {"id": self.id, "chain": self.chain, "hop": self.hop, "deadline_ms": self.deadline_ms}
        # The lease that this invocation has, beside where its event lies.
        hop.update((name, self.carried[name]) for name in ("parcel", "attempt") if name in (self.carried or ()))
        return hop


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
    return json.loads(lines[_LINES]) if len(lines) > _LINES else outline(invocation.arrived())


def _lines(board: Board) -> list[str]:
    return board.facts().decode("utf-8", "replace").split("\n", _LINES)
