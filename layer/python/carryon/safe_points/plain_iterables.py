"""Whether what a loop goes through has nothing to do at its end, as a generator may have."""

from __future__ import annotations

from .side_effects import FIXED
from .symbols import ATTRIBUTE, CALL, CODE, CONSTANT, ITERATOR, NEW, RESULT, SLICE, Names, origin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .symbols import Expression

# What a loop may go through that has nothing to do at its end.
_VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))
_PLAIN: tuple[type, ...] = (list, tuple, dict, set, frozenset, range, str, bytes, bytearray, *_VIEWS)
_GIVE_PLAIN = {id(one) for one in (range, sorted, list, tuple, dict, set, frozenset, str, bytes, vars, dir)}
_PASS_ON = {id(one) for one in (enumerate, zip, reversed, map, filter, iter)}
_GIVE_PLAIN_METHODS = {"partition", "rsplit", "split", "splitlines"}
# AWS's libraries: each page that they go through is one whole request and its answer, after which nothing is due.
_GIVE_PAGES = ("botocore.", "boto3.")
_PASS_ON_METHODS = {"copy", "items", "keys", "values"}


def is_plain(expression: Expression, names: Names) -> bool:
    """Whether what a loop goes through has nothing to do at its end, as a generator may have."""
    if expression is None:
        return False
    kind = expression[0]
    if kind == NEW:
        return True
    if kind in (ITERATOR, SLICE):
        return is_plain(expression[1], names)
    if kind == RESULT:
        # Two lists, or a list a number of times.
        left, right = (is_plain(part, names) for part in expression[1:])
        return left and right or (left or right) and any(type(n) is int for e in expression[1:] for n in names.value(e))
    for value in names.value(expression):
        is_plain_kind = type(value) in _PLAIN or isinstance(value, _PLAIN) and "__iter__" not in vars(type(value))
        return is_plain_kind or _gives_pages(value)
    if kind != CALL:
        return False
    callee, arguments = expression[1:]
    if callee and callee[0] == CODE:
        return all(is_plain(one, names) for one in arguments)
    for value in names.value(callee):
        if id(value) in _GIVE_PLAIN or getattr(value, "__module__", None) == "json" and value.__name__ == "loads":
            return True
        if id(value) in _PASS_ON or getattr(value, "__module__", None) in ("itertools", "carryon"):
            return all(_is_passed(one, names) for one in arguments)
    if not callee or callee[0] != ATTRIBUTE:
        return False
    if callee[2] in _GIVE_PLAIN_METHODS or any(map(_gives_pages, names.value(origin(callee, (ATTRIBUTE, CALL))))):
        return True
    if callee[2] == "get":
        return _is_gotten_plain(names.value(callee[1]), [names.value(one) for one in arguments])
    return callee[2] in _PASS_ON_METHODS and is_plain(callee[1], names)


def _is_gotten_plain(containers: tuple[Any, ...], arguments: list[tuple[Any, ...]]) -> bool:
    """Whether what a dict gives out is plain; the dict, and each argument, in a tuple where it is known."""
    known = [value for found in arguments for value in found]
    if len(known) < len(arguments) or not known or not all(type(one) is dict for one in containers):
        return False
    return any(type(one.get(*known)) in _PLAIN for one in containers if type(known[0]) in FIXED)


def _gives_pages(value: Any) -> bool:
    """Whether it is a client, a resource, a paginator or a collection of AWS's libraries."""
    return any(kind.__module__.startswith(_GIVE_PAGES) for kind in type(value).__mro__)


def _is_passed(expression: Expression, names: Names) -> bool:
    if expression and expression[0] in (CODE, CONSTANT):
        return True
    for value in names.value(expression):
        if callable(value) or type(value) in FIXED:
            return True
    return is_plain(expression, names)
