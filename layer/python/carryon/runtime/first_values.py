"""What variables held after the import, to be put back in place: the same objects, with what was in them."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

# Whose own methods are called: those of a class made from one of these may do more. The first that fits.
_CONTAINERS: tuple[type, ...] = (OrderedDict, dict, list, set, deque, bytearray)
_PLAIN = {type(None), bool, int, float, str, bytes}


class FirstValues:
    """What can be changed in place in these values, however deep it lies and whoever else holds it.

    Containers of the standard kinds, and those of classes made from them with their attributes; any other object is
    kept as it is, since nobody knows what a copy of it would do.
    """

    def __init__(self, values: Iterable[Any]) -> None:
        # By identity, so that what two variables share is one object still.
        self._contents: dict[int, tuple[Any, Any, Any, Any]] = {}
        pending = list(values)
        while pending:
            value = pending.pop()
            if id(value) in self._contents:
                continue
            try:
                content = self._note(value)
            except Exception:
                content = ()  # another thread is changing it
            pending += [one for one in content if type(one) not in _PLAIN]

    def _note(self, value: Any) -> Iterable[Any]:
        """Take note of what is in a value; returns it."""
        if type(value) is tuple:
            return value
        kind: Any = next((one for one in _CONTAINERS if isinstance(value, one)), None)
        if kind is None:
            return ()
        content: Any = dict(kind.items(value)) if issubclass(kind, dict) else list(kind.__iter__(value))
        factory = value.default_factory if isinstance(value, defaultdict) else None
        self._contents[id(value)] = value, kind, content, factory
        inside = list(content.values()) if issubclass(kind, dict) else content
        return inside if type(value) in _CONTAINERS else [*inside, getattr(value, "__dict__", None)]

    def put_back(self) -> None:
        """Have every object hold again what it held at first."""
        for value, kind, content, factory in self._contents.values():
            try:
                kind.clear(value)
                if kind is OrderedDict:
                    for key, one in content.items():
                        OrderedDict.__setitem__(value, key, one)
                elif kind in (dict, set):
                    kind.update(value, content)
                else:
                    kind.extend(value, content)
                if isinstance(value, defaultdict):
                    value.default_factory = factory
            except Exception:
                pass  # of a class whose keys compare no longer
