"""SIGALRM a margin before the deadline, raised as an exception in the handler and nowhere else.

Where somebody else has taken SIGALRM or its timer, the supervisor sends the understudy, a signal of our own.
"""

from __future__ import annotations

# The C module: the signal module's enum conversions cost more than the calls, and its import 0.7 ms.
import _signal
import sys
from _weakref import ref
from os import getpid
from time import monotonic, time

from carryon import TimeIsUp
from carryon.shared.board import CAPTURE_SIGNAL, UNDERSTUDY_SIGNAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

OFF, SET, CALLING, WAITING, FIRED = range(5)

_SIGALRM = _signal.SIGALRM
_REAL = _signal.ITIMER_REAL
_NO_TIMER = 0.0, 0.0
# A timer may end a little before the wall clock says so.
_TOLERANCE_S = 0.003
_RETRY_S = 0.002
_RAISE_AGAIN_S = 0.0005
# A timer that has this much less or more left than ours would have is not ours.
_SAME_TIMER_S = 0.005


class Watchdog:
    """One alarm per invocation, in the main thread.

    The caller sets `phase` itself, to CALLING right before it calls the handler and to OFF right after: frames above
    its own are then the handler's, and an alarm in its own comes too early or too late.

    Args:
        error: makes the exception to raise; called with whether an event loop is running.
        on_fire: called with the interrupted frame before the exception is raised.
        on_swallowed: called when the exception was raised where nobody can see it, and has to be raised again.
        clock: seconds since the epoch, the clock of Lambda's deadlines.
        put_off: called with the interrupted frame first of all; returns for how many seconds at most the exception is
            to wait for a call of `leave`, 0 to raise it now. Called again when they are over, with False.
        call_off: called when the handler has ended while the exception waited, or in a process that it has forked; not
            only once.

    Whatever these raise, or else fails here, does not reach the handler: the alarm comes without it, or later.
    """

    def __init__(
        self,
        error: Callable[[bool], BaseException],
        on_fire: Callable[[FrameType], None],
        on_swallowed: Callable[[], None],
        clock: Callable[[], float] = time,
        put_off: Callable[[FrameType, bool], float] | None = None,
        call_off: Callable[[], None] | None = None,
    ) -> None:
        self.phase = OFF
        # How many blocks the handler is in that must not be interrupted.
        self.shields = 0
        # Code of ours runs above the handler's frames, on whose end something depends.
        self.is_busy = False
        # To the exception that was raised, unless it was lost; whoever held it would hold the handler's frames.
        self.fired: ref[BaseException] | None = None
        self._to_raise: list[BaseException] = []
        self._error = error
        self._on_fire = on_fire
        self._on_swallowed = on_swallowed
        self._clock = clock
        self._put_off = put_off
        self._call_off = call_off
        self._on_ask: Callable[[FrameType], None] | None = None
        self._waits_until = 0.0
        self._pid = getpid()
        self.alarm_at = 0.0
        self.caller: FrameType | None = None
        self._handler = self._on_alarm
        self._previous: Any = _signal.SIG_DFL
        self._is_armed = False
        # When the timer was stopped, what it had left, and whether the signal was still ours.
        self._stopped: tuple[float, tuple[float, float], bool] | None = None
        # Our timer rings at some time from `_due_from` to `due`; nobody knows when a system call is done.
        self._due_from = 0.0
        self.due = 0.0
        # As it was when ours took its place, until that is noted.
        self._replaced = _NO_TIMER
        self._other_due = 0.0
        self._other_interval = 0.0
        self._unraisable: Any = None
        self._unraisable_before: Any = None
        self._traced: FrameType | None = None
        self._tracer: Any = None

    def adopt(self) -> None:
        """Work in the calling process, which may be a fork of the one that this was made in."""
        self._pid = getpid()

    def stand_by(self, on_ask: Callable[[FrameType], None] | None = None) -> None:
        """Take the understudy's signal, for as long as this process lives.

        Args:
            on_ask: called with the interrupted frame where the state is to be captured before the alarm.
        """
        import atexit

        _signal.signal(UNDERSTUDY_SIGNAL, self._on_understudy)
        if on_ask is not None:
            self._on_ask = on_ask
            _signal.signal(CAPTURE_SIGNAL, self._on_capture)
            # Nobody is to notice: what waits in a system call goes on waiting.
            _signal.siginterrupt(CAPTURE_SIGNAL, False)
        atexit.register(_ignore)

    def arm(self, caller: FrameType, now: float, alarm_at: float) -> bool:
        """Set the alarm; False if a handler that Python does not know has the signal.

        Args:
            caller: the frame that is going to call the handler.
            now: the time, in seconds since the epoch.
            alarm_at: when, on the same clock.

        Raises:
            ValueError: this is not the main thread.
        """
        if self._is_armed:
            self.disarm()
        previous = _signal.getsignal(_SIGALRM)
        if previous is None:
            return False
        self.fired = None
        self.is_busy = False
        self.shields = 0
        self.alarm_at = alarm_at
        self.caller = caller
        # Ours where somebody has put back what was there in an invocation before.
        if previous is not self._handler:
            self._previous = previous
        self._stopped = None
        self._is_armed = True
        _signal.signal(_SIGALRM, self._handler)
        self.phase = SET
        delay = alarm_at - now
        if delay < _RETRY_S:
            delay = _RETRY_S
        self._due_from = monotonic() + delay
        # At once where it is found again if something fails in between.
        self._replaced = _signal.setitimer(_REAL, delay)
        self.due = monotonic() + delay
        if self._replaced[0]:
            self._note_other()
            self._set_timer(delay)
        return True

    def disarm(self) -> None:
        """Give back SIGALRM and the timer, less the time that has passed; `phase` is OFF already. Never fails."""
        try:
            if self._waits_until or self._to_raise:
                self._call_off_search()
            self._give_back_signal()
            if self._unraisable is not None:
                self._give_back_hooks()
        except Exception:
            # Each of them begins where it has failed.
            for step in (self._call_off_search, self._give_back_signal, self._give_back_hooks):
                try:
                    step()
                except Exception:
                    self._to_raise.clear()

    def _note_other(self) -> None:
        """Note when the timer rings that was there before ours."""
        remaining, interval = self._replaced
        self._other_due, self._other_interval = monotonic() + remaining, interval
        self._replaced = _NO_TIMER

    def _call_off_search(self) -> None:
        self._to_raise.clear()
        if self._waits_until:
            if self._call_off is not None:
                self._call_off()
            self._waits_until = 0.0

    def _give_back_signal(self) -> None:
        if not self._is_armed:
            return
        if self._replaced[0]:
            self._note_other()
        if self._stopped is None:
            self._stopped = (
                monotonic(),
                _signal.setitimer(_REAL, 0),
                # Unless the function has taken the signal for itself, and would find it so without us.
                _signal.getsignal(_SIGALRM) is self._handler,
            )
        stopped_at, (remaining, interval), is_ours = self._stopped
        # Of an invocation that was cut short nothing is left to ring: without us its process would have ended.
        is_cut_short = self.fired is not None
        if is_ours:
            _signal.signal(_SIGALRM, self._previous)
        if is_ours and self._other_due and not (is_cut_short and not self._other_interval):
            _signal.setitimer(_REAL, max(self._other_due - monotonic(), 0.0001), self._other_interval)
        elif not is_cut_short and self._is_other_timer(remaining, stopped_at):
            _signal.setitimer(_REAL, remaining, interval)
        self._is_armed = False
        self._other_due = 0.0
        self.caller = self._stopped = None

    def _give_back_hooks(self) -> None:
        if self._unraisable is None:
            return
        if sys.unraisablehook is self._unraisable:
            sys.unraisablehook = self._unraisable_before
        self._trace(None)
        # Python forgets a trace function that an exception comes out of.
        if self._tracer is not None and sys.gettrace() is None:
            sys.settrace(self._tracer)
        self._unraisable = self._unraisable_before = self._tracer = None

    def other_alarm_in_s(self) -> float | None:
        """In how many seconds a timer that is not ours rings; None where there is none."""
        now = monotonic()
        if self._other_due:
            return self._other_due - now
        remaining = _signal.getitimer(_REAL)[0]
        return remaining if self._is_other_timer(remaining, now) else None

    def other_handler_file(self) -> str:
        """The file of the code that such a timer would call; empty where that is none of Python's."""
        handler = _signal.getsignal(_SIGALRM)
        if handler is self._handler:
            handler = self._previous
        code = getattr(getattr(handler, "__func__", handler), "__code__", None)
        return code.co_filename if code is not None else ""

    def detach(self) -> None:
        """Let go in a process that the function has forked: timers are not inherited, handlers are."""
        self._pid = getpid()
        if self._is_armed:
            self.phase = OFF
            self._other_due = 0.0
            self.disarm()

    def _on_alarm(self, signum: int, frame: FrameType | None) -> None:
        try:
            if not self._rings_for_another(frame):
                return
        except Exception as error:
            if TimeIsUp in error.__class__.__mro__:
                raise
            try:
                self._recover()
            except Exception:
                return
            return
        # What the function's own handler raises is the function's.
        self._pass_on(signum, frame)

    def _rings_for_another(self, frame: FrameType | None) -> bool:
        """Raise, or wait on; whether the signal is to be passed on to the handler that was there before."""
        if self.phase in (OFF, FIRED) or getpid() != self._pid:
            return False
        now = monotonic()
        early = self.alarm_at - self._clock()
        if self._other_due and now >= self._other_due:
            self._other_due = now + self._other_interval if self._other_interval else 0.0
            self._set_timer(max(early, 0.0001))
            return True
        if early <= _TOLERANCE_S:
            if not self._fire(frame):
                # Not called yet, or just returned: a result that is there is never thrown away.
                self._set_timer(_RETRY_S)
            return False
        if now >= self._due_from - _TOLERANCE_S:
            # The wall clock was set back.
            self._set_timer(early)
            return False
        # The function has set the timer for the handler that it had before, or sent the signal itself.
        remaining, interval = _signal.getitimer(_REAL)
        if self._is_other_timer(remaining, now):
            self._other_due, self._other_interval = now + remaining, interval
        self._set_timer(early)
        # By itself, it would have ended the process.
        return callable(self._previous)

    def _on_understudy(self, _: int, frame: FrameType | None) -> None:
        try:
            # The supervisor sends it again until it has had an effect.
            if self.phase in (CALLING, WAITING) and self._is_up():
                self._fire(frame)
        except Exception as error:
            if TimeIsUp in error.__class__.__mro__:
                raise
            try:
                self._recover()
            except Exception:
                return

    def _is_up(self) -> bool:
        return getpid() == self._pid and self.alarm_at - self._clock() <= _TOLERANCE_S

    def _on_capture(self, _: int, frame: FrameType | None) -> None:
        try:
            if self.phase != CALLING or self.shields or self.is_busy or frame is None or getpid() != self._pid:
                return
            at: FrameType | None = frame
            while at is not None and at.f_back is not self.caller:
                at = at.f_back
            if at is not None and self._on_ask is not None:
                # What is begun here is called off when the handler ends.
                self._waits_until = self._waits_until or monotonic()
                self.is_busy = True
                self._on_ask(frame)
                self.is_busy = False
        except Exception:
            self.is_busy = False
        except BaseException:
            # Of another signal's handler, which was called here.
            self.is_busy = False
            raise

    def _recover(self) -> None:
        """After a failure of our own, which the handler is not to see: ring again."""
        self.is_busy = False
        if self._to_raise:
            self._forget_raised()
            self._on_swallowed()
        # Where it cannot be set, the understudy comes, and behind it the supervisor.
        if self._is_armed and self.has_signal() and not _signal.getitimer(_REAL)[0]:
            self._set_timer(max(self.alarm_at - self._clock(), _RETRY_S))

    def _forget_raised(self) -> None:
        self._to_raise.clear()
        self.fired = None
        self.phase = CALLING

    def _fire(self, frame: FrameType | None) -> bool:
        """Raise in the handler; False if this is not the handler, or a block of it that must not be interrupted."""
        if self.phase == WAITING:
            rest_s = self._waits_until - monotonic()
            if rest_s > _TOLERANCE_S:
                if self.has_signal():
                    self._set_timer(rest_s)
                return True
        if frame is not None and self._waits_until and not self.is_busy and self._is_looked_at(frame):
            # There would hardly ever be another frame to be found while every step is looked at; and behind a trace
            # function the interpreter sets all variables of the frame.
            self._call_off_search()
            self._waits_until = monotonic()
            self._set_timer(_RAISE_AGAIN_S)
            return True
        root = frame if self.phase in (CALLING, WAITING) and not (self.shields or self.is_busy) else None
        if frame is not None and frame.f_code.co_filename.endswith(_EVENT_LOOP):
            # A step of a task that the loop has in its hands would be lost, and waited for for ever.
            return False
        while root is not None and root.f_back is not self.caller:
            if root.f_code is _HOOK:
                # What is raised there is lost.
                return False
            root = root.f_back
        if root is None or frame is None or self.caller is None:
            return False
        if root.f_code is _code(self.caller.f_trace):
            # What traces the caller's own frame, before the handler's call or after it.
            return False
        if self._put_off is not None and self._waits(frame):
            return True
        self.leave(frame)
        return False

    def _is_looked_at(self, frame: FrameType) -> bool:
        """Whether a search looks at a step of the handler's, in that frame or a caller of it."""
        at: FrameType | None = frame
        while at is not None and at is not self.caller:
            if at.f_code.co_filename.endswith(_STEPPING):
                return True
            at = at.f_back
        return False

    def _waits(self, frame: FrameType) -> bool:
        """Whether the exception is put off; whatever fails in that, it is not."""
        try:
            # Before the call, which may take a while.
            is_first, self.phase = self.phase == CALLING, WAITING
            self._waits_until = monotonic()
            self.is_busy = True
            assert self._put_off is not None
            wait_s = self._put_off(frame, is_first)
            self.is_busy = False
            self._waits_until += wait_s
            if wait_s and self.has_signal():
                self._set_timer(wait_s)
            return wait_s > 0
        except Exception:
            self.is_busy = False
            return False
        except BaseException:
            self.is_busy = False
            raise

    def has_signal(self) -> bool:
        """Whether SIGALRM comes here, and not to somebody who has taken it."""
        return _signal.getsignal(_SIGALRM) is self._handler

    def leave(self, frame: FrameType) -> None:
        """Raise the exception, in a frame of the handler's that may be interrupted; returns if that failed."""
        try:
            self._make(frame)
            # No variable here has it: its traceback has this frame.
            raise self._to_raise.pop()
        except Exception as error:
            if TimeIsUp in error.__class__.__mro__:
                raise
            try:
                self._recover()
            except Exception:
                return

    def _make(self, frame: FrameType) -> None:
        asyncio = sys.modules.get("asyncio.events")
        self._to_raise.append(self._error(asyncio is not None and asyncio._get_running_loop() is not None))
        self.phase = FIRED
        self.fired = ref(self._to_raise[0])
        if self._unraisable is None:
            self._unraisable_before = sys.unraisablehook
            tracer = sys.gettrace()
            if _is_within(frame, tracer) and not _is_ours(tracer):
                self._tracer = tracer
            self._unraisable = sys.unraisablehook = self._on_unraisable
        try:
            self._on_fire(frame)
        except Exception:
            return

    def make_up(self) -> None:
        """Raise what came while it must not; called at the end of such a block, in one frame more."""
        try:
            if self._is_up():
                self._fire(sys._getframe(2))
        except Exception as error:
            if TimeIsUp in error.__class__.__mro__:
                raise
            try:
                self._recover()
            except Exception:
                return

    def _on_unraisable(self, unraisable: Any) -> None:
        """A destructor or a weak reference's callback was interrupted, from which no exception gets out."""
        try:
            is_lost = self._is_lost(unraisable.exc_value)
        except Exception:
            is_lost = self._is_lost(unraisable.exc_value)
        if not is_lost:
            self._unraisable_before(unraisable)
            return
        try:
            self._forget_raised()
            self._on_swallowed()
            # In a loop full of destructors a timer would find one each time.
            self._trace(sys._getframe(1))
            if self.has_signal():
                self._set_timer(_RAISE_AGAIN_S)
        except Exception:
            self._forget_raised()
            self._recover()

    def _is_lost(self, error: BaseException | None) -> bool:
        return error is not None and self.phase == FIRED and self.fired is not None and error is self.fired()

    def _trace(self, frame: FrameType | None) -> None:
        """Raise at the next line of that frame, or no longer, unless somebody else is tracing."""
        traced, self._traced = self._traced, None
        if traced is not None and traced.f_trace == self._on_line:
            traced.f_trace = None
        if sys.gettrace() is _trace_nothing:
            sys.settrace(None)
        if frame is not None and sys.gettrace() is None and frame.f_trace is None:
            self._traced = frame
            frame.f_trace = self._on_line
            sys.settrace(_trace_nothing)

    def _on_line(self, frame: FrameType, what: str, _: Any) -> Any:
        try:
            if what != "line":
                return self._on_line
            self._trace(None)
            self._fire(frame)
        except Exception as error:
            if TimeIsUp in error.__class__.__mro__:
                raise
            try:
                self._recover()
            except Exception:
                return None
        return None

    def _set_timer(self, delay: float) -> None:
        now = monotonic()
        self._due_from = self.due = now + delay
        if self._other_due:
            delay = min(delay, max(self._other_due - now, 0.0001))
        _signal.setitimer(_REAL, delay)
        self.due += monotonic() - now

    def _pass_on(self, signum: int, frame: FrameType | None) -> None:
        """Do what the alarm that the function had set would have done."""
        if callable(self._previous):
            self._previous(signum, frame)
        elif self._previous == _signal.SIG_DFL:
            _signal.signal(signum, _signal.SIG_DFL)
            _signal.raise_signal(signum)

    def _is_other_timer(self, remaining: float, asked_at: float) -> bool:
        """Whether a timer that had that much left when it was asked, then or a little later, is not ours."""
        if not remaining:
            return False
        earlier, later = self._due_from - _SAME_TIMER_S, self.due + _SAME_TIMER_S
        return asked_at + remaining > later or monotonic() + remaining < earlier


