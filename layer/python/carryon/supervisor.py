"""Parent of the runtime process: passes signals on, has a courier ready in time, and ends as its child ends.

It keeps every signal blocked and takes them one by one, so nothing ever interrupts it and it needs no descriptors.
"""

from __future__ import annotations

import os
import signal
import time

from .board import (
    ALARM_AT_MS,
    COURIER,
    ORDERS,
    OUTCOME,
    PENDING,
    SENDING,
    SPAN,
    UNANSWERED,
    UNREACHABLE,
    WAKE,
    WAKE_SIGNAL,
    unpack_span,
)
from .margins import warm_up_before_alarm_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .board import Board

_NOT_PASSED_ON = {signal.SIGCHLD, WAKE_SIGNAL, signal.SIGURG, signal.SIGWINCH}
# si_code of our own timer's SIGALRM, and of what a terminal sends, which the child gets as well.
_FROM_KERNEL = 0x80
_COURIER_NEEDS_KB = 60 << 10


class Supervisor:
    """Watches over one child; the calling process has every signal blocked.

    Args:
        child: process id of the runtime.
        target: where continuations go (`self`, an ARN), or None where none will be sent.
    """

    def __init__(self, board: Board, child: int, target: str | None) -> None:
        self._board = board
        self._child = child
        self._target = target
        self._orders_seen = 0
        self._warmed_for = 0

    def run(self) -> int:
        """Return the child's exit status; does not return if a signal ended the child."""
        signals = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
        while True:
            status = self._reap()
            if status is not None:
                self._dismiss_courier()
                return _end_as(status)
            look_in_s = self._look() if self._target else None
            # Not sigtimedwait: stopped, and continued past its end, it returns a signal that nobody sent (CPython 3.10
            # to 3.13).
            signal.setitimer(signal.ITIMER_REAL, look_in_s or 0)
            info = signal.sigwaitinfo(signals)
            if info.si_signo not in _NOT_PASSED_ON and info.si_code != _FROM_KERNEL:
                os.kill(self._child, info.si_signo)

    def _reap(self) -> int | None:
        """Collect whoever has ended, orphans included where this is a container's first process."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return None
            if pid == self._child:
                return status
            if pid == 0:
                return None
            if pid == self._board.words[COURIER]:
                self._note_end_of_courier()

    def _look(self) -> float | None:
        """`_tend`, after whose failure there are no more couriers; the runtime's life depends on this process."""
        try:
            return self._tend()
        except Exception as error:
            self._board.put_outcome(UNREACHABLE, f"the supervisor failed: {error!r}")
            self._target = None
            return None

    def _tend(self) -> float | None:
        """Do what the board asks for; returns in how many seconds to look again, None for when a signal comes."""
        words = self._board.words
        # Before the look: an invocation that starts after it then sends the signal that ends the wait.
        words[WAKE] = 1
        if self._orders_seen != words[ORDERS]:
            if words[COURIER] or self._fork_courier():
                os.kill(words[COURIER], WAKE_SIGNAL)
            self._orders_seen = words[ORDERS]
        elif words[ALARM_AT_MS]:
            return self._have_courier_ready()
        else:
            self._dismiss_courier()
        return None

    def _have_courier_ready(self) -> float | None:
        words = self._board.words
        alarm_at_ms = words[ALARM_AT_MS]
        left_ms, margin_ms = unpack_span(words[SPAN])
        before_ms = warm_up_before_alarm_ms(os.environ, left_ms - margin_ms)
        warm_in_s = (alarm_at_ms - before_ms) / 1000 - time.time()
        if warm_in_s > 0:
            words[WAKE] = 0
            return warm_in_s
        if self._warmed_for != alarm_at_ms and not words[COURIER] and _available_kb() >= _COURIER_NEEDS_KB:
            self._warmed_for = alarm_at_ms
            self._fork_courier()
        return None

    def _fork_courier(self) -> bool:
        words = self._board.words
        try:
            pid = os.fork()
        except OSError as error:
            self._board.put_outcome(UNREACHABLE, f"no courier could be started: {error}")
            return False
        if pid:
            words[COURIER] = pid
            return True
        status = 1
        try:
            from . import courier

            courier.run(self._board, self._target or "", self._orders_seen)
            status = 0
        finally:
            os._exit(status)

    def _note_end_of_courier(self) -> None:
        board = self._board
        if self._orders_seen == board.words[ORDERS]:
            if board.words[OUTCOME] == SENDING:
                board.put_outcome(UNANSWERED, "the courier ended while it was sending")
            elif board.words[OUTCOME] == PENDING:
                board.put_outcome(UNREACHABLE, board.cause() or "the courier ended before it could send")
        board.words[COURIER] = 0

    def _dismiss_courier(self) -> None:
        courier = self._board.words[COURIER]
        if courier:
            os.kill(courier, signal.SIGKILL)
            os.waitpid(courier, 0)
            self._board.words[COURIER] = 0


def _available_kb() -> int:
    """MemAvailable; unknown counts as plenty."""
    try:
        with open("/proc/meminfo") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1])
    except OSError:
        pass
    return _COURIER_NEEDS_KB


def _end_as(status: int) -> int:
    """Exit status for this process; a signal that ended the child ends this process as well."""
    if not os.WIFSIGNALED(status):
        return os.WEXITSTATUS(status)
    number = os.WTERMSIG(status)
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    return 128 + number  # still here: the first process of a container cannot be killed so
