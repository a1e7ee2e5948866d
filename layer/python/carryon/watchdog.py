"""SIGALRM a margin before the deadline, raised as an exception in the handler and nowhere else."""

from __future__ import annotations

# The C module: the signal module's enum conversions cost more than the calls, and its import 0.7 ms.
import _signal
from os import getpid
from time import monotonic, time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

OFF, SET, CALLING, FIRED = range(4)

_SIGALRM = _signal.SIGALRM
_REAL = _signal.ITIMER_REAL
# A timer may end a little before the wall clock says so.
_TOLERANCE_S = 0.003
_RETRY_S = 0.002
# A timer that has this much less or more left than ours would have is not ours.
_SAME_TIMER_S = 0.005


class Watchdog:
    """One alarm per invocation, in the main thread.

    The caller sets `phase` itself, to CALLING right before it calls the handler and to OFF right after: frames above
    its own are then the handler's, and an alarm in its own comes too early or too late.

    Args:
        error: makes the exception to raise.
        on_fire: called with the interrupted frame before the exception is raised; must not raise.
        clock: seconds since the epoch, the clock of Lambda's deadlines.
    """

    def __init__(
        self,
        error: Callable[[], BaseException],
        on_fire: Callable[[FrameType], None],
        clock: Callable[[], float] = time,
    ) -> None:
        self.phase = OFF
        self.fired: BaseException | None = None
        self._error = error
        self._on_fire = on_fire
        self._clock = clock
        self._pid = getpid()
        self._alarm_at = 0.0
        self._caller: FrameType | None = None
        self._handler = self._on_alarm
        self._previous: Any = None
        self._due = 0.0
        self._other_due = 0.0
        self._other_interval = 0.0

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
        self._alarm_at = alarm_at
        self._caller = caller
        self._previous = _signal.signal(_SIGALRM, self._handler)
        self.phase = SET
        delay = alarm_at - now
        if delay < _RETRY_S:
            delay = _RETRY_S
        remaining, interval = _signal.setitimer(_REAL, delay)
        self._due = monotonic() + delay
        if remaining:
            self._other_due = self._due - delay + remaining
            self._other_interval = interval
            if remaining < delay:
                _signal.setitimer(_REAL, remaining)
        return True

    def disarm(self) -> None:
        """Give back SIGALRM and the timer, less the time that has passed; `phase` is OFF already."""
        remaining, interval = _signal.setitimer(_REAL, 0)
        self._caller = None
        other_due, self._other_due = self._other_due, 0.0
        if _signal.getsignal(_SIGALRM) is not self._handler:
            # The function has taken the signal for itself, and would find it so without us.
            if remaining and abs(self._due - monotonic() - remaining) > _SAME_TIMER_S:
                _signal.setitimer(_REAL, remaining, interval)
            return
        _signal.signal(_SIGALRM, self._previous)
        if other_due:
            _signal.setitimer(_REAL, max(other_due - monotonic(), 0.0001), self._other_interval)

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
        if self._other_due and monotonic() >= self._other_due:
            self._pass_on(signum, frame)
            return
        early = self._alarm_at - self._clock()
        if early > _TOLERANCE_S:
            # The wall clock was set back, or the signal was sent for something else.
            self._set_timer(early)
            return
        root = frame if self.phase == CALLING else None
        while root is not None and root.f_back is not self._caller:
            root = root.f_back
        if root is None or frame is None:
            # Not called yet, or just returned: a result that is there is never thrown away.
            self._set_timer(_RETRY_S)
            return
        self.phase = FIRED
        self.fired = error = self._error()
        self._on_fire(frame)
        raise error

    def _set_timer(self, delay: float) -> None:
        self._due = monotonic() + delay
        if self._other_due:
            delay = min(delay, max(self._other_due - monotonic(), 0.0001))
        _signal.setitimer(_REAL, delay)

    def _pass_on(self, signum: int, frame: FrameType | None) -> None:
        """Do what the alarm that the function had set before the invocation would have done by now."""
        self._other_due = monotonic() + self._other_interval if self._other_interval else 0.0
        self._set_timer(max(self._alarm_at - self._clock(), 0.0001))
        if callable(self._previous):
            self._previous(signum, frame)
        elif self._previous == _signal.SIG_DFL:
            _signal.signal(signum, _signal.SIG_DFL)
            _signal.raise_signal(signum)
