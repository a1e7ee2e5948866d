"""Memory shared by the runtime process, its supervisor and the courier.

An anonymous shared mapping: it is inherited over fork, needs no descriptor and no name, and pages that nobody
wrote cost nothing. Programs that are started one by the other share a file in memory instead. Numbers are aligned
64-bit words, so a reader never sees half of one.
"""

from __future__ import annotations

import mmap
import os

# Words. An access costs a microsecond in a process that has slept, so an invocation makes do with few.
ALARM_AT_MS = 0  # wall clock of the running invocation's alarm; 0 where there is none to watch over
SPAN = 1  # of that invocation: time left at its start and margin, see `Board.span`
DUE_MS = 2  # the alarm's time on the monotonic clock, which no jump of the wall clock moves
PHASE = 3  # of that invocation, one of the phases below
WAKE = 4  # 1: the supervisor sleeps and wants a signal when the next invocation starts
ATTENDED = 5  # 1: there is a courier or a standby, to be dismissed when the invocation is over
COURIER = 6  # process id of the courier, 0 when there is none
STANDBY = 7  # process id of the standby, 0 when there is none
ORDERS = 8  # how many jobs the courier was given since the start
OUTCOME = 9  # how the last one ended, one of the outcomes below
STATE_SLOT = 10  # which of two slots holds the state, from 1; 0: none
STATE_IS_NEW = 11  # 1: it is another than the one that the invocation began with
SETTLED = 12  # of the courier's jobs, up to which one nobody waits any longer
SENDER = 13  # process id of the courier that has begun with the last one
COMPLETE = 14  # 1: the function has said that the work of the invocation is done
OWN_CALLS = 15  # how that stands which the function sends to itself, as continued_itself.py counts; 0: nothing
CAPTURE_AFTER_MS = 16  # when the process takes part in a capture again, on the monotonic clock
LOAD_MS = 17  # CPU time that the last load of the function's module took
FAILED = 18  # 1: the invocation was answered with an error
_SIZES = 19  # of the texts, by their numbers
_CHECKS = _SIZES + 8
_WORDS = _CHECKS + 2

# Only the runtime process moves the phase on, only the supervisor says RESCUED. RUN: the handler runs. FIRED: its time
# was up and it knows. HANDED: it has ended, a continuation or an error is on its way. LEFT: it has ended, what it
# started goes on; the supervisor is asked to stop all of it before the hand-over. ANSWERED: the answer was posted, and
# the next event not asked for yet. SPENT: the same of a process that must not ask for it, and waits for its end.
RUN, FIRED, HANDED, LEFT, RESCUED, ANSWERED, SPENT = range(7)

# SENDING: a continuation may be on its way, so that it may arrive even if nobody hears of it. ACCEPTED: it has arrived,
# or the job is done and its result is on the board. TAKEN_OVER: by the table the hop is another's, so nothing was sent.
PENDING, SENDING, ACCEPTED, REFUSED, UNREACHABLE, UNANSWERED, TAKEN_OVER = range(7)

# Sent to the supervisor and to the courier, which keep every signal blocked and wait for them; never to user code.
WAKE_SIGNAL = 40
# Sent to the runtime process: time is up, and the alarm was not seen; write down where every thread is.
UNDERSTUDY_SIGNAL = 41
DUMP_SIGNAL = 42
# Sent to the runtime process: capture the state at the next place at which it is whole.
CAPTURE_SIGNAL = 43

# As CAPTURE_AFTER_MS: not in this invocation.
NEVER_MS = 1 << 62

EVENT_MAX = ORDER_MAX = FACTS_MAX = STATE_MAX = RESULT_MAX = 8 << 20  # more than the 6 MB that Lambda delivers
_TEXT_MAX = 3_072
# Where each text lies and how long it may be.
_CAUSE, _STACK, _EVENT, _ORDER, _FACTS, _STATE_1, _STATE_2, _RESULT = range(8)
_AREAS = [(1_024, _TEXT_MAX), (4_096, _TEXT_MAX)]
for _size in (EVENT_MAX, ORDER_MAX, FACTS_MAX, STATE_MAX, STATE_MAX, RESULT_MAX):
    _AREAS.append((8_192 + sum(size for _, size in _AREAS[2:]), _size))
