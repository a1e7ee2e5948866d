"""SIGALRM a margin before the deadline, raised as an exception in the handler and nowhere else.

Where somebody else has taken SIGALRM or its timer, the supervisor sends the understudy, a signal of our own.
"""

from __future__ import annotations

# The C module: the signal module's enum conversions cost more than the calls, and its import 0.7 ms.
import _signal
import sys
from os import getpid
from time import monotonic, time

from .board import CAPTURE_SIGNAL, UNDERSTUDY_SIGNAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any, NoReturn

OFF, SET, CALLING, WAITING, FIRED = range(5)

_SIGALRM = _signal.SIGALRM
_REAL = _signal.ITIMER_REAL
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
        on_fire: called with the interrupted frame before the exception is raised; must not raise.
        on_swallowed: called when the exception was raised where nobody can see it, and has to be raised again.
        clock: seconds since the epoch, the clock of Lambda's deadlines.
        put_off: called with the interrupted frame first of all; returns for how many seconds at most the exception is
            to wait for a call of `leave`, 0 to raise it now. Called again when they are over, with False.
        call_off: called when the handler has ended while the exception waited, or in a process that it has forked.
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
        self.fired: BaseException | None = None
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
        self._previous: Any = None
        # Our timer rings at some time from `_due_from` to `due`; nobody knows when a system call is done.
        self._due_from = 0.0
        self.due = 0.0
        self._other_due = 0.0
        self._other_interval = 0.0
        self._unraisable: Any = None
        self._unraisable_before: Any = None
        self._traced: FrameType | None = None
        self._tracer: Any = None

    def stand_by(self, on_ask: Callable[[FrameType], None] | None = None) -> None:
        """Take the understudy's signal, for as long as this process lives.

        Args:
            on_ask: called with the interrupted frame where the state is to be captured before the alarm; must not
                raise.
        """
        _signal.signal(UNDERSTUDY_SIGNAL, self._on_understudy)
        if on_ask is not None:
            self._on_ask = on_ask
            _signal.signal(CAPTURE_SIGNAL, self._on_capture)
            # Nobody is to notice: what waits in a system call goes on waiting.
            _signal.siginterrupt(CAPTURE_SIGNAL, False)

    def arm(self, caller: FrameType, now: float, alarm_at: float) -> bool:
        """Set the alarm; False if a handler that Python does not know has the signal.

        Args:
            caller: the frame that is going to call the handler.
            now: the time, in seconds since the epoch.
            alarm_at: when, on the same clock.

        Raises:
            ValueError: this is not the main thread.
        """
        if _signal.getsignal(_SIGALRM) is None:
            return False
        self.fired = None
        self.shields = 0
        self.alarm_at = alarm_at
        self.caller = caller
        self._previous = _signal.signal(_SIGALRM, self._handler)
        self.phase = SET
        delay = alarm_at - now
        if delay < _RETRY_S:
            delay = _RETRY_S
        self._due_from = monotonic() + delay
        remaining, interval = _signal.setitimer(_REAL, delay)
        self.due = monotonic() + delay
        if remaining:
            self._other_due = self.due - delay + remaining
            self._other_interval = interval
            if remaining < delay:
                _signal.setitimer(_REAL, remaining)
        return True

    def disarm(self) -> None:
        """Give back SIGALRM and the timer, less the time that has passed; `phase` is OFF already."""
        if self._unraisable is not None:
            if sys.unraisablehook is self._unraisable:
                sys.unraisablehook = self._unraisable_before
            self._unraisable = None
            self._trace(None)
            # Python forgets a trace function that an exception comes out of.
            tracer, self._tracer = self._tracer, None
            if tracer is not None and sys.gettrace() is None:
                sys.settrace(tracer)
        if self._waits_until:
            self._waits_until = 0.0
            if self._call_off is not None:
                self._call_off()
        now = monotonic()
        remaining, interval = _signal.setitimer(_REAL, 0)
        self.caller = None
        other_due, self._other_due = self._other_due, 0.0
        # Unless the function has taken the signal for itself, and would find it so without us.
        if _signal.getsignal(_SIGALRM) is self._handler:
            _signal.signal(_SIGALRM, self._previous)
            if other_due:
                _signal.setitimer(_REAL, max(other_due - monotonic(), 0.0001), self._other_interval)
                return
        if self._is_other_timer(remaining, now):
            _signal.setitimer(_REAL, remaining, interval)

    def detach(self) -> None:
        """Let go in a process that the function has forked: timers are not inherited, handlers are."""
        self._pid = getpid()
        if self.phase != OFF:
            self.phase = OFF
            self._other_due = 0.0
            self.disarm()

    def _on_alarm(self, signum: int, frame: FrameType | None) -> None:
        if self.phase in (OFF, FIRED) or getpid() != self._pid:
            return
        now = monotonic()
        early = self.alarm_at - self._clock()
        if self._other_due and now >= self._other_due:
            self._pass_on(signum, frame)
        elif early <= _TOLERANCE_S:
            if not self._fire(frame):
                # Not called yet, or just returned: a result that is there is never thrown away.
                self._set_timer(_RETRY_S)
        elif now >= self._due_from - _TOLERANCE_S:
            # The wall clock was set back.
            self._set_timer(early)
        else:
            self._let_other_timer_ring(now, early, signum, frame)

    def _on_understudy(self, _: int, frame: FrameType | None) -> None:
        # The supervisor sends it again until it has had an effect.
        if self.phase in (CALLING, WAITING) and getpid() == self._pid and self.alarm_at - self._clock() <= _TOLERANCE_S:
            self._fire(frame)

    def _on_capture(self, _: int, frame: FrameType | None) -> None:
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

    def _fire(self, frame: FrameType | None) -> bool:
        """Raise in the handler; False if this is not the handler, or a block of it that must not be interrupted."""
        if self.phase == WAITING:
            rest_s = self._waits_until - monotonic()
            if rest_s > _TOLERANCE_S:
                if self.has_signal():
                    self._set_timer(rest_s)
                return True
            if frame is not None and frame.f_code.co_filename.endswith(_STEPPING) and self._call_off is not None:
                # There would hardly ever be another frame to be found while every step is looked at.
                self._call_off()
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
        if root is None or frame is None:
            return False
        if self._put_off is not None:
            # Before the call, which may take a while.
            is_first, self.phase = self.phase == CALLING, WAITING
            self._waits_until = monotonic()
            self.is_busy = True
            wait_s = self._put_off(frame, is_first)
            self.is_busy = False
            if wait_s:
                self._waits_until += wait_s
                if self.has_signal():
                    self._set_timer(wait_s)
                return True
        return self.leave(frame)

    def has_signal(self) -> bool:
        """Whether SIGALRM comes here, and not to somebody who has taken it."""
        return _signal.getsignal(_SIGALRM) is self._handler

    def leave(self, frame: FrameType) -> NoReturn:
        """Raise the exception, in a frame of the handler's that may be interrupted."""
        self.phase = FIRED
        asyncio = sys.modules.get("asyncio.events")
        self.fired = error = self._error(asyncio is not None and asyncio._get_running_loop() is not None)
        if self._unraisable is None:
            self._unraisable_before = sys.unraisablehook
            self._unraisable = sys.unraisablehook = self._on_unraisable
            self._tracer = sys.gettrace()
        self._on_fire(frame)
        raise error

    def make_up(self) -> None:
        """Raise what came while it must not; called at the end of such a block, in one frame more."""
        if getpid() == self._pid and self.alarm_at - self._clock() <= _TOLERANCE_S:
            self._fire(sys._getframe(2))

    def _on_unraisable(self, unraisable: Any) -> None:
        """A destructor or a weak reference's callback was interrupted, from which no exception gets out."""
        error = unraisable.exc_value
        if error is None or error is not self.fired or self.phase != FIRED:
            self._unraisable_before(unraisable)
            return
        self.fired = None
        self.phase = CALLING
        self._on_swallowed()
        # In a loop full of destructors a timer would find one each time.
        self._trace(sys._getframe(1))
        if _signal.getsignal(_SIGALRM) is self._handler:
            self._set_timer(_RAISE_AGAIN_S)

    def _trace(self, frame: FrameType | None) -> None:
        """Raise at the next line of that frame, or no longer, unless somebody else is tracing."""
        traced, self._traced = self._traced, None
        if traced is not None:
            traced.f_trace = None
            sys.settrace(None)
        if frame is not None and sys.gettrace() is None:
            self._traced = frame
            sys.settrace(_trace_nothing)
            frame.f_trace = self._on_line

    def _on_line(self, frame: FrameType, what: str, _: Any) -> Any:
        if what != "line":
            return self._on_line
        self._trace(None)
        self._fire(frame)
        return None

    def _set_timer(self, delay: float) -> None:
        now = monotonic()
        self._due_from = self.due = now + delay
        if self._other_due:
            delay = min(delay, max(self._other_due - now, 0.0001))
        _signal.setitimer(_REAL, delay)
        self.due += monotonic() - now

    def _pass_on(self, signum: int, frame: FrameType | None) -> None:
        """Do what the alarm that the function had set before the invocation would have done by now."""
        self._other_due = monotonic() + self._other_interval if self._other_interval else 0.0
        self._set_timer(max(self.alarm_at - self._clock(), 0.0001))
        if callable(self._previous):
            self._previous(signum, frame)
        elif self._previous == _signal.SIG_DFL:
            _signal.signal(signum, _signal.SIG_DFL)
            _signal.raise_signal(signum)

    def _let_other_timer_ring(self, now: float, early: float, signum: int, frame: FrameType | None) -> None:
        """The function has set the timer for the handler that it had before, or sent the signal itself."""
        remaining, interval = _signal.getitimer(_REAL)
        if self._is_other_timer(remaining, now):
            self._other_due, self._other_interval = now + remaining, interval
        self._set_timer(early)
        if callable(self._previous):
            self._previous(signum, frame)

    def _is_other_timer(self, remaining: float, asked_at: float) -> bool:
        """Whether a timer that had that much left when it was asked, then or a little later, is not ours."""
        if not remaining:
            return False
        earlier, later = self._due_from - _SAME_TIMER_S, self.due + _SAME_TIMER_S
        return asked_at + remaining > later or monotonic() + remaining < earlier


_EVENT_LOOP = ("/asyncio/base_events.py", "/asyncio/events.py")
_STEPPING = "/carryon/stepping.py"
_HOOK = Watchdog._on_unraisable.__code__


def _trace_nothing(*_: Any) -> None:
    """For the frames that are entered meanwhile."""
