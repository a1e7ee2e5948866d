"""At which loop's turn the state is whole, for the stack that a function is on."""

from __future__ import annotations

from collections import namedtuple

from . import loops
from .state_writers import COROUTINE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

    from .state_writers import Own, Program

# The loop of a frame on the stack in which all happens that touches the state, again and again.
Boundary = namedtuple("Boundary", "frame own loop")


def find(program: Program, frames: list[FrameType]) -> Boundary | None:
    """The innermost loop around where the function is that has in it whatever touches the state from turn to turn.

    What comes before or after it, and is not repeated together with it, has happened or has not at all its turns. None
    where no such loop is around, or it cannot be told.

    Args:
        program: that knows the code of these frames.
        frames: of the stack, the handler's first.
    """
    where = tuple([(id(frame.f_code), frame.f_lasti) for frame in frames])
    found = program.conclude(where, _find, program, frames)
    return None if found is None else Boundary(frames[found[0]], *found[1:])


def _find(program: Program, frames: list[FrameType]) -> tuple[int, Own, loops.Loop] | None:
    """The same, with the place of its frame in the stack: no frame is to be kept."""
    best: tuple[int, Own, loops.Loop] | None = None
    # Whether a loop further out may run all of this frame's code again.
    again = False
    for depth, frame in enumerate(frames):
        below = frames[depth + 1 :]
        library = program.of(frame)
        own = program.of_any(frame)
        at = own.flow.at(frame.f_lasti)
        active = {at} if any(program.writes(one.f_code) for one in below) else set()
        touched = own.places | active
        around = [loop for loop in own.loops if at in loop.body] if touched else []
        if not again:
            touched = touched & around[0].body if around else set()
        if touched:
            fitting = turning(own, [loop for loop in around if touched <= loop.body])
            if fitting:
                best = depth, own, fitting[-1]
            elif not again:
                best = None
            if touched - active and not (fitting and at == fitting[-1].head and active):
                return best
        if not active:
            return best
        # An event loop goes round between any two steps of a coroutine, and never begins it anew.
        if around and not (library is None and below[0].f_code.co_flags & COROUTINE):
            again = True
    return best


def turning(own: Own, some: list[loops.Loop]) -> list[loops.Loop]:
    """Those of some loops whose turns all begin at one place, with their heads there."""
    found = [turns(own, loop) for loop in some]
    return [loop for loop in found if loop is not None]


def turns(own: Own, loop: loops.Loop) -> loops.Loop | None:
    """The loop with its head where its turns begin; None where they do not all begin at one place."""
    if loop.head is None:
        return None
    conditions = loops.conditions(own.flow, loop)
    if all(map(own.places.isdisjoint, conditions)):
        return loop
    # The condition touches: a turn begins with it, and not behind it.
    return loop._replace(head=min(map(min, conditions))) if all(conditions) else None


def ends_turn(own: Own, loop: loops.Loop, last: int) -> bool:
    """Whether the jump at `last` to the loop's head ends a whole turn, or one that has touched nothing.

    One that leaves touches out may belong to an inner `while` whose head is the same place.
    """
    if last not in loop.body or loops.is_counted(own.flow, loop):
        return True
    passed = own.places & loops.turn(own.flow, loop, last)
    return not passed or passed == own.places & loop.body


def is_untouched(program: Program, frames: list[FrameType], boundary: Boundary | None) -> bool:
    """Whether nothing was touched since the last turn of the boundary's loop began; without one, since the start."""
    begun = boundary is None
    for depth, frame in enumerate(frames):
        own = program.of(frame)
        is_boundary = boundary is not None and frame is boundary.frame
        begun = begun or is_boundary
        if own is None:
            continue
        at = own.flow.at(frame.f_lasti)
        if not begun:
            # The loop asks a generator for its next item: it may have touched since that began its turn.
            if any(at in loop.body and own.places & loop.body - {at} for loop in own.loops):
                return False
            continue
        head = boundary.loop.head if boundary is not None and is_boundary else None
        if at == head:
            continue
        passed = {at} if depth == len(frames) - 1 else set()
        pending = list(own.flow.predecessors[at])
        seen: set[int] = set()
        while pending:
            place = pending.pop()
            if place not in seen:
                seen.add(place)
                if place != head:
                    pending.extend(own.flow.predecessors[place])
        passed |= seen
        if passed & own.places:
            return False
    return True
