"""What an exception leaves out that would have run: whether it may be left out.

Left out is the rest of each frame that it passes: of the turn that was running, and what comes after the loops. Code
that runs all the same (a `finally`, the end of a `with`) is not left out.
"""

from __future__ import annotations

from types import FunctionType, MethodType

from carryon.shared.own_code import is_own

from . import loops
from .plain_iterables import is_plain
from .response_streams import read_on
from .side_effects import matters
from .symbols import ATTRIBUTE, CALL, EXIT, ITERATOR, Names, attribute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType, FrameType
    from typing import Any

    from .bytecode import Flow
    from .code_facts import Codes
    from .loops import Loop
    from .symbols import Expression

_HAS_ARGS, _HAS_KEYWORDS = 4, 8  # of co_flags
_RAISES = ("RERAISE", "RAISE_VARARGS")
_MATCHES = ("JUMP_IF_NOT_EXC_MATCH", "CHECK_EXC_MATCH", "CHECK_EG_MATCH")
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
    counted = [one for one in around if loops.is_counted(look.flow, one)]
    iterators = [one for one in look.stacks[at] if one and one[0] == ITERATOR]
    if len(counted) > len(iterators):
        return False
    in_each: frozenset[str] = frozenset().union(*(look.stored(one.body) for one in around))
    names = Names(frame.f_globals, frame, in_each)
    if not all(_ends_well(codes, one[1], names) for one in look.stacks[at] if one and one[0] == EXIT):
        return False
    # What its own turns do not store is what it was when the loop began.
    unknown = [frozenset(look.stored(one.body)) for one in counted] if len(counted) == len(iterators) else []
    return all(
        is_plain(one[1], Names(frame.f_globals, frame, stored))
        for one, stored in zip(iterators, unknown or [in_each] * len(iterators), strict=True)
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
    anyway = _run_anyway(flow, at, found)
    return {place for place in found if flow.positions[place] not in anyway}


def _exits(flow: Flow, loop: Loop) -> list[int]:
    return [other for at in loop.body for other in flow.following(at) if other not in loop.body]


def _run_anyway(flow: Flow, at: int, left_out: set[int]) -> set[Any]:
    """Where the code stands in the source that an exception raised there runs, which no `except` names, on every path.

    Args:
        left_out: what would have run. What that stores may be asked for in a `finally`: then nothing runs all the same.
    """
    found: dict[int, list[int]] = {}
    pending = [flow.handlers[at]]
    while pending:
        place = pending.pop()
        if place is not None and place not in found:
            found[place] = _after_in_handler(flow, place)
            pending += found[place]
    always = _on_every_path(flow, found, flow.handlers[at])
    anyway = _in_source(flow, always) - _in_source(flow, found.keys() - always)
    stored = {
        name for place in left_out if flow.positions[place] not in anyway for name in _locals(flow, place, "STORE_")
    }
    return set() if any(stored.intersection(_locals(flow, place, "LOAD_")) for place in always) else anyway


def _after_in_handler(flow: Flow, place: int) -> list[int]:
    """Where control may go from a place in a handler while the exception is not handled."""
    name = flow.instructions[place].opname
    if name in _RAISES:
        handler = flow.handlers[place]
        return [] if handler is None else [handler]
    if name in _MATCHES:
        jump = place if name.startswith("JUMP") else place + 1
        while flow.targets[jump] is None and flow.instructions[jump].opname in _BEFORE_JUMP:
            jump += 1
        target = flow.targets[jump]
        return [] if target is None else [target]
    if name == "POP_EXCEPT" and flow.instructions[place + 1].opname != "RERAISE":
        return []
    return flow.following(place)


def _on_every_path(flow: Flow, found: dict[int, list[int]], first: int | None) -> set[int]:
    """The places that are on each path from the first one to where the exception leaves the frame."""
    path = _path_out(flow, found, first)
    place_on_path = {place: number for number, place in enumerate(path)}
    seen: set[int] = set()
    every: set[int] = set()
    farthest = 0
    for number, place in enumerate(path):
        if farthest <= number:
            every.add(place)
        pending = list(found[place])
        while pending:
            other = pending.pop()
            if other in place_on_path:
                farthest = max(farthest, place_on_path[other])
            elif other not in seen:
                seen.add(other)
                pending += found[other]
                if not found[other] and flow.instructions[other].opname in _RAISES:
                    farthest = len(path)
    return every


def _path_out(flow: Flow, found: dict[int, list[int]], first: int | None) -> list[int]:
    """One way for an exception out of the frame; an empty one where there is none."""
    came_from: dict[int, int | None] = {} if first is None else {first: None}
    pending = list(came_from)
    while pending:
        at: int | None = pending.pop()
        assert at is not None
        if not found[at] and flow.instructions[at].opname in _RAISES:
            path = []
            while at is not None:
                path.append(at)
                at = came_from[at]
            return path[::-1]
        for other in found[at]:
            if other not in came_from:
                came_from[other] = at
                pending.append(other)
    return []


def _in_source(flow: Flow, places: Iterable[int]) -> set[Any]:
    return {flow.positions[place] for place in places if getattr(flow.positions[place], "lineno", 0) is not None}


def _locals(flow: Flow, place: int, kind: str) -> tuple[str, ...]:
    """The local names and cells that an instruction loads, or stores."""
    one = flow.instructions[place]
    if not any(kind + where in one.opname for where in ("FAST", "DEREF")):
        return ()
    return one.argval if isinstance(one.argval, tuple) else (one.argval,)


def _ends_well(codes: Codes, manager: Expression, names: Names) -> bool:
    """Whether the end of a `with` does all that it would have done without an exception, as that of a library does."""
    for value in names.value(manager):
        return _class_ends_well(codes, type(value))
    if not manager or manager[0] != CALL:
        return False
    for value in names.value(manager[1]):
        if isinstance(value, type):
            return _class_ends_well(codes, value)
        bare = value.__func__ if type(value) in (MethodType, staticmethod, classmethod) else value
        code = getattr(bare, "__code__", None)
        function = getattr(bare, "__wrapped__", None)
        if code is not None and is_own(code.co_filename):
            return False  # nobody knows what it returns
        return not isinstance(function, FunctionType) or _generator_ends_well(codes, function)
    # A method of what was made on the way, such as a client's.
    return bool(manager[1] and manager[1][0] == ATTRIBUTE)


def _generator_ends_well(codes: Codes, function: FunctionType) -> bool:
    if not is_own(function.__code__.co_filename):
        return True
    look = codes.look(function.__code__)
    names = Names(function.__globals__)
    for at, one in enumerate(look.flow.instructions):
        if one.opname in ("YIELD_VALUE", "YIELD_FROM"):
            left_out = _left_out(look.flow, at, look.around(at), None)
            if any(matters(codes, look, place, names, 0) for place in left_out):
                return False
    return True


def _class_ends_well(codes: Codes, kind: type) -> bool:
    """Whether what a class does at the end of a `with` is the same without an exception: it asks for none."""
    if any(one.__module__ == "contextlib" and one.__name__.endswith("ExitStack") for one in kind.__mro__):
        return False  # nobody knows what is on it
    for name in ("__exit__", "__aexit__"):
        for function in attribute(kind, name):
            code = getattr(function, "__code__", None)
            if code is not None and is_own(code.co_filename):
                passed = set(code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount + _starred(code)])
                flow = codes.look(code).flow
                if type(function) is not FunctionType or any(
                    passed.intersection(_locals(flow, place, "LOAD_")) for place in range(len(flow.instructions))
                ):
                    return False
    return True


def _starred(code: CodeType) -> int:
    """How many parameters take whatever else is passed."""
    return bool(code.co_flags & _HAS_ARGS) + bool(code.co_flags & _HAS_KEYWORDS)
