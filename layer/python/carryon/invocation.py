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


def facts(
    request_id: str,
    arn: str,
    deadline_ms: int,
    carried: dict[str, Any] | None,
    tenant: str | None,
    trace: str | None,
    invocation_id: str | None,
) -> bytes:
    """All of an invocation but its event, as it lies on the board. Its progress is kept there by itself."""
    # No JSON for what every invocation has.
    line = f"{request_id}\n{arn}\n{deadline_ms}\n{tenant or ''}\n{trace or ''}\n{invocation_id or ''}\n"
    if carried is not None:
        line += json.dumps({name: value for name, value in carried.items() if name not in envelope.PROGRESS})
    return line.encode("utf-8", "replace")


def read(board: Board) -> Invocation | None:
    """The invocation that the board tells of, or None if it was too large for it. Its `carried` has no progress."""
    lines = board.facts().decode("utf-8", "replace").split("\n", 6)
    if len(lines) < 7:
        return None
    request_id, arn, deadline_ms, tenant, trace, invocation_id, carried = lines
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


def position(invocation: Invocation) -> tuple[str, int]:
    """Chain and hop of an invocation."""
    carried = invocation.carried
    return (carried["chain"], carried["hop"]) if carried else (invocation.id, 0)
