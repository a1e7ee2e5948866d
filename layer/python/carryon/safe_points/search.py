"""Where the alarm is raised, and which state travels: the one of a place at which it is known to be whole."""

from __future__ import annotations

import sys
from time import perf_counter

from . import boundary, other_writers, stepping
from .exception_table import in_turn
from .snapshots import read
from .state_writers import Program, functions_of
from .touches import Known
from .value_kinds import DEEP, contents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

    from carryon.runtime.state import State
    from carryon.runtime.watchdog import Watchdog

    from .boundary import Boundary
    from .loops import Loop
    from .state_writers import Own

# What a search comes to: there is nothing to look for; something was found, and the exception is to be raised now;
# it goes on.
NOTHING, NOW, LATER = range(3)

# A search that only captures gives up after that.
_SEARCH_MAX_S = 0.002
_STEPS_MAX = 4_000
_STEPS_AT_ALARM_MAX = 1_000_000


class SafePoints:
    """Looks for a place at which to capture the state.

    Args:
        state: the variables, None where there are none.
        event: returns what else belongs to the state, None where nothing does.
        dog: raises the exception.
        capture: called where the state is whole, with the frame and the offset of the first instruction of the loop
            of which a turn has ended there, and whether it is before the alarm; says whether that worked.
    """

    def __init__(
        self,
        state: State | None,
        event: Callable[[], Any],
        dog: Watchdog,
        capture: Callable[[FrameType, int, bool], bool],
    ) -> None:
        self._state = state
        self._event = event
        self._capture = capture
        self._dog = dog
        self._program: Program | None = None
        # What the program was made from: whether there is other code by now.
        self._basis: tuple[Any, ...] = ()
        self._stepper: stepping.Monitoring | stepping.Tracing | None = None
        self._target: Boundary | None = None
        self._last: dict[int, int] = {}
        self._leaving_at: tuple[FrameType, int] | None = None
        self._once = False
        # In seconds: what searches that only capture have taken, and the one that goes on.
        self.spent_s = 0.0
        self._searched_s = 0.0

    def seek(self, frame: FrameType, once: bool = False) -> int:
        """Begin to look for a boundary, from a frame that was interrupted; NOTHING if there is none to come.

        Captures at once where the frame is at one.

        Args:
            once: capture only, and do not leave.
        """
        self.stop()
        self._once = once
        began = perf_counter()
        before = self._program
        come_to = self._begin(frame)
        # What is known of the program is found out once.
        if once and self._program is before:
            self.spent_s += perf_counter() - began
        return come_to

    def _begin(self, frame: FrameType) -> int:
        frames = other_writers.stack(frame, self._dog.caller)
        program = self._know(frames)
        found = boundary.find(program, frames)
        if found is not None and self._is_at_end(found, frame) and self._captured(found, frames):
            return self._go_to_handler(found, frame)
        if found is None and not any(self._heads(own) for own in self._candidates(program, frames)):
            return NOTHING
        self._stepper = stepping.start(self._reached, _STEPS_MAX if self._once else _STEPS_AT_ALARM_MAX)
        if self._stepper is None:
            return NOTHING
        self._searched_s = 0.0
        self._target = found
        # A jump that does not end a turn may be just behind it.
        self._last = {id(one): program.of_any(one).flow.at(one.f_lasti) for one in frames}
        self._watch(program, frames)
        return LATER

    @property
    def is_seeking(self) -> bool:
        """Whether a search goes on."""
        return self._stepper is not None and not self._stepper.has_given_up

    def untouched(self, frame: FrameType) -> bool:
        """Whether the state is still that of the last boundary, or of the start."""
        frames = other_writers.stack(frame, self._dog.caller)
        program = self._know(frames)
        if not other_writers.nobody_else_writes(program, frames):
            return False
        return boundary.is_untouched(program, frames, boundary.find(program, frames))

    def stop(self) -> None:
        """Look no more; may be called again."""
        self._target = self._leaving_at = None
        if self._stepper is not None:
            self._stepper.stop()
            self.spent_s += self._stepper.taken_s
            self._stepper = None

    def _know(self, frames: list[FrameType]) -> Program:
        variables = self._state.variables() if self._state is not None else []
        values = [module.get(name) for module, function, name in variables if function is None]
        for _, function, name in variables:
            values += [read(frame).get(name) for frame in frames if frame.f_code.co_name == function]
        kind, objects = contents([*values, self._event()])
        basis = kind, len(sys.modules), *(functions_of(module) for module, _, _ in variables)
        if self._program is None or basis != self._basis:
            known = Known({name for _, function, name in variables if function is None}, kind != DEEP)
            self._program = Program(variables, known)
            self._basis = basis
        self._program.add(frames, objects)
        return self._program

    def _candidates(self, program: Program, frames: list[FrameType]) -> list[Own]:
        found = {id(own): own for own in program.writers()}
        for frame in frames:
            if any(program.writes(one.f_code) for one in frames):
                own = program.of_any(frame)
                found.setdefault(id(own), own)
        return list(found.values())

    def _heads(self, own: Own) -> set[int]:
        """The offsets at which turns of a loop begin that may be a boundary."""
        offsets = own.flow.offsets
        target = self._target.loop if self._target is not None and self._target.own is own else None
        return {
            offsets[loop.head] for loop in self._turning(own) if loop == target or not own.places.isdisjoint(loop.body)
        }

    def _watch(self, program: Program, frames: list[FrameType]) -> None:
        target = self._target and (id(self._target.own), self._target.loop)
        where = target, tuple([id(frame.f_code) for frame in frames])
        assert self._stepper is not None
        self._stepper.watch(program.conclude(where, self._places, program, frames), frames)

    def _places(self, program: Program, frames: list[FrameType]) -> stepping.Places:
        heads = [(own, self._heads(own)) for own in self._candidates(program, frames)]
        return [(own, offsets | self._lasts(own)) for own, offsets in heads if offsets]

    def _lasts(self, own: Own) -> set[int]:
        """The offsets before a head from which it matters where control came from."""
        found: set[int] = set()
        for loop in self._turning(own):
            lasts = [at for at in own.flow.predecessors[loop.head] if at in loop.body]
            if not all(boundary.ends_turn(own, loop, at) for at in lasts):
                found.update(own.flow.offsets[at] for at in lasts)
        return found

    def _turning(self, own: Own) -> list[Loop]:
        assert self._program is not None
        return self._program.conclude(id(own), boundary.turning, own, own.loops)

    def _reached(self, frame: FrameType, offset: int) -> None:
        try:
            self._dog.is_busy = True
            began = perf_counter()
            come_to = self._look_at(frame, offset)
            if self._once:
                taken_s = perf_counter() - began
                self.spent_s += taken_s
                self._searched_s += taken_s
                if self._searched_s > _SEARCH_MAX_S:
                    self.stop()
            if come_to == NOW:
                self.stop()
            self._dog.is_busy = False
        except Exception:
            # Whatever is wrong with the search: the alarm is raised when its time to wait is over.
            self._dog.is_busy = False
            self.stop()
            return
        except BaseException:
            self._dog.is_busy = False
            raise
        # Not in the block above, which would catch it.
        if come_to == NOW:
            self._dog.leave(frame)

    def _look_at(self, frame: FrameType, offset: int) -> int:
        if self._leaving_at is not None:
            return NOW if self._leaving_at == (frame, offset) else LATER
        program = self._program
        assert program is not None
        own = program.of_any(frame)
        at = own.flow.at(offset)
        last = self._last.pop(id(frame), None)
        self._last[id(frame)] = at
        if all(loop.head != at for loop in self._turning(own)):
            return LATER
        target = self._target
        is_target = target is not None and target.frame is frame and target.loop.head == at
        if target is not None and not is_target and _is_in(target, frame):
            return LATER
        frames = other_writers.stack(frame, self._dog.caller)
        self._know(frames)
        found = boundary.find(program, frames)
        if found is None or found.frame is not frame or found.loop.head != at:
            return LATER
        if last in own.flow.predecessors[at] and not boundary.ends_turn(own, found.loop, last):
            return LATER
        return self._go_to_handler(found, frame) if self._captured(found, frames) else LATER

    def _captured(self, found: Boundary, frames: list[FrameType]) -> bool:
        """Capture, if it is certain that nobody changed the state meanwhile."""
        program = self._program
        assert program is not None
        return (
            other_writers.nobody_else_writes(program, frames)
            and self._capture(found.frame, found.own.flow.offsets[found.loop.head], self._once)
            and other_writers.nobody_else_writes(program, frames)
        )

    def _is_at_end(self, found: Boundary, frame: FrameType) -> bool:
        """Whether the frame has just jumped to the head of its boundary's loop."""
        if found.frame is not frame or sys.version_info < (3, 11):
            return False
        at = found.own.flow.at(frame.f_lasti)
        return found.own.flow.targets[at] == found.loop.head and boundary.ends_turn(found.own, found.loop, at)

    def _go_to_handler(self, found: Boundary, frame: FrameType) -> int:
        """Go on to the first instruction of the next turn from which the clean-up around the loop is reached."""
        if self._once:
            self.stop()
            return LATER
        flow = found.own.flow
        at = flow.at(frame.f_lasti)
        place = in_turn(flow, found.loop, at)
        if place == at:
            return NOW
        if self._stepper is None:
            self._stepper = stepping.start(self._reached)
        if self._stepper is None:
            return NOW
        self._leaving_at = frame, flow.offsets[place]
        self._stepper.watch([(found.own, {flow.offsets[place]})], [frame])
        return LATER


def _is_in(target: Boundary, frame: FrameType | None) -> bool:
    """Whether a turn of that loop is still running, in that frame or a caller of it."""
    while frame is not None:
        if frame is target.frame:
            return target.own.flow.at(frame.f_lasti) in target.loop.body
        frame = frame.f_back
    return False
