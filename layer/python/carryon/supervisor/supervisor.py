"""Parent of the runtime process: passes signals on, has helpers ready in time, and acts where the runtime cannot.

It keeps every signal blocked and takes them one by one, so nothing ever interrupts it.
"""

from __future__ import annotations

# The C module: the signal module takes as long to import as all of the supervisor's own.
import _signal as signal
import os
import time

from carryon.shared.board import (
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
from carryon.shared.margins import rescue_ms, slowness, warm_up_before_alarm_ms
from carryon.shared.processes import handles, lives, reap, send, wait_for_ends

from .courier_dispatch import Dispatch
from .courier_needs import Needs
from .failures import TRIES, Failures
from .runtimes import Runtimes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from carryon.shared.board import Board
    from carryon.shared.settings import Settings

    from .capture_requests import Captures
    from .courier_dispatch import RunCourier

_NOT_PASSED_ON = {signal.SIGCHLD, WAKE_SIGNAL, signal.SIGURG, signal.SIGWINCH}
_END = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT}
# si_code of our own timer's SIGALRM, and of what a terminal sends, which the child gets as well.
_FROM_KERNEL = 0x80
_PLENTY_KB = 1 << 30
# An alarm that was not seen by then was taken by somebody else; or it found the function where it cannot be raised.
_UNDERSTUDY_AFTER_MS = 30
_UNDERSTUDY_AGAIN_S = 0.02
_LOOK_AGAIN_S = 0.001
# What has failed may not fail again so soon.
_TRY_AGAIN_S = 0.01
# The courier's end takes CPU time that the next process needs to ask for its event.
_REST_S = 0.1
# Of a child whose end was not kept: as if it had ended with exit status 1.
_UNKNOWN_STATUS = 1 << 8
# Of the time that a rescue has: how long before it the child is asked where it is.
_DUMP_SHARE = 0.1


