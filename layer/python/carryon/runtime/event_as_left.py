"""CARRYON_EVENT=current: the successor gets the event as the handler has changed it."""

from __future__ import annotations

import json

from carryon.shared.invocation import outline_of, read
from carryon.shared.left_progress import NotCarried

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carryon.shared.board import Board


def encode(event: Any) -> bytes | NotCarried:
    """The event as JSON, or why it has none any more."""
    try:
        return json.dumps(event, allow_nan=False, separators=(",", ":")).encode()
    except Exception as error:
        return NotCarried(f"CARRYON_EVENT=current, but the event that the handler has left is not JSON: {error}")


def keep(board: Board, event: Any) -> None:
    """Put it in the place of the original, for the courier and for a supervisor that has to hand over.

    An event that cannot be encoded leaves the one before.
    """
    encoded = encode(event)
    invocation = read(board)
    if isinstance(encoded, bytes) and invocation is not None:
        board.put_event(encoded, invocation.facts(outline_of(board, invocation)))
