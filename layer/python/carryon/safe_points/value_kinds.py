"""What kind of values make up the state: what cannot be changed in place needs no search for whoever might do so."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

# Nothing can be changed in place; only the variables' own lists and dicts can, and hold nothing that can; more can.
PLAIN, FLAT, DEEP = range(3)

_PLAIN_TYPES = {type(None), bool, int, float, str, bytes}
_LOOKED_AT_MAX = 10_000


def contents(values: Iterable[Any]) -> tuple[int, set[int]]:
    """The kind of these values, and the ids of all objects in them that can be changed in place.

    What is too large to look at counts as DEEP, and not all of its objects are named.
    """
    kind = PLAIN
    objects: set[int] = set()
    pending = [(value, False) for value in values]
    for count, (value, is_inside) in enumerate(pending):
        kind_of_value = type(value)
        if kind_of_value in _PLAIN_TYPES:
            continue
        if count > _LOOKED_AT_MAX:
            return DEEP, objects
        if kind_of_value is not tuple:
            if id(value) in objects:
                continue
            objects.add(id(value))
            kind = max(kind, FLAT)
            if is_inside:
                kind = DEEP
        inside = value.values() if isinstance(value, dict) else value
        if not isinstance(value, (dict, list, tuple, set)):
            kind = DEEP
        elif len(pending) + len(value) > _LOOKED_AT_MAX * 2:
            return DEEP, objects
        else:
            pending += [(one, True) for one in list(inside)]
    return kind, objects
