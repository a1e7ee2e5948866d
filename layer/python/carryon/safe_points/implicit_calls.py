"""Code of the function's own that runs where no call is to be seen: of operators, properties, iterators."""

from __future__ import annotations

import builtins
import sys
import types

from carryon.shared.own_code import is_own

from .symbols import ATTRIBUTE, CALL, at_depth, attribute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .symbols import Expression, Names, Stack

_OPERATORS = ("BINARY_", "INPLACE_", "COMPARE_OP", "CONTAINS_OP", "UNARY_", "FORMAT_", "TO_BOOL", "POP_JUMP_IF_")
_GOES_THROUGH = ("GET_ITER", "LIST_EXTEND", "SET_UPDATE", "DICT_UPDATE", "DICT_MERGE", "UNPACK_")
# These do no more than to make an object, or to describe it.
_NO_OPERATORS = {"__call__", "__class_getitem__", "__del__", "__enter__", "__exit__", "__init__", "__init_subclass__",
    "__new__", "__post_init__", "__set_name__"}  # fmt: skip
_GENERATORS = (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType)
# Builtins that do not go through what they get.
_LOOK_AT_NAMES = {
    "abs", "ascii", "bin", "bool", "callable", "chr", "complex", "divmod", "float", "format", "getattr", "hasattr",
    "hash", "hex", "id", "int", "isinstance", "issubclass", "len", "memoryview", "oct", "ord", "pow", "print", "range",
    "repr", "round", "str", "type", "vars",
}  # fmt: skip
_LOOK_AT = {id(vars(builtins)[name]) for name in _LOOK_AT_NAMES}
_KNOW_ALL = {id(one) for one in (callable, id, isinstance, issubclass, type, vars)}
_CALL_BACK = {id(one) for one in (filter, iter, map, max, min, print, sorted)}
_FUNCTION = types.FunctionType


def instruction_matters(one: Any, stack: Stack, names: Names, is_harmless: Callable[[Any], bool]) -> bool:
    """Whether an instruction that is no call may run code of the function's own that others can tell has not run.

    Args:
        is_harmless: whether others can tell nothing of a function.
    """
    name = one.opname
    if name.startswith(("LOAD_ATTR", "LOAD_METHOD")):
        return any(_reading_matters(base, one.argval, is_harmless) for base in names.value(at_depth(stack, 1)))
    if name.startswith(_OPERATORS):
        values = [value for operand in stack[-2:] for value in names.value(operand)]
        return any(_operators_matter(type(value), is_harmless) for value in values)
    return name.startswith(_GOES_THROUGH) and _may_run(at_depth(stack, 1), names)


def call_matters(
    one: Any,
    stack: Stack,
    call: tuple[Expression, Stack],
    keywords: tuple[str, ...],
    names: Names,
    is_harmless: Callable[[Any], bool],
) -> bool:
    """Whether a call may run such code of what it is given: go through it, look at it, or print to it."""
    callee, arguments = call
    function = next(iter(names.value(callee)), None)
    if one.opname == "CALL_FUNCTION_EX":
        return id(function) in _CALL_BACK or any(_may_run(taken, names) for taken in stack[-2:])
    if id(function) in _KNOW_ALL:
        return False
    values = [value for argument in arguments for value in names.value(argument)]
    if any(isinstance(value, type) and _is_own_class(value) for value in values):
        return True  # it may make one, as map() does, or have it do the work, as json does
    if function is print and "file" in keywords:
        file = arguments[keywords.index("file") - len(keywords)]
        if not any(value is sys.stdout or value is sys.stderr for value in names.value(file)):
            return True
        arguments = tuple(argument for argument in arguments if argument is not file)
    is_own_function = type(function) is _FUNCTION
    if not is_own_function and any(_operators_matter(type(value), is_harmless) for value in values):
        return True
    if (function is getattr or function is hasattr) and len(values) > 1 and type(values[1]) is str:
        return _reading_matters(values[0], values[1], is_harmless)
    if id(function) in _LOOK_AT:
        return False
    return any(_may_run(argument, names, not is_own_function) for argument in arguments)


def _is_own_class(kind: type) -> bool:
    """Whether a class is the function's own."""
    module = kind.__module__
    if module == "builtins" or type(module) is not str:
        return False
    file = getattr(sys.modules.get(module), "__file__", None)
    return type(file) is str and is_own(file)


def _own_owners(kind: type) -> list[type]:
    return [one for one in kind.__mro__ if _is_own_class(one)]


def _operators_matter(kind: type, is_harmless: Callable[[Any], bool]) -> bool:
    return any(
        type(function) is _FUNCTION and not is_harmless(function)
        for owner in _own_owners(kind)
        for name, function in vars(owner).items()
        if name.startswith("__") and name not in _NO_OPERATORS
    )


def _reading_matters(base: Any, name: str, is_harmless: Callable[[Any], bool]) -> bool:
    if isinstance(base, types.ModuleType):
        return False
    kind = base if isinstance(base, type) else type(base)
    if not _is_own_class(kind):
        return False
    readers = [vars(one)[word] for one in _own_owners(kind) for word in _READERS if word in vars(one)]
    for found in attribute(kind, name):
        if issubclass(type(found), property):
            readers.append(found.fget)
        elif type(found).__module__ == "functools" and type(found).__name__ == "cached_property":
            readers.append(found.func)
        if _is_own_class(type(found)):
            readers += attribute(type(found), "__get__")
    return any(type(one) is _FUNCTION and not is_harmless(one) for one in readers)


_READERS = ("__getattr__", "__getattribute__")


def _may_run(expression: Expression, names: Names, is_gone_through: bool = True) -> bool:
    """Whether going through an object may run code of the function's own, such as the rest of a generator.

    Args:
        is_gone_through: else it is only passed on, which a generator is not without a reason.
    """
    for value in names.value(expression):
        return isinstance(value, _GENERATORS) or is_gone_through and _runs_in_turn(type(value))
    if not expression or expression[0] != CALL:
        return False
    callee, arguments = expression[1:]
    for value in names.value(callee):
        if type(value) is _FUNCTION:
            return is_gone_through and is_own(value.__code__.co_filename)
    if callee and callee[0] == ATTRIBUTE:
        return False
    return any(_may_run(one, names, is_gone_through) for one in arguments)


def _runs_in_turn(kind: type) -> bool:
    if any("__next__" in vars(one) for one in kind.__mro__):
        is_plain = kind.__module__ == "builtins" and kind.__name__.endswith("iterator") and "call" not in kind.__name__
        return not (is_plain or kind.__module__ == "_io")
    return any(word in vars(one) for one in _own_owners(kind) for word in ("__iter__", "__getitem__", "keys"))
