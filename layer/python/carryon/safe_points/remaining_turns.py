"""Whether the turns that a loop has still to take would have written to what outlives the invocation.

A list that is half filled, or a counter that is halfway, would be found by the next invocation of the process. What the
layer puts back before that, or what belongs to the invocation, is no harm.
"""

from __future__ import annotations

import types

from carryon.shared.own_code import is_own

from . import symbols
from .side_effects import CONTAINERS, FIXED, PURE_METHODS, is_own_object
from .symbols import ATTRIBUTE, CODE, GLOBAL, ITEM, NEW, Names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType
    from typing import Any

    from .code_facts import Codes, Look
    from .symbols import Expression

_FUNCTION, _METHOD = types.FunctionType, types.MethodType
_DEPTH_MAX = 3
_NAMES = ("STORE_GLOBAL", "DELETE_GLOBAL", "STORE_NAME", "DELETE_NAME")
_CELLS = ("STORE_DEREF", "DELETE_DEREF")
_ATTRIBUTES = ("STORE_ATTR", "DELETE_ATTR")


class Carried:
    """What may be written to: the state's variables, and what the handler was called with.

    Args:
        variables: of the state, as `State.variables` gives them.
        handler: the handler's frame.
    """

    def __init__(self, variables: list[tuple[dict[str, Any], str | None, str]], handler: FrameType) -> None:
        self._names = {(id(module), name) for module, function, name in variables if function is None}
        self._values = {id(module[name]) for module, function, name in variables if not function and name in module}
        code = handler.f_code
        arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        self._values |= {id(value) for name, value in handler.f_locals.items() if name in arguments}

    def has_name(self, module: dict[str, Any], name: str) -> bool:
        """Whether a global is one of the state's variables."""
        return (id(module), name) in self._names

    def has(self, expression: Expression, names: Names) -> bool:
        """Whether an object is one of these, or inside one as far as the expression tells."""
        while expression:
            if any(id(value) in self._values for value in names.value(expression)):
                return True
            if expression[0] == GLOBAL and self.has_name(names.module, expression[1]):
                return True
            expression = expression[1] if expression[0] in (ATTRIBUTE, ITEM) else None
        return False


def write(codes: Codes, frames: list[FrameType], carried: Carried) -> bool:
    """Whether the loops that these frames are in would go on to write to anything else.

    Raises:
        TooLong: there is no time to find out.
    """
    for frame in frames:
        look = codes.look(frame.f_code)
        names = Names(frame.f_globals, frame)
        places = set().union(*(loop.body for loop in look.around(look.flow.at(frame.f_lasti))))
        if any(_writes(codes, look, place, names, carried, 0) for place in places):
            return True
    return False


def _writes(codes: Codes, look: Look, at: int, names: Names, carried: Carried, depth: int) -> bool:
    one, stack = look.flow.instructions[at], look.stacks[at]
    name = one.opname
    if name.startswith(_NAMES):
        return not carried.has_name(names.module, one.argval)
    if name.startswith(_CELLS):
        return one.argval not in look.code.co_cellvars
    if name.startswith(_ATTRIBUTES):
        return not _is_free(symbols.at_depth(stack, 1), names, carried)
    if name in symbols.SUBSCRIPTS:
        return not _is_free(symbols.at_depth(stack, symbols.SUBSCRIPTS[name]), names, carried)
    if name.startswith("INPLACE_") or name == "BINARY_OP" and one.argrepr.endswith("="):
        left = symbols.at_depth(stack, 2)
        changes = any(type(value) not in FIXED for value in names.value(left))
        return changes and not _is_free(left, names, carried)
    call = symbols.called(one, stack)
    return call is not None and call[0] is not None and _call_writes(codes, look, call[0], names, carried, depth)


def _is_free(expression: Expression, names: Names, carried: Carried) -> bool:
    """Whether an object ends with the invocation, or is put back after it."""
    if expression is None:
        return False
    return expression[0] == NEW or is_own_object(expression, names) or carried.has(expression, names)


def _call_writes(codes: Codes, look: Look, callee: tuple[Any, ...], names: Names, carried: Carried, depth: int) -> bool:
    """Of a call, what the function's own code does in it, and methods that change a container; no library's doing."""
    if callee[0] == CODE:
        code = next((one for one in look.code.co_consts if id(one) == callee[1]), None)
        return code is not None and _body_writes(codes, code, names.module, carried, depth)
    if callee[0] == ATTRIBUTE:
        # Before there is another holder of it here.
        is_free = _is_free(callee[1], names, carried)
        for base in names.value(callee[1]):
            if type(base) in CONTAINERS or type(base).__module__ == "collections":
                return callee[2] not in PURE_METHODS and not is_free
    for value in names.value(callee):
        own = getattr(value, "__self__", None)
        if type(own) in CONTAINERS or type(own).__module__ == "collections":
            return getattr(value, "__name__", "") not in PURE_METHODS
        function = value.__func__ if type(value) in (_METHOD, staticmethod, classmethod) else value
        if type(function) is _FUNCTION and is_own(function.__code__.co_filename):
            return _body_writes(codes, function.__code__, function.__globals__, carried, depth)
    return False


def _body_writes(codes: Codes, code: CodeType, module: dict[str, Any], carried: Carried, depth: int) -> bool:
    if depth >= _DEPTH_MAX:
        return True
    inner, names = codes.look(code), Names(module)
    return any(_writes(codes, inner, at, names, carried, depth + 1) for at in range(len(inner.flow.instructions)))
