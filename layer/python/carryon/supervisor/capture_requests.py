"""When the runtime process is asked to capture its state before its time is up, by a signal from its supervisor.

A timer of the process's own could be taken by somebody, and another thread could not interrupt it where it is.
"""

from __future__ import annotations

import time

from carryon.shared import process_waits
from carryon.shared.board import CAPTURE_AFTER_MS, CAPTURE_SIGNAL
from carryon.shared.processes import handles, send

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# From that share of the time on; most invocations have ended by then.
_FROM = 0.5
# What is lost by a process that is stuck is about that share of the time, and an iteration. The process itself takes
# part so often only if all captures together take less than a thousandth of the time.
_EVERY = 0.01
_EVERY_MIN_MS = 20
# Of that interval, how soon to look again at a process that waits for something which a signal would end.
_AGAIN = 0.2


class Captures:
    """Asks one runtime process after the other.

    Args:
        in_s: seconds until so many milliseconds after the alarm of the invocation that is running.
        words: the board's.
    """

    def __init__(self, in_s: Callable[[int], float], words: memoryview) -> None:
        self._in_s = in_s
        self._words = words
        self._asked_for = 0
        self._next_ms = 0

    def tend(self, child: int, alarm_at_ms: int, left_ms: int, margin_ms: int) -> float | None:
        """Ask if it is time to; returns in how many seconds to look again, None for no more.

        Args:
            child: process id.
            alarm_at_ms: tells this invocation from others.
            left_ms: its time at the start.
            margin_ms: its margin.
        """
        if self._asked_for != alarm_at_ms:
            self._asked_for = alarm_at_ms
            self._words[CAPTURE_AFTER_MS] = 0
            self._next_ms = -int(left_ms * (1 - _FROM) - margin_ms)
        if self._next_ms >= 0 or self._in_s(0) <= 0:
            return None
        next_in_s = self._in_s(self._next_ms)
        if next_in_s > 0:
            return next_in_s
        wanted_in_s = self._words[CAPTURE_AFTER_MS] / 1000 - time.monotonic()
        if wanted_in_s > 0:
            return wanted_in_s if wanted_in_s < self._in_s(0) else None
        every_ms = max(int(left_ms * _EVERY), _EVERY_MIN_MS)
        if not (process_waits.are_left_alone(child) and handles(child, CAPTURE_SIGNAL, at_once=True)):
            return every_ms * _AGAIN / 1000
        send([child], CAPTURE_SIGNAL)
        # A supervisor that has had no CPU does not make up for what it has missed.
        self._next_ms += every_ms * (1 + int(-next_in_s * 1000) // every_ms)
        return max(self._in_s(self._next_ms), 0.001) if self._next_ms < 0 else None
