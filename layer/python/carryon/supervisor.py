"""Parent of the runtime process: passes signals on, has helpers ready in time, and acts where the runtime cannot.

It keeps every signal blocked and takes them one by one, so nothing ever interrupts it.
"""

from __future__ import annotations

# The C module: the signal module takes as long to import as all of the supervisor's own.
import _signal as signal
import os
import time

from .board import (
    ALARM_AT_MS,
    ANSWERED,
    ATTENDED,
    COURIER,
    DUE_MS,
    FAILED,
    HANDED,
    LEFT,
    LOAD_MS,
    PHASE,
    RESCUED,
    RUN,
    SPENT,
    STANDBY,
    UNDERSTUDY_SIGNAL,
    WAKE,
    WAKE_SIGNAL,
)
from .dispatch import Dispatch
from .margins import rescue_ms, warm_up_before_alarm_ms
from .processes import send, wait_for_ends
from .standby import Runtimes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .board import Board
    from .captures import Captures
    from .settings import Settings

_NOT_PASSED_ON = {signal.SIGCHLD, WAKE_SIGNAL, signal.SIGURG, signal.SIGWINCH}
_END = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT}
# si_code of our own timer's SIGALRM, and of what a terminal sends, which the child gets as well.
_FROM_KERNEL = 0x80
_COURIER_NEEDS_KB = 60 << 10
_STANDBY_NEEDS_KB = 20 << 10
# An alarm that was not seen by then was taken by somebody else; or it found the function where it cannot be raised.
_UNDERSTUDY_AFTER_MS = 30
_UNDERSTUDY_AGAIN_S = 0.02
_LOOK_AGAIN_S = 0.001
# The courier's end takes CPU time that the next process needs to ask for its event.
_REST_S = 0.1
# Of the time that a rescue has: how long before it the child is asked where it is.
_DUMP_SHARE = 0.1


