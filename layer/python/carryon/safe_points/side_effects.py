"""Whether anybody can tell afterwards that some instructions did not run: what they store, and whom they call."""

from __future__ import annotations

import builtins
import sys
import types
from functools import partial

from carryon.shared.own_code import is_own

from . import implicit_calls, symbols
from .symbols import ATTRIBUTE, CALL, CODE, EXIT, LOCAL, NEW, Names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType
    from typing import Any

    from .code_facts import Codes, Look
    from .symbols import Expression

_FUNCTION = types.FunctionType
_SUSPENDS = 0x20 | 0x80 | 0x200  # of co_flags: generators, coroutines, asynchronous generators
# Of functions that call one another, and of code that is looked through.
_DEPTH_MAX = 3
_CODE_MAX = 6_000

# Builtins that leave nothing behind but their result.
_PURE_NAMES = {
    "abs", "all", "any", "ascii", "bin", "bool", "bytearray", "bytes", "callable", "chr", "complex", "dict", "divmod",
    "enumerate", "filter", "float", "format", "frozenset", "getattr", "globals", "hasattr", "hash", "hex", "id", "int",
    "isinstance", "issubclass", "iter", "len", "list", "locals", "map", "max", "memoryview", "min", "object", "oct",
    "ord", "pow", "print", "range", "repr", "reversed", "round", "set", "slice", "sorted", "str", "sum", "tuple",
    "type", "vars", "zip",
}  # fmt: skip
_PURE = {id(vars(builtins)[name]) for name in _PURE_NAMES}
# The same of other modules; None is all of a module.
_PURE_OF: dict[str, set[str] | None] = {
    "_collections": None,
    "_datetime": None,
    "_decimal": None,
    "_operator": {"attrgetter", "itemgetter"},
    "base64": None,
    "carryon": None,
    "collections": None,
    "copy": {"copy", "deepcopy"},
    "datetime": None,
    "decimal": None,
    "json": {"dumps", "loads"},
    "math": None,
    "os": {"fspath", "getenv"},
    "posix": {"cpu_count", "getpid", "getppid", "times"},
    "time": {"monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "strftime", "time", "time_ns"},
    "uuid": {"UUID", "uuid4"},
}
_TIME_LEFT = "get_remaining_time_in_millis"
# Of objects of which nothing is known: only texts and times have them.
_TELLING_METHODS = {
    "capitalize", "casefold", "endswith", "hexdigest", "isoformat", "ljust", "lower", "lstrip", "remaining_ms",
    "rfind", "rjust", "rpartition", "rstrip", "splitlines", "startswith", "strftime", "strip", "timestamp",
    "title", "total_seconds", "upper", "zfill", _TIME_LEFT,
}  # fmt: skip
# Of containers: they give out what is inside.
PURE_METHODS = {
    *_TELLING_METHODS, "count", "decode", "encode", "format", "get", "index", "items", "keys", "most_common",
    "partition", "split", "values",
}  # fmt: skip
_LOGS = {"critical", "debug", "error", "exception", "info", "isEnabledFor", "log", "warning"}
FIXED = {str, bytes, int, float, complex, bool, tuple, frozenset, range, type(None), type}
_FIXED_OF = ("datetime", "decimal", "fractions", "uuid")
CONTAINERS = {list, dict, set, bytearray}
_MAKES_NEW = {id(one) for one in (sorted, list, dict, set, str, repr, bytes, format, ascii, bytearray)}
_KEEPS = (
    "STORE_ATTR", "DELETE_ATTR", "STORE_GLOBAL", "DELETE_GLOBAL", "STORE_NAME", "DELETE_NAME", "STORE_DEREF",
    "DELETE_DEREF",
)  # fmt: skip
_MAY_DO_ANYTHING = (
    "BEFORE_WITH", "BEFORE_ASYNC_WITH", "SETUP_WITH", "SETUP_ASYNC_WITH", "LOAD_SPECIAL", "YIELD_", "SEND",
    "GET_AWAITABLE", "GET_ANEXT", "GET_AITER", "IMPORT_STAR",
)  # fmt: skip


def matters(codes: Codes, look: Look, at: int, names: Names, depth: int) -> bool:
    """Whether an instruction may change what outlives the invocation, or call what does."""
    one, stack = look.flow.instructions[at], look.stacks[at]
    name = one.opname
    if name.startswith(_KEEPS) or name.startswith(_MAY_DO_ANYTHING):
        return True
    if name in symbols.SUBSCRIPTS:
        return not is_own_object(symbols.at_depth(stack, symbols.SUBSCRIPTS[name]), names)
    if name.startswith("INPLACE_") or (name == "BINARY_OP" and one.argrepr.endswith("=")):
        left = symbols.at_depth(stack, 2)
        return not (is_own_object(left, names) or any(type(value) in FIXED for value in names.value(left)))
    call = symbols.called(one, stack)
    is_harmless = partial(_is_harmless, codes, depth=depth + 1)
    if call is None:
        return implicit_calls.instruction_matters(one, stack, names, is_harmless)
    keywords = symbols.keywords(look.code, look.flow, at, stack)
    return (
        _call_matters(codes, look, call[0], names, depth)
        or any(_is_called_back(codes, names, argument) for argument in call[1])
        or implicit_calls.call_matters(one, stack, call, keywords, names, is_harmless)
    )


def _is_called_back(codes: Codes, names: Names, argument: Expression) -> bool:
    """Whether an argument is a function that matters, which what is called may call, as map() and sorted() do."""
    return any(
        callable(value) and not isinstance(value, type) and not _is_harmless(codes, value, _DEPTH_MAX - 1)
        for value in names.value(argument)
    )


def is_own_object(expression: Expression, names: Names) -> bool:
    """Whether nobody but the frame has the object."""
    if expression and expression[0] == NEW:
        return True
    if not expression or expression[0] != LOCAL or names.frame is None:
        return False
    if not any(type(value) in CONTAINERS for value in names.value(expression)):
        return False
    return _holders(names.frame, expression[1]) <= _ONE_HOLDER


def _holders(frame: FrameType, name: str) -> int:
    return sys.getrefcount(frame.f_locals[name])


def _count_one() -> int:
    name: list[Any] = []
    count = _holders(sys._getframe(), "name")
    del name
    return count


_ONE_HOLDER = _count_one()


def _call_matters(codes: Codes, look: Look, callee: Expression, names: Names, depth: int) -> bool:
    if callee is None:
        return True
    if callee[0] == EXIT:
        return False  # its `with` had begun before, and ends all the same
    if callee[0] == CODE:
        code = next((one for one in look.code.co_consts if id(one) == callee[1]), None)
        return code is None or _body_matters(codes, code, Names({}), depth)
    for value in names.value(callee):
        if callee[0] == ATTRIBUTE and (callee[2] == _TIME_LEFT or _is_method_of(callee, names)):
            break
        return not _is_harmless(codes, value, depth)
    if callee[0] != ATTRIBUTE:
        return True
    method = callee[2]
    # Before there is another holder of it here.
    if is_own_object(callee[1], names):
        return False
    for base in names.value(callee[1]):
        if type(base) in FIXED or type(base).__module__ in _FIXED_OF:
            return False
        if type(base) in CONTAINERS or type(base).__module__ == "collections":
            return method not in PURE_METHODS
        return not (method in _LOGS and _is_logger(base) or method == _TIME_LEFT)
    return not (method in _TELLING_METHODS or _is_made_here(look, callee[1], names))


def _is_made_here(look: Look, expression: Expression, names: Names) -> bool:
    """Whether a value, or each that a local name gets, is a new text or container."""
    if expression and expression[0] == LOCAL and expression[1] not in look.code.co_varnames[: _parameters(look.code)]:
        stored = look.stored_as(expression[1])
        return bool(stored) and all(one and (one[0] == NEW or _is_made_by_call(one, names)) for one in stored)
    return _is_made_by_call(expression, names)


def _parameters(code: CodeType) -> int:
    starred = bool(code.co_flags & 4) + bool(code.co_flags & 8)
    return code.co_argcount + code.co_kwonlyargcount + starred


def _is_made_by_call(expression: Expression, names: Names) -> bool:
    """Whether it is the result of a call that makes a new text or container."""
    if not expression or expression[0] != CALL:
        return False
    callee = expression[1]
    for value in names.value(callee):
        if id(value) in _MAKES_NEW:
            return True
        if type(value) is _FUNCTION and value.__module__ == "json" and value.__name__ in ("dumps", "loads"):
            return True
    if not callee or callee[0] != ATTRIBUTE:
        return False
    bases = names.value(callee[1])
    return any(type(base) in (str, bytes) for base in bases) or _is_made_by_call(callee[1], names)


def _is_method_of(callee: tuple[Any, ...], names: Names) -> bool:
    """Whether an attribute is a method of an object whose kind says what it does."""
    for base in names.value(callee[1]):
        kind = type(base)
        is_known = kind in FIXED and kind is not type or kind in CONTAINERS
        return is_known or kind.__module__ in ("collections", *_FIXED_OF) or _is_logger(base)
    return False


def _is_logger(base: Any) -> bool:
    logging = sys.modules.get("logging")
    return logging is not None and isinstance(base, (logging.Logger, logging.LoggerAdapter))


def _is_harmless(codes: Codes, value: Any, depth: int) -> bool:
    """Whether a call of this object leaves nothing behind but its result."""
    if id(value) in _PURE:
        return True
    if isinstance(value, type) and issubclass(value, BaseException):
        return True
    if type(value) is _FUNCTION and is_own(value.__code__.co_filename):
        return not value.__code__.co_flags & _SUSPENDS and not _body_matters(
            codes, value.__code__, Names(value.__globals__), depth
        )
    module, name = getattr(value, "__module__", None) or "", getattr(value, "__name__", "")
    if type(value) is types.BuiltinFunctionType and isinstance(value.__self__, type):
        module = value.__self__.__module__  # datetime.now()
    elif module in _PURE_OF and vars(sys.modules.get(module, types)).get(name) is not value:
        return False
    allowed = _PURE_OF.get(module, set())
    return allowed is None or name in allowed


def _body_matters(codes: Codes, code: CodeType, names: Names, depth: int) -> bool:
    if depth >= _DEPTH_MAX or len(code.co_code) > _CODE_MAX:
        return True
    inner = codes.look(code)
    return any(matters(codes, inner, at, names, depth + 1) for at in range(len(inner.flow.instructions)))
