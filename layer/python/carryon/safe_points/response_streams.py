"""Whether the turns of a loop read one answer after the other from something that there was before the loop.

What the further turns would have read is then still there for whoever asks next.
"""

from __future__ import annotations

import types

from carryon.shared.own_code import is_own

from . import symbols
from .symbols import ATTRIBUTE, CALL, ITEM, LOCAL, SLICE, Names, origin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType
    from typing import Any

    from .code_facts import Codes, Look

_READS = {
    "__next__", "fetchmany", "fetchone", "getline", "getreply", "nextset", "read", "read1", "readinto", "readline",
    "readlines", "recv", "recv_bytes", "recv_into", "recvfrom", "recvmsg",
}  # fmt: skip
_DEPTH_MAX = 2
_FUNCTION = types.FunctionType
_METHODS = (types.MethodType, types.BuiltinMethodType, types.MethodWrapperType)


def read_on(codes: Codes, look: Look, places: Iterable[int], names: Names, depth: int = 0) -> bool:
    """Whether one of these places reads from what was made elsewhere: by its name, or in a function of the own code."""
    places = list(places)
    made_here = look.stored(places)
    for at in places:
        call = symbols.called(look.flow.instructions[at], look.stacks[at])
        if call is None or call[0] is None:
            continue
        callee = call[0]
        if callee[0] == ATTRIBUTE and callee[2] in _READS:
            root = origin(callee[1], (ATTRIBUTE, ITEM, SLICE))
            is_made_here = root is None or root[0] == CALL or root[0] == LOCAL and root[1] in made_here
            if not (is_made_here or any(map(_is_file, names.value(callee[1])))):
                return True
        for value in map(_without_wrapping, names.value(callee)):
            if _reads_from(value):
                return True
            if value is next and any(not _is_short(one) for argument in call[1][:1] for one in names.value(argument)):
                return True
            code = _own_code(value)
            if code is not None and depth < _DEPTH_MAX:
                inner = codes.look(code)
                if read_on(codes, inner, range(len(inner.flow.instructions)), Names(value.__globals__), depth + 1):
                    return True
    return False


def _without_wrapping(value: Any) -> Any:
    """What a partial calls."""
    while type(value).__module__ == "functools" and type(value).__name__ == "partial":
        value = value.func
    return value


def _reads_from(method: Any) -> bool:
    """Whether it is a method that reads, bound to something that is no file."""
    if type(method) not in _METHODS or getattr(method, "__name__", "") not in _READS:
        return False
    bound_to = method.__self__
    return not (bound_to is None or isinstance(bound_to, type) or _is_file(bound_to))


def _is_short(iterator: Any) -> bool:
    """Whether it goes through what lies in memory, or counts."""
    kind = type(iterator)
    if kind.__module__ == "builtins":
        return kind.__name__.endswith("iterator") and kind.__name__ != "callable_iterator"
    return kind.__name__ == "count" or _is_file(iterator)


def _own_code(value: Any) -> CodeType | None:
    if type(value) in (types.MethodType, staticmethod, classmethod):
        value = value.__func__
    return value.__code__ if type(value) is _FUNCTION and is_own(value.__code__.co_filename) else None


def _is_file(value: Any) -> bool:
    """Whether it is a file or lies in memory: whoever opens it again begins anew."""
    if type(value).__module__ != "_io":
        return False
    raw = getattr(getattr(value, "buffer", value), "raw", value)
    return type(raw).__name__ in ("FileIO", "BytesIO", "StringIO")
