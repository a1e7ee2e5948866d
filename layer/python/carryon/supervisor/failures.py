"""What has failed in the supervisor in one invocation: a helper is done without, after too much it is left alone."""

from __future__ import annotations

from carryon.shared.board import ALARM_AT_MS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from carryon.shared.board import Board

# What has failed may not fail again: so often.
TRIES = 3


class Failures:
    """Those of the last invocation in which there were any."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._alarm_at_ms = 0
        self._count = 0
        self._said: set[str] = set()

    def have(self, helper: str, get: Callable[[], Any]) -> Any:
        """What `get` returns; None, and a line says so, where it fails: the helper is done without this time."""
        try:
            return get()
        except Exception as error:
            self.say(helper, error)
            return None

    def say(self, helper: str, error: Exception) -> None:
        """Log once in an invocation that a helper could not be had."""
        self.are_too_many(self._board.words[ALARM_AT_MS])
        if helper in self._said:
            return
        self._said.add(helper)
        try:
            from .missing_helpers import say

            say(self._board, helper, error)
        except Exception:
            pass  # it is done without all the same

    def count(self, helper: str, error: Exception) -> int:
        """Log a failure of this process itself; returns the how manieth it is in its invocation."""
        self.say(helper, error)
        self._count += 1
        return self._count

    def are_too_many(self, alarm_at_ms: int) -> bool:
        """Whether so much has failed in that invocation that it is left to itself."""
        if self._alarm_at_ms != alarm_at_ms:
            self._alarm_at_ms = alarm_at_ms
            self._count = 0
            self._said.clear()
        return self._count >= TRIES
