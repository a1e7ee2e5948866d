"""What is known of the code that an exception passes: looked at once, and only as far as there is time for it."""

from __future__ import annotations

import gc
import types
from time import thread_time

from . import loops, symbols
from .bytecode import Flow
from .symbols import ATTRIBUTE, CODE, ITEM, Names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType, FrameType
    from typing import Any

    from .loops import Loop
    from .symbols import Expression

# Of CPU time, for looking at the program of a function without a state.
_ANALYSIS_S = 0.003
# Measured, of looking at one byte of code.
_BYTE_S = 1e-6

_FUNCTION = types.FunctionType
_METHOD = types.MethodType


class TooLong(Exception):
    """Looking through the program takes longer than the exception may wait."""


class Budget:
    """CPU time for looking at a program, counted while it is entered.

    Args:
        is_limited: whether there is a limit to it; a state needs more anyway.
    """

    def __init__(self, is_limited: bool) -> None:
        self._is_limited = is_limited
        self._spent_s = 0.0
        self._began_at = 0.0
        self._collects = False

    def __enter__(self) -> None:
        self._began_at = thread_time()
        # What a collection takes is not the search's, nor is the code that it may run.
        self._collects = gc.isenabled()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        self._spent_s += thread_time() - self._began_at
        self.give_back()

    def give_back(self) -> None:
        """Have garbage collected again; once more where that has failed."""
        if self._collects:
            gc.enable()
        self._collects = False

    def afford(self, size: int) -> None:
        """Go on with so many bytes of code.

        Raises:
            TooLong: there is not that much time left.
        """
        spent_s = self._spent_s + thread_time() - self._began_at
        if self._is_limited and spent_s + size * _BYTE_S > _ANALYSIS_S:
            raise TooLong


class Codes:
    """What is known of the code that one exception passes.

    Args:
        budget: for looking at it, entered by whoever asks.
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._looks: dict[int, Look] = {}

    def look(self, code: CodeType) -> Look:
        """What is known of a code object, which is kept meanwhile, so that no other can have its id.

        Raises:
            TooLong: there is no time for it.
        """
        found = self._looks.get(id(code))
        if found is None:
            self.budget.afford(len(code.co_code))
            found = self._looks[id(code)] = Look(code)
        return found


class Look:
    """A code object's flow of control, loops, and what is on its stack."""

    def __init__(self, code: CodeType) -> None:
        self.code = code
        self.flow = Flow(code)
        self._loops: list[Loop] | None = None
        self._stacks: list[symbols.Stack] | None = None

    @property
    def loops(self) -> list[Loop]:
        """Its loops, outer ones first."""
        if self._loops is None:
            self._loops = loops.find(self.flow)
        return self._loops

    @property
    def stacks(self) -> list[symbols.Stack]:
        """The stack before each of its instructions."""
        if self._stacks is None:
            self._stacks = symbols.stacks(self.flow)
        return self._stacks

    def around(self, at: int) -> list[Loop]:
        """The loops around a place, outer ones first."""
        return [loop for loop in self.loops if at in loop.body]

    def stored(self, places: Iterable[int]) -> set[str]:
        """The local names and cells that are stored there."""
        found: set[str] = set()
        for place in places:
            one = self.flow.instructions[place]
            if one.opname.startswith(("STORE_FAST", "STORE_DEREF")):
                found.update(one.argval if isinstance(one.argval, tuple) else (one.argval,))
        return found

    def stored_as(self, name: str) -> list[Expression]:
        """What is stored under a local name, wherever that is."""
        found: list[Expression] = []
        for one, stack in zip(self.flow.instructions, self.stacks, strict=True):
            if one.opname.startswith("STORE_FAST"):
                stored = one.argval if isinstance(one.argval, tuple) else (one.argval,)
                if one.opname.endswith("LOAD_FAST"):
                    stored = stored[:1]
                found += [stack[-1 - at] if at < len(stack) else None for at, word in enumerate(stored) if word == name]
        return found

    def called(self, at: int) -> Expression:
        """What the call at that place calls."""
        call = symbols.called(self.flow.instructions[at], self.stacks[at])
        return call[0] if call else None


def is_plain_call(codes: Codes, caller: FrameType, callee: FrameType) -> bool:
    """Whether one frame has called the other itself, with nothing in between that is not Python code."""
    look = codes.look(caller.f_code)
    called = look.called(look.flow.at(caller.f_lasti))
    if called is None:
        return False
    if called[0] == CODE:
        return bool(called[1] == id(callee.f_code))
    names = Names(caller.f_globals, caller)
    for value in names.value(called):
        return _code_of(value) is callee.f_code
    if called[0] == ITEM:
        return any(
            type(base) is dict and callee.f_code in map(_code_of, base.values()) for base in names.value(called[1])
        )
    # A method of an object that is not known here, such as a call's result.
    return bool(called[0] == ATTRIBUTE and called[2] == callee.f_code.co_name)


def _code_of(value: Any) -> CodeType | None:
    if type(value) in (_METHOD, staticmethod, classmethod):
        value = value.__func__
    return value.__code__ if type(value) is _FUNCTION else None
