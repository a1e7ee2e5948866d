"""Memory shared by the runtime process, its supervisor and the courier.

An anonymous shared mapping: it is inherited over fork, needs no descriptor and no name, and pages that nobody
wrote cost nothing. Numbers are aligned 64-bit words, so a reader never sees half of one.
"""

from __future__ import annotations

import mmap
import os

# Words. An access costs a microsecond in a process that has slept, so an invocation makes do with few.
ALARM_AT_MS = 0  # wall clock of the running invocation's alarm, 0 between invocations
SPAN = 1  # of the running invocation: time left at its start and margin, see `pack_span`
WAKE = 2  # 1: the supervisor sleeps and wants a signal when the next invocation starts
COURIER = 3  # process id of the courier, 0 when there is none
ORDERS = 4  # how many deliveries were asked for since the start
OUTCOME = 5  # how the delivery ended, one of the outcomes below
EVENT_SIZE = 6
ORDER_SIZE = 7
CAUSE_SIZE = 8
_WORDS = 9

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

_SPAN_HALF = 32


def pack_span(left_ms: int, margin_ms: int) -> int:
    """One word of two times in ms."""
    return left_ms << _SPAN_HALF | margin_ms


def unpack_span(span: int) -> tuple[int, int]:
    """The opposite of `pack_span`."""
    return span >> _SPAN_HALF, span & ((1 << _SPAN_HALF) - 1)


class Board:
    """The mapping and its fields. `words` is indexed by the constants of this module.

    Made by the process that is going to be the supervisor.

    Raises:
        OSError: the mapping was refused.
    """

    def __init__(self) -> None:
        self._supervisor = os.getpid()
        self._kept = 0
        self._map = mmap.mmap(-1, _SIZE, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | _MAP_NORESERVE)
        self.words = memoryview(self._map)[: _WORDS * 8].cast("Q")

    def wake_supervisor(self) -> None:
        """Have the supervisor look at the board."""
        os.kill(self._supervisor, WAKE_SIGNAL)

    def put_event(self, raw: bytes) -> bool:
        """Keep an invocation's event; False if it is larger than any event that Lambda delivers."""
        size = len(raw)
        if self._kept > _KEEP > size:
            self._map.madvise(mmap.MADV_REMOVE, _EVENT_AT + _KEEP, EVENT_MAX - _KEEP)
        if size > EVENT_MAX:
            size = 0
        else:
            self._map[_EVENT_AT : _EVENT_AT + size] = raw
        self._kept = self.words[EVENT_SIZE] = size
        return bool(size)

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
