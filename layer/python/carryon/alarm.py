"""What happens between the alarm and its exception: a place is looked for at which both do no harm."""

from __future__ import annotations

import os
import sys
import time

import carryon

from . import margins, stepping
from .board import CAPTURE_AFTER_MS, FIRED, NEVER_MS, PHASE
from .handlers import better_place
from .progress import BOUNDARY, EARLIER, WHOLE, NotCarried

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

    from .bootstrap import Shim

# Of the time until the supervisor takes over; the rest is the clean-up's.
_SHARE = 0.5
# For a few instructions that nothing else comes between.
_STEP_S = 0.02
_PACKAGE = os.path.dirname(__file__) + "/"
# Of the time until the alarm, what captures before it may take.
_CAPTURES_SHARE = 0.001


class Alarm:
    """Puts off the exceptions of one process, one invocation after the other."""

    def __init__(self, shim: Shim) -> None:
        self._shim = shim
        self._known: str | None = None
        self._points: Any = None
        self._stepper: Any = None
        self._captures_of = self._captured_at = self._spent_before_s = 0.0
        if shim.state is not None or shim.settings.event_as_left:
            from .safe_points import SafePoints

            self._points = SafePoints(shim.state, self._event, shim.watchdog, self._capture)

    def put_off(self, frame: FrameType, is_first: bool) -> float:
        """Look for a place to raise the exception at; returns for how many seconds at most, 0 for here and now.

        Args:
            is_first: not called before for this alarm.
        """
        shim = self._shim
        if is_first:
            self._known = None
            if shim.board is not None and shim.watchdog.has_signal():
                shim.board.words[PHASE] = FIRED
        steps_on = self._stepper is not None
        self.stop()
        try:
            if is_first and self._points is not None and self._seek(frame):
                return (shim.margin_ms - margins.rescue_ms(shim.margin_ms, os.environ)) * _SHARE / 1000
            if self._known is None and not steps_on and self._step_on(frame):
                return _STEP_S
            return 0.0
        except Exception:
            # Never worse than without: whatever the search has met, the alarm is raised.
            self.stop()
            return 0.0

    def capture(self, frame: FrameType) -> None:
        """Capture the state where it is next whole, for a process that will be stuck, or where nothing is proved then.

        As often as that may be, all of them together, evenly: what one takes does not depend on how long the time is.
        """
        shim, points = self._shim, self._points
        if points is None or shim.board is None or frame.f_code.co_filename.startswith(_PACKAGE) or points.is_seeking:
            return
        if sys.gettrace() is not None or sys.getprofile() is not None:
            # Whoever looks at each call is to see no more than this one.
            shim.board.words[CAPTURE_AFTER_MS] = NEVER_MS
            return
        now, alarm_at = time.time(), shim.watchdog.alarm_at
        if self._captures_of != alarm_at:
            self._captures_of = alarm_at
            self._captured_at = self._spent_before_s = points.spent_s = 0.0
        left_ms, margin_ms = shim.board.span()
        allowed_s = (left_ms - margin_ms) / 1000 * _CAPTURES_SHARE - points.spent_s
        last_took_s = points.spent_s - self._spent_before_s
        if allowed_s <= 0:
            shim.board.words[CAPTURE_AFTER_MS] = NEVER_MS
            return
        wanted_at = (self._captured_at * allowed_s + last_took_s * alarm_at) / (allowed_s + last_took_s)
        if now < wanted_at:
            # No signal before that, which somebody might notice for nothing.
            shim.board.words[CAPTURE_AFTER_MS] = int((time.monotonic() + wanted_at - now) * 1000)
            return
        self._captured_at, self._spent_before_s = now, points.spent_s
        self._known = None
        try:
            points.seek(frame, once=True)
        except Exception:
            points.stop()

    def settle(self, frame: FrameType) -> str | None:
        """Decide which state travels, at the place of the exception; returns what is known of it, None without one."""
        self.stop()
        if self._shim.state is not None:
            self._shim.state.note_time_is_up()
        if self._points is None:
            return None
        if self._known is None:
            try:
                untouched = self._points.untouched(frame)
            except Exception:
                untouched = False
            if untouched:
                self._keep(frame)
            else:
                self._refuse(frame)
            self._known = WHOLE if untouched else EARLIER
        return self._known

    def stop(self) -> None:
        """Look no more; may be called again."""
        if self._stepper is not None:
            self._stepper.stop()
            self._stepper = None
        if self._points is not None:
            self._points.stop()

    def _event(self) -> Any:
        """The event, where it travels as the handler has changed it."""
        shim = self._shim
        return shim.event if shim.settings.event_as_left and shim.batch is None else None

    def _seek(self, frame: FrameType) -> bool:
        from .safe_points import LATER

        return self._points.seek(frame) == LATER  # type: ignore[no-any-return]

    def _step_on(self, frame: FrameType) -> bool:
        """Go on to where the clean-up around is reached from, if it is not from here."""
        found = better_place(frame, self._shim.watchdog.caller)
        if found is None:
            return False
        at, offset = found

        def reached(other: FrameType, _: int) -> None:
            if other is at and not self._shim.watchdog.shields:
                self.stop()
                self._shim.watchdog.leave(at)

        self._stepper = stepping.start(reached)
        if self._stepper is None:
            return False
        self._stepper.watch([(stepping.Watched(at.f_code), {offset})], [at])
        return True

    def _capture(self, frame: FrameType, offset: int, once: bool) -> bool:
        if self._shim.watchdog.shields:
            return False
        if once:
            return self._keep(frame, (frame, offset), refuses=False)
        self._keep(frame, (frame, offset))
        self._known = BOUNDARY
        return True

    def _refuse(self, frame: FrameType) -> None:
        """Say so where there is no earlier state, and the one there is could not travel either."""
        run, state = carryon._current_run(), self._shim.state
        if state is not None and "state" not in run.parts:
            captured = state.capture(frame)
            if isinstance(captured, NotCarried):
                run.keep_state(captured)

    def _keep(self, frame: FrameType, at: tuple[FrameType, int] | None = None, refuses: bool = True) -> bool:
        """Keep the state; False for one that cannot travel, which is not said where it does not matter yet."""
        shim = self._shim
        if shim.state is not None:
            captured = shim.state.capture(frame)
            if not refuses and isinstance(captured, NotCarried):
                return False
            carryon._current_run().keep_state(captured, at)
        if shim.board is not None and self._event() is not None:
            from .event_as_left import keep

            keep(shim.board, shim.event)
        return True
