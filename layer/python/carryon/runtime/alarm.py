"""What happens between the alarm and its exception: a place is looked for at which both do no harm."""

from __future__ import annotations

import os
import sys
import time

import carryon
from carryon.safe_points import other_writers, stepping
from carryon.safe_points.exception_table import better_place
from carryon.shared import margins
from carryon.shared.board import CAPTURE_AFTER_MS, FIRED, NEVER_MS, PHASE
from carryon.shared.left_progress import BOUNDARY, EARLIER, WHOLE, NotCarried
from carryon.shared.own_code import LAYER, is_own

from . import trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

    from .bootstrap import Shim

# Of the time until the supervisor takes over; the rest is the clean-up's.
_SHARE = 0.5
# For a few instructions that nothing else comes between.
_STEP_S = 0.02
_IMPORT_S = 0.005
# A loop's own short waits may end; a longer one is interrupted.
_WAIT_S = 0.05
# Modules that wait for whoever calls them.
_WAIT = (
    "threading",
    "queue",
    "selectors",
    "socket",
    "subprocess",
    "_base",
    "connection",
    "synchronize",
    "queues",
    "pool",
)
_STANDARD = os.path.dirname(os.__file__) + "/"
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
        # Of one alarm: until when it may wait, where it was found last, and what is known of the program.
        self._until = 0.0
        self._found_at: tuple[int, int] | None = None
        self._codes: Any = None
        self._turns: Any = None
        if shim.state is not None or shim.settings.event_as_left:
            from carryon.safe_points.search import SafePoints

            self._points = SafePoints(shim.state, self._event, shim.watchdog, self._capture)

    def put_off(self, frame: FrameType, is_first: bool) -> float:
        """Look for a place to raise the exception at; returns for how many seconds at most, 0 for here and now.

        Args:
            is_first: not called before for this alarm.
        """
        shim = self._shim
        if is_first:
            self._known = self._codes = self._found_at = None
            self._until = 0.0
            if shim.board is not None and shim.watchdog.has_signal():
                shim.board.words[PHASE] = FIRED
        frames = other_writers.stack(frame, shim.watchdog.caller)
        if trust.is_importing(frames):
            # One that was interrupted fails for ever; one that does not end, the supervisor ends with the process.
            return _IMPORT_S
        begins = not self._until
        if begins:
            self._until = time.monotonic() + self._search_ms() / 1000
        steps_on = self._stepper is not None
        try:
            if self._points is not None:
                self.stop()
                if begins and self._seek(frame):
                    return max(self._until - time.monotonic(), 0.0)
            elif not steps_on:
                wait_s = self._wait_for_turn(frames)
                if wait_s:
                    return wait_s
            self.stop()
            if self._known is None and not steps_on and self._step_on(frame):
                return _STEP_S
            return 0.0
        except Exception:
            # Never worse than without: whatever the search has met, the alarm is raised.
            self.stop()
            return 0.0

    def _search_ms(self) -> float:
        margin_ms = self._shim.margin_ms
        return (margin_ms - margins.rescue_ms(margin_ms, os.environ)) * _SHARE

    def _wait_for_turn(self, frames: list[FrameType]) -> float:
        """Have the exception of a function without a state wait for the end of a turn; returns for how long at most."""
        left_s = self._until - time.monotonic()
        if (
            left_s <= 0
            or self._shim.settings.process != trust.SAFE
            or not trust.can_look(os.environ, self._search_ms())
        ):
            return 0.0
        found_at, self._found_at = self._found_at, (id(frames[-1]), frames[-1].f_lasti)
        if found_at == self._found_at and _waits(frames):
            return 0.0
        if not (self._turns is not None and self._turns.is_seeking) and not self._seek_turn(frames):
            return 0.0
        return min(left_s, _WAIT_S) if found_at is None else left_s

    def _seek_turn(self, frames: list[FrameType]) -> bool:
        from carryon.safe_points.code_facts import TooLong
        from carryon.safe_points.loop_turns import Turns

        if self._turns is None:
            self._turns = Turns(self._shim.watchdog)
        codes = self._get_codes()
        try:
            with codes.budget:
                sought: bool = self._turns.seek(codes, frames, not _waits(frames))
        except TooLong:
            # What has been called may return all the same.
            return not is_own(frames[-1].f_code.co_filename)
        return sought

    def _get_codes(self) -> Any:
        if self._codes is None:
            from carryon.safe_points.code_facts import Budget, Codes

            self._codes = Codes(Budget(is_limited=self._points is None))
        return self._codes

    def _judge(self, frame: FrameType) -> str:
        """How the exception stops the function there; one of the words of trust.py."""
        shim = self._shim
        if shim.settings.process != trust.SAFE or shim.board is None:
            return trust.INTERRUPTED
        frames = other_writers.stack(frame, shim.watchdog.caller)
        if trust.is_importing(frames):
            return trust.IMPORTING
        if self._points is None and not trust.can_look(os.environ, self._search_ms()):
            return trust.NOT_LOOKED_AT
        from carryon.safe_points import remaining_turns
        from carryon.safe_points.loop_turns import is_at_boundary

        codes = self._get_codes()
        try:
            with codes.budget:
                found = is_at_boundary(codes, frames)
                if found and remaining_turns.write(codes, frames, self._carried(frames)):
                    found = None
        except Exception:
            return trust.NOT_LOOKED_AT
        if found is None:
            return trust.LEFT_OUT
        return trust.BOUNDARY if found else trust.INTERRUPTED

    def _carried(self, frames: list[FrameType]) -> Any:
        from carryon.safe_points.remaining_turns import Carried

        state = self._shim.state
        return Carried(state.variables() if state is not None else [], frames[0])

    def capture(self, frame: FrameType) -> None:
        """Capture the state where it is next whole, for a process that will be stuck, or where nothing is proved then.

        As often as that may be, all of them together, evenly: what one takes does not depend on how long the time is.
        """
        shim, points = self._shim, self._points
        if points is None or shim.board is None or frame.f_code.co_filename.startswith(LAYER) or points.is_seeking:
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
        known = self._settle_state(frame) if self._points is not None else None
        # After that: whoever counts references to code must not find ours.
        self._shim.found.stopped_how = self._judge(frame) if not self._shim.found.was_swallowed else trust.INTERRUPTED
        if self._codes is not None:
            self._codes.budget.give_back()
            self._codes = None
        return known

    def _settle_state(self, frame: FrameType) -> str | None:
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
        if self._turns is not None:
            self._turns.stop()
        if self._codes is not None:
            self._codes.budget.give_back()

    def _event(self) -> Any:
        """The event, where it travels as the handler has changed it."""
        shim = self._shim
        return shim.event if shim.settings.event_as_left and shim.batch is None else None

    def _seek(self, frame: FrameType) -> bool:
        from carryon.safe_points.search import LATER

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
        if not once and trust.is_importing(other_writers.stack(frame, self._shim.watchdog.caller)):
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


def _waits(frames: list[FrameType]) -> bool:
    """Whether it is the function's own code, if anything, that waits there."""
    for frame in reversed(frames):
        file = frame.f_code.co_filename
        if is_own(file):
            return True
        if not file.startswith(_STANDARD) or os.path.basename(file)[:-3] not in _WAIT:
            return False
    return False