class Supervisor:
    """Watches over one runtime process after the other; the calling process has every signal blocked.

    Args:
        child: process id of the runtime; `child` is that of the one that has taken its place.
        pipe: writing end of the pipe by which that process notices the supervisor's end.
        run_courier: as `Dispatch` takes it.
        start: as `Runtimes` takes it.
    """

    def __init__(
        self,
        board: Board,
        settings: Settings,
        child: int,
        pipe: int,
        run_courier: RunCourier,
        start: Callable[[int, int], NoReturn] | None = None,
    ) -> None:
        self._board = board
        self.child = child
        self._runtimes = Runtimes(child, pipe, start)
        self._settings = settings
        self._dispatch = Dispatch(board, settings, self._runtimes.leave, run_courier)
        self._needs = Needs(settings, os.environ)
        self._warm_up_is_long = self._needs.botocore or self._runtimes.are_programs
        self._captures: Captures | None = None
        self._prepared_for = 0
        self._dumped_for = 0
        self._done_with = 0
        self._rests_until = 0.0
        self._told_to_end = False
        self._failures = Failures(board)

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
                send([self.child], info.si_signo)

    def _reap(self) -> tuple[int, int] | None:
        """Collect whoever has ended, orphans included; of the child, the exit status and the peak memory in KB."""
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if ended is None:
                    return None
                # Not before somebody has ended: wait4() imports a module.
                pid, status, usage = os.wait4(ended.si_pid, 0)
            except ChildProcessError:
                # Where its end was not kept for this process, nobody will tell of it any more.
                return None if lives(self.child) else (_UNKNOWN_STATUS, 0)
            self._runtimes.forget([pid])
            if pid == self.child:
                return status, usage.ru_maxrss
            if pid == self._board.words[COURIER]:
                self._dispatch.note_end()
            if pid == self._board.words[STANDBY]:
                self._board.words[STANDBY] = 0

    def _outlive(self, status: int, peak_kb: int) -> bool:
        """Answer for the child that has died and start another; False if this process has to end with it."""
        words = self._board.words
        is_spent = words[PHASE] == SPENT
        if self._told_to_end or not (words[ALARM_AT_MS] or is_spent):
            return False
        try:
            from .rescue import Rescue

            rescue = Rescue(self._board, self._settings, self._dispatch)
            if is_spent:
                rescue.spent([])
            elif not rescue.died(status, peak_kb):
                return False
            self._go_on(rescue.stopped)
        except Exception as error:
            self._failures.say("supervisor", error)
            return False
        return True

    def _look(self) -> float | None:
        """`_tend`, whose failure is one invocation's; the runtime's life depends on this process."""
        try:
            return self._tend()
        except Exception as error:
            return self._fail(error)

    def _fail(self, error: Exception) -> float | None:
        """Have it tried again, or leave the invocation that is running to itself; the next one is watched over."""
        if self._failures.count("supervisor", error) < TRIES:
            return _TRY_AGAIN_S
        # What a courier has begun with may succeed all the same.
        self._board.put_cause(f"the supervisor failed: {error!r}")
        self._let_go()
        return None

    def _let_go(self) -> None:
        """Have the runtime wait for nothing that this process does not do."""
        words = self._board.words
        if words[PHASE] in (LEFT, RESCUED):
            words[PHASE] = HANDED
        self._dispatch.refuse()
        # What must not go on ends.
        send([self.child], signal.SIGKILL if words[PHASE] == SPENT else signal.SIGCONT)

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
        if self._failures.are_too_many(alarm_at_ms):
            self._let_go()
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
            ask_in_s = self._failures.have("captures", lambda: self._ask(alarm_at_ms, left_ms, margin_ms))
        warm_up_ms = warm_up_before_alarm_ms(os.environ, left_ms - margin_ms, is_long=self._warm_up_is_long)
        prepare_in_s = self._in_s(-warm_up_ms)
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
            within_s = min(max(take_over_in_s, _LOOK_AGAIN_S), dump_s)
            self._failures.have("stack", lambda: self._dump(alarm_at_ms, within_s))
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
            if handles(self.child, UNDERSTUDY_SIGNAL):
                send([self.child], UNDERSTUDY_SIGNAL)
            understudy_in_s = _UNDERSTUDY_AGAIN_S
        return min(understudy_in_s, dump_in_s)

    def _ask(self, alarm_at_ms: int, left_ms: int, margin_ms: int) -> float | None:
        """Have the child capture its state from time to time; returns in how many seconds to look again."""
        if self._captures is None:
            from .capture_requests import Captures

            self._captures = Captures(self._in_s, self._board.words)
        return self._captures.tend(self.child, alarm_at_ms, left_ms, margin_ms)

    def _dump(self, alarm_at_ms: int, within_s: float) -> None:
        """Have the child write where its threads are; it may have to wait for its share of the CPU to do so."""
        if self._dumped_for != alarm_at_ms and self._board.stacks >= 0:
            self._dumped_for = alarm_at_ms
            from carryon.shared import stack_dumps

            stack_dumps.ask(self.child, self._board.stacks, within_s)

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
        # First, as it takes the longest, and every hop needs it.
        if _available_kb() >= self._needs.memory_kb:
            self._failures.have("courier", self._dispatch.warm_up)
        # What the rescue needs, while there is time: at 128 MB this import takes as long as all the rest of it.
        self._failures.have("rescue", _import_rescue)
        if not words[STANDBY] and _available_kb() >= self._runtimes.needs_kb:
            words[STANDBY] = self._failures.have("standby", self._runtimes.fork) or 0

    def _forget_dump(self) -> None:
        self._dumped_for = 0
        if self._board.stacks >= 0:
            self._failures.have("stack", self._empty_stacks)

    def _empty_stacks(self) -> None:
        from carryon.shared import stack_dumps

        stack_dumps.forget(self._board.stacks)

    def _rescue(self, alarm_at_ms: int, phase: int) -> float | None:
        from .rescue import GONE_ON, REPLACED, Rescue

        rescue = Rescue(self._board, self._settings, self._dispatch)
        ending = rescue.stuck(self.child, alarm_at_ms, phase)
        if ending == REPLACED:
            self._go_on(rescue.stopped)
            return _REST_S
        if ending != GONE_ON:
            self._done_with = alarm_at_ms
        return _LOOK_AGAIN_S

    def _replace(self) -> float | None:
        """Put another process in the place of a child that has answered and must not go on."""
        from .rescue import Rescue

        rescue = Rescue(self._board, self._settings, self._dispatch)
        rescue.spent([self.child])
        words = self._board.words
        # An invocation that is not marked as failed must not end so: it would be tried again beside its successor.
        ends = words[FAILED] and _load_is_too_slow(words[LOAD_MS], self._board.span()[0])
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
        self._board.finish()
        self._forget_dump()
        before, self.child = self.child, self._successor(stopped)
        self._runtimes.forget([before])
        send(stopped, signal.SIGKILL)
        self._rests_until = time.monotonic() + _REST_S

    def _successor(self, stopped: list[int]) -> int:
        """Let the standby go on, or a process that is forked now; after the end of what was `stopped`, if need be.

        That invocation is over. If there is no successor even then this process ends, and the platform starts anew.
        """
        words = self._board.words
        standby, words[STANDBY] = words[STANDBY], 0
        if standby:
            if self._runtimes.go(standby):
                return standby
            self._runtimes.dismiss(standby)
        child = self._failures.have("successor", self._runtimes.fork)
        for again in range(TRIES):
            if child:
                break
            send(stopped, signal.SIGKILL)
            # What has ended takes its place among the processes until it was waited for.
            time.sleep(_TRY_AGAIN_S * 2**again)
            self._runtimes.forget([pid for pid in stopped if reap(pid)])
            child = self._failures.have("successor", self._runtimes.fork)
        if not child or not self._runtimes.go(child):
            os._exit(1)
        return int(child)

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
            self._runtimes.dismiss(standby)
        words[STANDBY] = words[ATTENDED] = 0


def _import_rescue() -> None:
    from . import rescue  # noqa: F401


def _available_kb() -> int:
    """MemAvailable; unknown counts as plenty."""
    try:
        with open("/proc/meminfo") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1])
    except OSError:
        pass
    return _PLENTY_KB


def _end_as(status: int) -> int:
    """Exit status for this process; a signal that ended the child ends this process as well."""
    if not os.WIFSIGNALED(status):
        return os.WEXITSTATUS(status)
    number = os.WTERMSIG(status)
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except Exception:
        pass  # a core file more is no reason to end in another way
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    return 128 + number  # still here: the first process of a container cannot be killed so


def _load_is_too_slow(load_ms: int, left_ms: int) -> bool:
    """Whether a process that loads the function's module within an invocation has too little left of its time.

    Args:
        load_ms: CPU time of the last load.
        left_ms: the time of an invocation.
    """
    return load_ms * slowness(os.environ) > left_ms / 2