_EVENT_LOOP = ("/asyncio/base_events.py", "/asyncio/events.py")
_STEPPING = "/carryon/safe_points/stepping.py"
_HOOK = Watchdog._on_unraisable.__code__


def _trace_nothing(*_: Any) -> None:
    """For the frames that are entered meanwhile."""


def _is_within(frame: FrameType | None, tracer: Any) -> bool:
    """Whether a trace function, or what it has returned to trace a frame by, is what a frame runs in."""
    at = frame if tracer is not None else None
    codes = set()
    while at is not None:
        codes.add(at.f_code)
        at = at.f_back
    at = frame
    while codes and at is not None:
        if _code(at.f_trace) in codes:
            return True
        at = at.f_back
    return _code(tracer) in codes


def _is_ours(tracer: Any) -> bool:
    """Whether a trace function is one by which a place is searched for; where it could not be stopped, it still is."""
    code = _code(tracer)
    return code is not None and code.co_filename.endswith(_STEPPING)


def _code(called: Any) -> Any:
    found = getattr(getattr(called, "__func__", called), "__code__", None)
    return found or getattr(vars(type(called)).get("__call__"), "__code__", None)


def _ignore() -> None:
    """Have late signals of ours ignored: as the interpreter ends, it leaves what it has handled to end the process."""
    for number in (UNDERSTUDY_SIGNAL, CAPTURE_SIGNAL):
        if getattr(_signal.getsignal(number), "__func__", None) in (Watchdog._on_understudy, Watchdog._on_capture):
            _signal.signal(number, _signal.SIG_IGN)
