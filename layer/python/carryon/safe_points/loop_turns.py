"""Where to raise the exception so that the process can serve on: between two turns of a loop of the function's own."""

from __future__ import annotations

from carryon.shared.own_code import is_own

from . import stepping
from .code_facts import is_plain_call
from .exception_table import in_turn
from .loops import conditions
from .skipped_code import does_something, leaves_nothing_out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType

    from carryon.runtime.watchdog import Watchdog

    from .bytecode import Flow
    from .code_facts import Codes
    from .loops import Loop

_STEPS_MAX = 1_000_000
_NOTHING_YET = ("NOP", "LOAD_FAST", "LOAD_CONST", "LOAD_SMALL_INT", "PUSH_NULL", "NOT_TAKEN", "EXTENDED_ARG", "RESUME")


def own_frames(codes: Codes, frames: list[FrameType]) -> list[FrameType]:
    """The handler's frame and those that the function's own code has called from there, nothing else in between."""
    found: list[FrameType] = []
    for frame in frames:
        if not is_own(frame.f_code.co_filename) or found and not is_plain_call(codes, found[-1], frame):
            break
        found.append(frame)
    return found


def boundaries(codes: Codes, frames: list[FrameType]) -> list[tuple[FrameType, Loop]]:
    """The loops of these frames at whose turns an exception would leave nothing out that matters, innermost first."""
    found: list[tuple[FrameType, Loop]] = []
    own = own_frames(codes, frames)
    for frame in own:
        look = codes.look(frame.f_code)
        at = look.flow.at(frame.f_lasti)
        for around in look.around(at):
            loop = turns(codes, frame, around)
            if loop is not None and leaves_nothing_out(codes, frame, loop.head, loop):
                found.insert(0, (frame, loop))
        if frame is not own[-1] and not leaves_nothing_out(codes, frame, at, None):
            break
    return found


def is_at_boundary(codes: Codes, frames: list[FrameType]) -> bool | None:
    """Whether an exception raised in the last of these frames, before its current instruction, ends a turn of a loop.

    None where it does, but leaves something out that matters.
    """
    own = own_frames(codes, frames)
    if not own or len(own) < len(frames):
        return False
    frame = own[-1]
    look = codes.look(frame.f_code)
    at = look.flow.at(frame.f_lasti)
    around = [turns(codes, frame, loop) for loop in look.around(at)]
    loops = [loop for loop in around if loop is not None and _is_between(look.flow, loop.head, at)]
    if not loops:
        return False
    if not any(leaves_nothing_out(codes, frame, at, loop) for loop in loops):
        return None
    callers = [(one, codes.look(one.f_code).flow.at(one.f_lasti)) for one in own[:-1]]
    return True if all(leaves_nothing_out(codes, one, place, None) for one, place in callers) else None


def turns(codes: Codes, frame: FrameType, loop: Loop) -> Loop | None:
    """The loop with its head where its turns begin, before a condition that does something; None for no such place."""
    if loop.head is None:
        return None
    found = conditions(codes.look(frame.f_code).flow, loop)
    if not any(does_something(codes, frame, place) for condition in found for place in condition):
        return loop
    return loop._replace(head=min(map(min, found))) if all(found) else None


def _is_between(flow: Flow, head: int, at: int) -> bool:
    """Whether a turn has just ended with the jump there, or the next one has begun and done nothing yet."""
    if flow.targets[at] == head:
        return True
    return head <= at and all(one.opname.startswith(_NOTHING_YET) for one in flow.instructions[head:at])


class Turns:
    """Waits for a boundary in a function that has no state, and raises the exception there."""

    def __init__(self, dog: Watchdog) -> None:
        self._dog = dog
        self._stepper: stepping.Monitoring | stepping.Tracing | None = None
        self._wanted: dict[tuple[int, int], tuple[FrameType, Loop]] = {}
        self._leaving_at: tuple[FrameType, int] | None = None
        self._codes: Codes | None = None

    def seek(self, codes: Codes, frames: list[FrameType], after_call: bool) -> bool:
        """Begin to wait; False where there is nothing to wait for.

        Args:
            after_call: where no such loop is around, wait for the call to return that the function is in.
        """
        self.stop()
        found = boundaries(codes, frames)
        places: dict[int, tuple[CodeType, set[int]]] = {}
        for frame, loop in found:
            offset = codes.look(frame.f_code).flow.offsets[loop.head]
            self._wanted[id(frame), offset] = frame, loop
            places.setdefault(id(frame.f_code), (frame.f_code, set()))[1].add(offset)
        if not found and after_call:
            places = self._after_call(codes, frames)
        if not places:
            return False
        self._stepper = stepping.start(self._reached, _STEPS_MAX)
        if self._stepper is None:
            self.stop()
            return False
        self._codes = codes
        self._stepper.watch([(stepping.Watched(code), offsets) for code, offsets in places.values()], frames)
        return True

    def _after_call(self, codes: Codes, frames: list[FrameType]) -> dict[int, tuple[CodeType, set[int]]]:
        """Where the function's own code goes on after what it has called of others'."""
        own = next((frame for frame in reversed(frames) if is_own(frame.f_code.co_filename)), None)
        if own is None or own is frames[-1]:
            return {}
        flow = codes.look(own.f_code).flow
        offsets = {flow.offsets[place] for place in flow.successors[flow.at(own.f_lasti)]}
        for offset in offsets:
            self._wanted[id(own), offset] = own, None  # type: ignore[assignment]
        return {id(own.f_code): (own.f_code, offsets)}

    @property
    def is_seeking(self) -> bool:
        """Whether it waits, and what follows the program has not given up."""
        return self._stepper is not None and not self._stepper.has_given_up

    def stop(self) -> None:
        """Wait no more."""
        self._wanted = {}
        self._leaving_at = self._codes = None
        if self._stepper is not None:
            self._stepper.stop()
            self._stepper = None

    def _reached(self, frame: FrameType, offset: int) -> None:
        if self._dog.shields or self._dog.is_busy:
            return
        self._dog.is_busy = True
        try:
            is_time = self._is_time(frame, offset)
            self._dog.is_busy = False
        except Exception:
            self._dog.is_busy = False
            self.stop()
            return
        except BaseException:
            # Of another signal's handler, which was called here.
            self._dog.is_busy = False
            raise
        if is_time:
            self.stop()
            self._dog.leave(frame)

    def _is_time(self, frame: FrameType, offset: int) -> bool:
        if self._leaving_at is not None:
            return self._leaving_at == (frame, offset)
        wanted, loop = self._wanted.get((id(frame), offset), (None, None))
        if wanted is not frame or self._codes is None:
            return False
        if loop is None:
            return True
        flow = self._codes.look(frame.f_code).flow
        place = in_turn(flow, loop, flow.at(offset))
        if flow.offsets[place] == offset or self._stepper is None:
            return True
        self._leaving_at = frame, flow.offsets[place]
        self._stepper.watch([(stepping.Watched(frame.f_code), {flow.offsets[place]})], [frame])
        return False
