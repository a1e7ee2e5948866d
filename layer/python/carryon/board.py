"""Memory shared by the runtime process, its supervisor and the courier.

An anonymous shared mapping: it is inherited over fork, needs no descriptor and no name, and pages that nobody
wrote cost nothing. Numbers are aligned 64-bit words, so a reader never sees half of one.
"""

from __future__ import annotations

import mmap
import os

# Words.
PHASE = 0  # what the runtime process is doing, one of the phases below
WAKE = 1  # 1: the supervisor sleeps and wants a signal when the next invocation starts
ALARM_AT_MS = 2  # wall clock of the alarm of the invocation that is running
LEFT_MS = 3  # time that it had at its start
MARGIN_MS = 4
COURIER = 5  # process id of the courier, 0 when there is none
OUTCOME = 6  # how the delivery ended, one of the outcomes below
ORDERS = 7  # how many deliveries were asked for since the start
EVENT_SIZE = 8
ORDER_SIZE = 9
CAUSE_SIZE = 10
_WORDS = 11

IDLE, RUNNING, HANDING = range(3)
# SENDING: the request may be on its way, so that it may arrive even if nobody hears of it.
PENDING, SENDING, ACCEPTED, REFUSED, UNREACHABLE, UNANSWERED = range(6)

# Sent to the supervisor and to the courier, which keep every signal blocked and wait for them; never to user code.
WAKE_SIGNAL = 40

_CAUSE_AT = 1_024
_CAUSE_MAX = 3_072
_EVENT_AT = 4_096
EVENT_MAX = 8 << 20  # more than the 6 MB that Lambda delivers
_ORDER_AT = _EVENT_AT + EVENT_MAX
ORDER_MAX = 8 << 20
_SIZE = _ORDER_AT + ORDER_MAX

_MAP_NORESERVE = 0x4000  # the mmap module lacks the name before Python 3.11
_KEEP = 256 << 10  # an event's pages above this are given back once a smaller event comes


class Board:
    """The mapping and its fields. `words` is indexed by the constants of this module.

    Made by the process that is going to be the supervisor.

    Raises:
        OSError: the mapping was refused.
    """

    def __init__(self) -> None:
        self._supervisor = os.getpid()
        self._map = mmap.mmap(-1, _SIZE, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | _MAP_NORESERVE)
        self.words = memoryview(self._map)[: _WORDS * 8].cast("Q")

    def wake_supervisor(self) -> None:
        """Have the supervisor look at the board."""
        os.kill(self._supervisor, WAKE_SIGNAL)

    def put_event(self, raw: bytes) -> bool:
        """Keep an invocation's event; False if it is larger than any event that Lambda delivers."""
        size = len(raw)
        words = self.words
        if words[EVENT_SIZE] > _KEEP > size:
            self._map.madvise(mmap.MADV_REMOVE, _EVENT_AT + _KEEP, EVENT_MAX - _KEEP)
        if size > EVENT_MAX:
            words[EVENT_SIZE] = 0
            return False
        self._map[_EVENT_AT : _EVENT_AT + size] = raw
        words[EVENT_SIZE] = size
        return True

    def event(self) -> bytes:
        """The event of the invocation that is running."""
        return self._map[_EVENT_AT : _EVENT_AT + self.words[EVENT_SIZE]]

    def put_order(self, order: bytes) -> bool:
        """Leave the courier its order; False if there is no room for it."""
        if len(order) > ORDER_MAX:
            return False
        self._map[_ORDER_AT : _ORDER_AT + len(order)] = order
        self.words[ORDER_SIZE] = len(order)
        return True

    def order(self) -> bytes:
        """What the courier has to deliver."""
        return self._map[_ORDER_AT : _ORDER_AT + self.words[ORDER_SIZE]]

    def put_outcome(self, outcome: int, cause: str = "") -> None:
        """Say how the delivery stands; the cause is cut at 3 KB."""
        text = cause.encode("utf-8", "replace")[:_CAUSE_MAX]
        self._map[_CAUSE_AT : _CAUSE_AT + len(text)] = text
        self.words[CAUSE_SIZE] = len(text)
        self.words[OUTCOME] = outcome

    def cause(self) -> str:
        """Why the delivery did not succeed."""
        return self._map[_CAUSE_AT : _CAUSE_AT + self.words[CAUSE_SIZE]].decode("utf-8", "replace")

    def forget_order(self) -> None:
        """Give back the memory of an order that is done with."""
        if self.words[ORDER_SIZE]:
            self._map.madvise(mmap.MADV_REMOVE, _ORDER_AT, ORDER_MAX)
            self.words[ORDER_SIZE] = 0
        self.put_outcome(PENDING)
