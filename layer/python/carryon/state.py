"""The globals that CARRYON_STATE names: captured at the alarm, put back before the successor's handler runs."""

from __future__ import annotations

import importlib
import json
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .board import Board

# No JSON begins with it.
_NO_STATE = b"!"

_MISSING = object()


class NotCarried(Exception):
    """A value that cannot travel; the text names the variable and says why."""


class State:
    """The named globals of one function.

    Args:
        names: pairs of module name (None: the handler's) and global.
        handler_module: name of the module that holds the handler, already imported.
    """

    def __init__(self, names: tuple[tuple[str | None, str], ...], handler_module: str) -> None:
        self._names = [
            (module or handler_module, name, f"{module}:{name}" if module else name) for module, name in names
        ]
        self._changed = False
        self._initial = {}
        for module, name, key in self._names:
            try:
                self._initial[key] = _copy(_globals(module).get(name, _MISSING))
            except (Exception, SystemExit):
                # Whatever the import of a user's module raises; capture() says so when it matters.
                self._initial[key] = _MISSING

    def prepare(self, carried: dict[str, Any] | None) -> None:
        """Set the globals to what the envelope carries, or to their first values where a chain before left its own.

        Args:
            carried: the members of the envelope this invocation came in, None for the first of a chain.

        Raises:
            NotCarried: a module that the state belongs to cannot be imported.
        """
        state: dict[str, Any] = (carried or {}).get("state") or {}
        if not state and not self._changed:
            return
        self._changed = bool(state)
        for module, name, key in self._names:
            value = state[key] if key in state else _copy(self._initial[key])
            try:
                if value is _MISSING:
                    _globals(module).pop(name, None)
                else:
                    _globals(module)[name] = value
            except (Exception, SystemExit) as error:
                text = f"CARRYON_STATE names {key}, but its module cannot be imported: {error!r}"
                raise NotCarried(text) from error

    def capture(self) -> bytes | NotCarried:
        """The values as JSON, an object by name; or why they cannot be had.

        Never raises: it runs in a signal handler.
        """
        self._changed = True
        members = []
        for module, name, key in self._names:
            # No import here: the alarm may have come in the middle of one.
            loaded = sys.modules.get(module)
            value = vars(loaded).get(name, _MISSING) if loaded else _MISSING
            if value is _MISSING:
                return NotCarried(f"CARRYON_STATE names {key}, but module {module} has no such global")
            try:
                text = json.dumps(value, allow_nan=False)
                members.append(f"{json.dumps(key)}: {text}")
            except Exception as error:
                return NotCarried(f"CARRYON_STATE names {key}, but a {type(value).__name__} is not JSON: {error}")
        return f"{{{', '.join(members)}}}".encode()


def keep(board: Board, state: bytes | NotCarried) -> None:
    """Put a state on the board, or the reason why there is none."""
    kept = state if isinstance(state, bytes) else _NO_STATE + str(state).encode("utf-8", "replace")
    if not board.put_state(kept):
        board.put_state(_NO_STATE + b"the state is larger than anything Lambda accepts")


def kept(board: Board) -> bytes | NotCarried | None:
    """What `keep` left on the board, None where it left nothing."""
    state = board.state()
    if state is not None and state.startswith(_NO_STATE):
        return NotCarried(state[len(_NO_STATE) :].decode("utf-8", "replace"))
    return state


def _globals(module: str) -> dict[str, Any]:
    loaded = sys.modules.get(module)
    return vars(loaded if loaded is not None else importlib.import_module(module))


def _copy(value: Any) -> Any:
    """A copy that changes in place do not reach; the value itself where JSON has none that is equal."""
    try:
        copy = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        return value
    return copy if copy == value else value
