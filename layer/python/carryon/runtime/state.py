"""The variables that CARRYON_STATE names: captured at the alarm, put back before the successor's handler runs."""

from __future__ import annotations

import importlib
import json
import sys

from carryon.shared.left_progress import NotCarried

from .first_values import FirstValues

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

    from carryon.shared.settings import StateName

# What Lambda accepts in an asynchronous invocation; and in any other, for a state that goes through a bucket.
LARGEST = 1 << 20
LARGEST_IN_BUCKET = 6 << 20

_MISSING = object()

_encode = json.JSONEncoder(allow_nan=False).encode


class State:
    """The named variables of one function.

    Args:
        names: as the settings have them.
        handler_module: name of the module that holds the handler, already imported.
        into: where the successor finds the values: globals, event or both; one that has a key goes into the event too.
        largest: bytes of JSON that can travel.
    """

    def __init__(
        self, names: tuple[StateName, ...], handler_module: str, into: str = "globals", largest: int = LARGEST
    ) -> None:
        self._largest = largest
        self._variables = [_Variable(name, handler_module, into) for name in names]
        # Whether the variables may hold what a chain has left: its values were put in, or it was cut short.
        self._is_used = False
        self._initial: dict[str, Any] = {}
        for variable in self._variables:
            if variable.function is None:
                try:
                    self._initial[variable.id] = _globals(variable.module).get(variable.name, _MISSING)
                except (Exception, SystemExit):
                    # Whatever the import of a user's module raises; capture() says so when it matters.
                    self._initial[variable.id] = _MISSING
        self._first_values = FirstValues(self._initial.values())

    def prepare(self, carried: dict[str, Any] | None, event: Any = None) -> Any:
        """Set the variables to what the envelope carries, and to their first values where a chain before left its own.

        Args:
            carried: the members of the envelope this invocation came in, None for the first of a chain.
            event: the invocation's.

        Returns:
            The event with the values that belong there.

        Raises:
            NotCarried: a module that the state belongs to cannot be imported, or the event cannot take a value.
        """
        state: dict[str, Any] = (carried or {}).get("state") or {}
        into_globals = {one.id: state[one.id] for one in self._variables if one.into_globals and one.id in state}
        values = {one.key: state[one.id] for one in self._variables if one.key and one.id in state}
        if into_globals or self._is_used:
            self._first_values.put_back()
            for variable in self._variables:
                if variable.function is None:
                    self._set(variable, into_globals)
        self._is_used = bool(into_globals or values)
        if not values:
            return event
        if not isinstance(event, dict):
            kind = type(event).__name__
            raise NotCarried(f"CARRYON_STATE puts {', '.join(values)} into the event, which is no object but a {kind}")
        return {**event, **values}

    def _set(self, variable: _Variable, state: dict[str, Any]) -> None:
        value = state[variable.id] if variable.id in state else self._initial[variable.id]
        try:
            if value is _MISSING:
                _globals(variable.module).pop(variable.name, None)
            else:
                _globals(variable.module)[variable.name] = value
        except (Exception, SystemExit) as error:
            text = f"CARRYON_STATE names {variable.id}, but its module cannot be imported: {error!r}"
            raise NotCarried(text) from error

    def note_time_is_up(self) -> None:
        """The invocation is cut short: what comes after it begins with the first values."""
        self._is_used = True

    def variables(self) -> list[tuple[dict[str, Any], str | None, str]]:
        """The variables whose modules are loaded: the module's globals, the function of a local, the name."""
        loaded = [(sys.modules.get(one.module), one.function, one.name) for one in self._variables]
        return [(vars(module), function, name) for module, function, name in loaded if module is not None]

    def capture(self, frame: FrameType | None = None) -> bytes | NotCarried:
        """The values as JSON, an object by name; or why they cannot be had.

        Never raises: it runs in a signal handler.

        Args:
            frame: the innermost one that is running, for the locals of its callers.
        """
        members = []
        for variable in self._variables:
            try:
                value = variable.value(frame)
                members.append(f"{variable.encoded_id}: {_encode(value)}")
            except LookupError as error:
                return NotCarried(f"CARRYON_STATE names {variable.id}, but {error.args[0]}")
            except Exception as error:
                return NotCarried(
                    f"CARRYON_STATE names {variable.id}, but a {type(value).__name__} is not JSON: {error}"
                )
        encoded = f"{{{', '.join(members)}}}".encode()
        return encoded if len(encoded) <= self._largest else self._too_large(members, len(encoded))

    def _too_large(self, members: list[str], size: int) -> NotCarried:
        largest, variable = max((len(member), one.id) for member, one in zip(members, self._variables, strict=True))
        hint = "; CARRYON_BUCKET takes more" if self._largest < LARGEST_IN_BUCKET else ""
        return NotCarried(
            f"the variables that CARRYON_STATE names are {size:,} bytes of JSON, more than the {self._largest:,} that "
            f"Lambda accepts; {variable} alone is {largest:,}{hint}"
        )


class _Variable:
    def __init__(self, named: StateName, handler_module: str, into: str) -> None:
        self.module = named.module or handler_module
        self.function = named.function
        self.name = named.name
        owner = f"{named.function}()." if named.function else ""
        self.id = f"{named.module}:{owner}{named.name}" if named.module else f"{owner}{named.name}"
        self.encoded_id = json.dumps(self.id)
        self.into_globals = named.function is None and into != "event"
        self.key: str | None = named.key or (named.name if into != "globals" else None)

    def value(self, frame: FrameType | None) -> Any:
        """The variable's value; raises LookupError with the reason where it has none."""
        # No import here: the alarm may have come in the middle of one.
        loaded = sys.modules.get(self.module)
        if self.function is None:
            value = vars(loaded).get(self.name, _MISSING) if loaded else _MISSING
            if value is _MISSING:
                raise LookupError(f"module {self.module} has no such global")
            return value
        names = vars(loaded) if loaded else None
        while frame is not None and not (frame.f_code.co_name == self.function and frame.f_globals is names):
            frame = frame.f_back
        if frame is None:
            raise LookupError(f"no function {self.function} of module {self.module} was running")
        # Not at the top: no cold start needs it.
        from carryon.safe_points.snapshots import read

        found = read(frame)
        if self.name not in found:
            raise LookupError(f"function {self.function} had no such local yet")
        return found[self.name]


def _globals(module: str) -> dict[str, Any]:
    loaded = sys.modules.get(module)
    return vars(loaded if loaded is not None else importlib.import_module(module))