_SIZE = sum(_AREAS[-1])

_MAP_NORESERVE = 0x4000  # the mmap module lacks the name before Python 3.11
_KEEP = 256 << 10  # an event's pages above this are given back once a smaller event comes

# Of the word for a span: room for 37 hours of margin, below four years of time.
_MARGIN_BITS = 27
_MARGIN_MAX = (1 << _MARGIN_BITS) - 1


class Board:
    """The mapping and its fields. `words` is indexed by the constants of this module.

    Made by the process that is going to be the supervisor. `stacks` is the descriptor of a file in memory for stack
    dumps, or -1 where there can be none.

    Args:
        descriptor: of a file in memory, by which programs share the mapping; -1 where it is inherited over fork.
        stacks: in a program that the supervisor has started; None in the supervisor.

    Raises:
        OSError: the mapping was refused.
    """

    def __init__(self, descriptor: int = -1, stacks: int | None = None) -> None:
        self._supervisor = os.getpid() if stacks is None else os.getppid()
        self._kept = 0
        flags = mmap.MAP_SHARED | _MAP_NORESERVE
        if descriptor < 0:
            flags |= mmap.MAP_ANONYMOUS
        elif stacks is None:
            os.ftruncate(descriptor, _SIZE)
        self._map = mmap.mmap(descriptor, _SIZE, flags=flags)
        self.words = memoryview(self._map)[: _WORDS * 8].cast("Q")
        if stacks is not None:
            self.stacks = stacks
            return
        try:
            self.stacks = os.memfd_create("stacks")
        except OSError:
            self.stacks = -1

    def keep_from_children(self) -> None:
        """In a runtime process: what it forks from now on does not have the mapping, whose next events are not its own.

        Any access there ends the child, so it must have let go of the board by then.
        """
        self._map.madvise(mmap.MADV_DONTFORK)

    def wake_supervisor(self) -> None:
        """Have the supervisor look at the board."""
        os.kill(self._supervisor, WAKE_SIGNAL)

    def show(self, left_ms: int, margin_ms: int, alarm_at_ms: int, due: float) -> None:
        """Let the supervisor watch over an invocation.

        Args:
            left_ms: its time at the start, not more than `margins.LONGEST_MS`.
            margin_ms: its margin.
            alarm_at_ms: when its time will be up, in ms since the epoch.
            due: the same in seconds on the monotonic clock.
        """
        words = self.words
        words[SPAN] = left_ms << _MARGIN_BITS | (margin_ms if margin_ms < _MARGIN_MAX else _MARGIN_MAX)
        words[DUE_MS] = int(due * 1000)
        words[ALARM_AT_MS] = alarm_at_ms
        if words[WAKE]:
            self.wake_supervisor()

    def span(self) -> tuple[int, int]:
        """The time that the invocation had left at its start and its margin, in ms."""
        span = self.words[SPAN]
        return span >> _MARGIN_BITS, span & _MARGIN_MAX

    def put_event(self, raw: bytes, facts: bytes) -> bool:
        """Keep an invocation's event and what else is to be known of it; False if that is more than Lambda delivers."""
        if self._kept > _KEEP > len(raw):
            self._map.madvise(mmap.MADV_REMOVE, _AREAS[_EVENT][0] + _KEEP, EVENT_MAX - _KEEP)
        if not (self._put(_EVENT, raw) and self._put(_FACTS, facts)):
            self.words[_SIZES + _EVENT] = self.words[_SIZES + _FACTS] = self._kept = 0
            return False
        self._kept = len(raw)
        return True

    def event(self) -> bytes:
        """The event of the invocation that is running; empty if it was too large."""
        return self._get(_EVENT)

    def facts(self) -> bytes:
        """What else is known of that invocation."""
        return self._get(_FACTS)

    def has_event(self) -> bool:
        """Whether there is one."""
        return bool(self.words[_SIZES + _EVENT])

    def put_order(self, order: bytes) -> bool:
        """Leave the courier its order; False if there is no room for it."""
        return self._put(_ORDER, order)

    def order(self) -> bytes:
        """What the courier has to do; empty when nothing was ordered."""
        return self._get(_ORDER)

    def put_result(self, result: bytes) -> bool:
        """Leave the result of a job, before its outcome is said; False if there is no room for it."""
        return self._put(_RESULT, result)

    def result(self) -> bytes:
        """What the courier's job has come to, where its kind has a result."""
        return self._get(_RESULT)

    def put_outcome(self, outcome: int, cause: str = "") -> None:
        """Say how the courier's job stands; the cause is cut at 3 KB."""
        self.put_cause(cause)
        self.words[OUTCOME] = outcome

    def put_cause(self, cause: str) -> None:
        """Say why it would not succeed, if it did not."""
        self._put_text(_CAUSE, cause)

    def cause(self) -> str:
        """Why the job did not succeed."""
        return self._get(_CAUSE).decode("utf-8", "replace")

    def put_stack(self, stack: str) -> None:
        """Say where this process was when its time was up, or when it is about to end; cut at 3 KB."""
        self._put_text(_STACK, stack)

    def stack(self) -> str:
        """What the process last said of where it was, empty where it did not."""
        return self._get(_STACK).decode("utf-8", "replace")

    def put_state(self, state: bytes, *, is_first: bool = False) -> bool:
        """Keep a state. A writer that is killed in the middle leaves the one before. False if there is no room.

        Args:
            is_first: it is the one that the invocation begins with.
        """
        words = self.words
        before = 0 if is_first else words[STATE_SLOT]
        check = _check(state)
        is_new = not is_first and not (before and words[_CHECKS + before - 1] == check)
        slot = 2 if before == 1 else 1
        if not self._put(_STATE_1 + slot - 1, state):
            return False
        words[_CHECKS + slot - 1] = check
        words[STATE_SLOT] = slot
        if is_first or is_new:
            words[STATE_IS_NEW] = is_new
        return True

    def state(self) -> bytes | None:
        """The last state that was kept whole, or None."""
        first = self.words[STATE_SLOT]
        for slot in (first, 3 - first) if first else ():
            state = self._get(_STATE_1 + slot - 1)
            if state and self.words[_CHECKS + slot - 1] == _check(state):
                return state
        return None

    def finish(self) -> None:
        """Forget an invocation that had a hand-over, an order or a state, and give back their memory."""
        words = self.words
        words[PHASE] = ANSWERED
        words[STATE_SLOT] = words[STATE_IS_NEW] = words[COMPLETE] = words[OWN_CALLS] = words[FAILED] = 0
        for text in (_ORDER, _STATE_1, _STATE_2, _RESULT):
            if words[_SIZES + text]:
                words[_SIZES + text] = 0
                self._map.madvise(mmap.MADV_REMOVE, *_AREAS[text])
        words[_SIZES + _STACK] = 0
        self.put_outcome(PENDING)
        # Last: until then a process that dies is replaced.
        words[ALARM_AT_MS] = 0
        words[PHASE] = RUN

    def _put(self, text: int, content: bytes) -> bool:
        start, room = _AREAS[text]
        size = len(content)
        if size > room:
            return False
        self._map[start : start + size] = content
        self.words[_SIZES + text] = size
        return True

    def _put_text(self, text: int, content: str) -> None:
        self._put(text, content.encode("utf-8", "replace")[: _AREAS[text][1]])

    def _get(self, text: int) -> bytes:
        start = _AREAS[text][0]
        return self._map[start : start + self.words[_SIZES + text]]


def _check(state: bytes) -> int:
    # Not at the top: a function without a state never needs it.
    from zlib import crc32

    return crc32(state)
