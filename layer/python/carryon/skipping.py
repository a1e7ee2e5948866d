"""What an exception leaves out that would have run: whether it may be left out.

Left out is the rest of each frame that it passes: of the turn that was running, and what comes after the loops. Code
that runs all the same (a `finally`, the end of a `with`) is not left out.
"""

from __future__ import annotations

from . import loops
from .harmless import is_plain, matters
from .leftovers import is_own
from .streams import read_on
from .symbols import CALL, EXIT, ITERATOR, Names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

    from .bytecode import Flow
    from .looks import Codes
    from .loops import Loop
    from .symbols import Expression

_BEFORE_JUMP = ("TO_BOOL", "NOT_TAKEN", "EXTENDED_ARG")


def leaves_nothing_out(codes: Codes, frame: FrameType, at: int, loop: Loop | None) -> bool:
    """Whether nothing that matters is left out of a frame when an exception passes it at that place.

    Args:
        loop: of which a turn has ended there; None where the frame has called another, and the call will not return.
    """
    look = codes.look(frame.f_code)
    around = look.around(at)
    if any(one.head is None for one in around):
        return False
    if any(read_on(codes, look, one.body, Names(frame.f_globals, frame)) for one in around):
        return False
    left_out = _left_out(look.flow, at, around, loop)
    stored = look.stored(left_out)
    names = Names(frame.f_globals, frame, frozenset(stored))
    if any(matters(codes, look, place, names, 0) for place in left_out):
        return False
    stack = look.stacks[at]
    of_loops = set().union(*(look.stored(one.body) for one in around))
    names = Names(frame.f_globals, frame, frozenset(of_loops))
    if sum(loops.is_counted(look.flow, one) for one in around) > sum(bool(one and one[0] == ITERATOR) for one in stack):
        return False
    return all(
        _ends_well(codes, one[1], names) if one[0] == EXIT else is_plain(codes, one[1], names)
        for one in stack
        if one and one[0] in (ITERATOR, EXIT)
    )


def does_something(codes: Codes, frame: FrameType, at: int) -> bool:
    """Whether an instruction does what others can tell."""
    return matters(codes, codes.look(frame.f_code), at, Names(frame.f_globals, frame), 0)


def _left_out(flow: Flow, at: int, around: list[Loop], loop: Loop | None) -> set[int]:
    """The places of a code object that would have run, were it not for an exception."""
    outer = around if loop is None else [one for one in around if loop.body < one.body]
    found: set[int] = set()
    pending = flow.following(at) if loop is None else _exits(flow, loop)
    heads = {one.head for one in outer}
    for one in outer:
        # What comes after the other turns, which another process will do.
        pending += _exits(flow, one)
    while pending:
        place = pending.pop()
        if place not in found and place not in heads:
            found.add(place)
            pending += flow.following(place)
    anyway = _run_anyway(flow, at)
    return {place for place in found if flow.positions[place] not in anyway}


def _exits(flow: Flow, loop: Loop) -> list[int]:
    return [other for at in loop.body for other in flow.following(at) if other not in loop.body]


def _run_anyway(flow: Flow, at: int) -> set[Any]:
    """Where the code stands in the source that runs when an exception is raised there which no `except` names."""
    found: set[int] = set()
    pending = [flow.handlers[at]]
    while pending:
        place = pending.pop()
        if place is None or place in found:
            continue
        found.add(place)
        name = flow.instructions[place].opname
        if name in ("RERAISE", "RAISE_VARARGS"):
            pending.append(flow.handlers[place])
        elif name == "JUMP_IF_NOT_EXC_MATCH":
            pending.append(flow.targets[place])
        elif name in ("CHECK_EXC_MATCH", "CHECK_EG_MATCH"):
            jump = place + 1
            while flow.targets[jump] is None and flow.instructions[jump].opname in _BEFORE_JUMP:
                jump += 1
            pending.append(flow.targets[jump])
        elif name != "POP_EXCEPT" or flow.instructions[place + 1].opname == "RERAISE":
            pending += flow.following(place)
    return {flow.positions[place] for place in found if getattr(flow.positions[place], "lineno", 0) is not None}


def _ends_well(codes: Codes, manager: Expression, names: Names) -> bool:
    """Whether the end of a `with` of the function's own does all that it would have done without an exception."""
    if not manager or manager[0] != CALL:
        return True
    for value in names.value(manager[1]):
        code = getattr(getattr(value, "__wrapped__", None), "__code__", None)
        if code is None or not is_own(code.co_filename):
            return True
        look = codes.look(code)
        for at, one in enumerate(look.flow.instructions):
            if one.opname in ("YIELD_VALUE", "YIELD_FROM"):
                around = look.around(at)
                left_out = _left_out(look.flow, at, around, None)
                if any(matters(codes, look, place, Names(value.__wrapped__.__globals__), 0) for place in left_out):
                    return False
    return True