class Supervisor:
    """Watches over one runtime process after the other; the calling process has every signal blocked.

    Args:
        child: process id of the runtime.
        pipe: writing end of the pipe by which that process notices the supervisor's end.
    """

    def __init__(self, board: Board, settings: Settings, child: int, pipe: int) -> None:
        self._board = board
        self._child = child
        self._runtimes = Runtimes(child, pipe)
        self._settings = settings
        self._dispatch = Dispatch(board, settings, self._runtimes.leave)
        self._captures: Captures | None = None
        self._prepared_for = 0
        self._dumped_for = 0
        self._done_with = 0
        self._rests_until = 0.0
        self._told_to_end = False
        self._works = True

    def run(self) -> int:
        """Return the child's exit status; does not return if a signal ended the child.

        Raises:
            StartRuntime: in a process that was forked to be a runtime.
        """
        signals = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
        while True:
            end = self._reap()
            if end is not None and not self._outlive(*end):
                self._dismiss()
                self._dispatch.dismiss()
                return _end_as(end[0])
            look_in_s = self._look()
            # Not sigtimedwait: stopped, and continued past its end, it returns a signal that nobody sent (CPython 3.10
            # to 3.13).
            signal.setitimer(signal.ITIMER_REAL, look_in_s or 0)
            info = signal.sigwaitinfo(signals)
            if info.si_signo not in _NOT_PASSED_ON and info.si_code != _FROM_KERNEL:
                self._told_to_end = self._told_to_end or info.si_signo in _END
                os.kill(self._child, info.si_signo)

    def _reap(self) -> tuple[int, int] | None:
        """Collect whoever has ended, orphans included; of the child, the exit status and the peak memory in KB."""
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return None
            if ended is None:
                return None
            # Not before somebody has ended: wait4() imports a module.
            pid, status, usage = os.wait4(ended.si_pid, 0)
            self._runtimes.forget([pid])
            if pid == self._child:
                return status, usage.ru_maxrss
            if pid == self._board.words[COURIER]:
                self._dispatch.note_end()
            if pid == self._board.words[STANDBY]:
                self._board.words[STANDBY] = 0

    def _outlive(self, status: int, peak_kb: int) -> bool:
        """Answer for the child that has died and start another; False if this process has to end with it."""
        words = self._board.words
        is_spent = words[PHASE] == SPENT
        if self._told_to_end or not self._works or not (words[ALARM_AT_MS] or is_spent):
            return False
        from .rescue import Rescue

        rescue = Rescue(self._board, self._settings, self._dispatch)
        try:
            if is_spent:
                rescue.spent([])
            elif not rescue.died(status, peak_kb):
                return False
            self._go_on(rescue.stopped)
        except Exception:
            return False
        return True

    def _look(self) -> float | None:
        """`_tend`, after whose failure only signals are passed on; the runtime's life depends on this process."""
        if not self._works:
            self._dispatch.refuse()
            if self._board.words[PHASE] == SPENT:
                os.kill(self._child, signal.SIGKILL)
            return None
        try:
            return self._tend()
        except Exception as error:
            self._works = False
            words = self._board.words
            # What a courier has begun with may succeed all the same.
            self._board.put_cause(f"the supervisor failed: {error!r}")
            if words[PHASE] in (LEFT, RESCUED):
                words[PHASE] = HANDED
            # What must not go on and cannot be replaced ends, and this process with it.
            os.kill(self._child, signal.SIGKILL if words[PHASE] == SPENT else signal.SIGCONT)
            return None

    def _tend(self) -> float | None:
        """Do what the board asks for; returns in how many seconds to look again, None for when a signal comes."""
        words = self._board.words
        # Before the look: an invocation that starts after it then sends the signal that ends the wait.
        words[WAKE] = 1
        self._dispatch.pass_on_order()
        if words[PHASE] == SPENT:
            return self._replace()
        if self._rests_until:
            rest_s = self._rests_until - time.monotonic()
            if rest_s > 0:
                return rest_s
            self._rests_until = 0.0
            self._dismiss()
        alarm_at_ms = words[ALARM_AT_MS]
        if not alarm_at_ms or alarm_at_ms == self._done_with:
            self._dismiss()
            return None
        look_in_s = self._watch_over(alarm_at_ms)
        if look_in_s is not None:
            # Whatever starts meanwhile has its first step later than that.
            words[WAKE] = 0
        return look_in_s

    def _watch_over(self, alarm_at_ms: int) -> float | None:
        words = self._board.words
        left_ms, margin_ms = self._board.span()
        rescue = rescue_ms(margin_ms, os.environ)
        phase = words[PHASE]
        if phase == LEFT:
            return self._rescue(alarm_at_ms, phase)
        if phase == SPENT:
            return self._replace()
        ask_in_s = None
        if phase == RUN and (self._settings.state or self._settings.event_as_left):
            ask_in_s = self._ask(alarm_at_ms, left_ms, margin_ms)
        prepare_in_s = self._in_s(-warm_up_before_alarm_ms(os.environ, left_ms - margin_ms))
        if prepare_in_s > 0:
            return prepare_in_s if ask_in_s is None else min(prepare_in_s, ask_in_s)
        self._prepare(alarm_at_ms)
        take_over_after_ms = margin_ms - (rescue // 2 if phase in (HANDED, ANSWERED) else rescue)
        take_over_in_s = self._in_s(take_over_after_ms)
        if phase in (HANDED, ANSWERED):
            return take_over_in_s if take_over_in_s > 0 else self._rescue(alarm_at_ms, phase)
        dump_s = rescue * _DUMP_SHARE / 1000
        dump_in_s = take_over_in_s - dump_s
        if dump_in_s <= 0:
            self._dump(alarm_at_ms, min(max(take_over_in_s, _LOOK_AGAIN_S), dump_s))
            # It may have taken all of that time.
            dump_in_s = take_over_in_s = self._in_s(take_over_after_ms)
        if take_over_in_s <= 0:
            return self._rescue(alarm_at_ms, phase)
        if phase != RUN:
            return dump_in_s
        if ask_in_s is not None:
            dump_in_s = min(dump_in_s, ask_in_s)
        understudy_in_s = self._in_s(_UNDERSTUDY_AFTER_MS)
        if understudy_in_s <= 0:
            os.kill(self._child, UNDERSTUDY_SIGNAL)
            understudy_in_s = _UNDERSTUDY_AGAIN_S
        return min(understudy_in_s, dump_in_s)

    def _ask(self, alarm_at_ms: int, left_ms: int, margin_ms: int) -> float | None:
        """Have the child capture its state from time to time; returns in how many seconds to look again."""
        if self._captures is None:
            from .captures import Captures

            self._captures = Captures(self._in_s)
        return self._captures.tend(self._child, alarm_at_ms, left_ms, margin_ms)

    def _dump(self, alarm_at_ms: int, within_s: float) -> None:
        """Have the child write where its threads are; it may have to wait for its share of the CPU to do so."""
        if self._dumped_for != alarm_at_ms and self._board.stacks >= 0:
            self._dumped_for = alarm_at_ms
            from . import stacks

            stacks.ask(self._child, self._board.stacks, within_s)

    def _in_s(self, after_alarm_ms: int) -> float:
        """Seconds until that long after the alarm, by the clock that says it is longer: either may have jumped."""
        words = self._board.words
        by_wall_clock = (words[ALARM_AT_MS] + after_alarm_ms) / 1000 - time.time()
        return max(by_wall_clock, (words[DUE_MS] + after_alarm_ms) / 1000 - time.monotonic())

    def _prepare(self, alarm_at_ms: int) -> None:
        """Have a courier and a standby ready, as far as memory allows."""
        if self._prepared_for == alarm_at_ms:
            return
        self._prepared_for = alarm_at_ms
        words = self._board.words
        words[ATTENDED] = 1
        # What the rescue needs, while there is time: at 128 MB this import takes as long as all the rest of it.
        from . import rescue  # noqa: F401

        if _available_kb() >= _COURIER_NEEDS_KB:
            self._dispatch.warm_up()
        if not words[STANDBY] and _available_kb() >= _STANDBY_NEEDS_KB:
            words[STANDBY] = self._runtimes.fork()

    def _forget_dump(self) -> None:
        self._dumped_for = 0
        if self._board.stacks >= 0:
            from . import stacks

            stacks.forget(self._board.stacks)

    def _rescue(self, alarm_at_ms: int, phase: int) -> float | None:
        from .rescue import GONE_ON, REPLACED, Rescue

        rescue = Rescue(self._board, self._settings, self._dispatch)
        ending = rescue.stuck(self._child, alarm_at_ms, phase)
        if ending == REPLACED:
            self._go_on(rescue.stopped)
            return _REST_S
        if ending != GONE_ON:
            self._done_with = alarm_at_ms
        return _LOOK_AGAIN_S

    def _replace(self) -> float | None:
        """Put another process in the place of a child that has answered and must not go on."""
        from .rescue import Rescue
        from .trust import load_is_too_slow

        rescue = Rescue(self._board, self._settings, self._dispatch)
        rescue.spent([self._child])
        words = self._board.words
        # An invocation that is not marked as failed must not end so: it would be tried again beside its successor.
        ends = words[FAILED] and load_is_too_slow(words[LOAD_MS], self._board.span()[0])
        # First of all, as locks of its and connections end with it.
        send(rescue.stopped, signal.SIGKILL)
        wait_for_ends(rescue.stopped)
        if ends:
            self._told_to_end = True
            return None
        self._go_on([])
        return _REST_S

    def _go_on(self, stopped: list[int]) -> None:
        """Put another process in the place of the child, and kill that with all that was stopped."""
        words = self._board.words
        self._board.finish()
        self._forget_dump()
        before, self._child = self._child, words[STANDBY] or self._runtimes.fork()
        words[STANDBY] = 0
        self._runtimes.go(self._child)
        self._runtimes.forget([before])
        send(stopped, signal.SIGKILL)
        self._rests_until = time.monotonic() + _REST_S

    def _dismiss(self) -> None:
        """End the standby and a courier that is not needed any longer, and forget where the child was."""
        words = self._board.words
        if self._dumped_for:
            self._forget_dump()
        # With a table each hop begins and ends with the courier, whose start takes longer than all that it does.
        if not (self._settings.table or self._dispatch.is_at_work()):
            self._dispatch.dismiss()
        standby = words[STANDBY]
        if standby:
            os.kill(standby, signal.SIGKILL)
            os.waitpid(standby, 0)
            self._runtimes.forget([standby])
        words[STANDBY] = words[ATTENDED] = 0


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
