"""What functions do without the layer: a signal handler copies the variables, and the next invocation begins with them.

    python -m tests.support.plain FOLDER HANDLER SETTINGS EVENT SEED

prints the result of such a chain.
"""

from __future__ import annotations

import importlib
import json
import random
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

# Of a chain's whole work, how much a hop has time for.
_HOP_S = (0.03, 0.09)


class Stopped(BaseException):
    """Time is up."""


class Chain:
    """A function and what its hops hand on.

    Args:
        folder: the function's code.
        handler: as in the function's configuration.
        settings: of the layer, of which CARRYON_STATE, CARRYON_STATE_INTO and CARRYON_EVENT are understood.
    """

    def __init__(self, folder: Path, handler: str, settings: dict[str, str]) -> None:
        self._folder = folder
        self._module, _, self._function = handler.rpartition(".")
        names = settings.get("CARRYON_STATE", "")
        self._names = [name.partition("=") for name in names.split(",") if name]
        self._into_event = settings.get("CARRYON_STATE_INTO") == "event"
        self._event_as_left = settings.get("CARRYON_EVENT") == "current"

    def run(self, event: dict[str, Any], chance: random.Random) -> Any:
        """Follow the chain to its end, interrupted now and then, and return the result."""
        state: dict[str, Any] = {}
        while True:
            handler = self._begin(state)
            try:
                return self._hop(handler, event, chance)
            except _InterruptedError as interrupted:
                state, event = interrupted.state, interrupted.event

    def run_uninterrupted(self, event: dict[str, Any]) -> Any:
        """Return the result of one long run."""
        handler = self._begin({})
        try:
            return json.loads(json.dumps(handler(event, None)))
        finally:
            self._forget()

    def _begin(self, state: dict[str, Any]) -> Any:
        """Import the function anew, as in a process of its own, and put the state back."""
        self._forget()
        sys.path[:0] = [str(self._folder)]
        try:
            module = importlib.import_module(self._module)
        finally:
            sys.path.remove(str(self._folder))
        for name, value in state.items():
            owner, _, own_name = name.rpartition(":")
            setattr(sys.modules[owner or self._module], own_name, value)
        return getattr(module, self._function)

    def _forget(self) -> None:
        for path in self._folder.glob("*.py"):
            sys.modules.pop(path.stem, None)

    def _hop(self, handler: Any, event: dict[str, Any], chance: random.Random) -> Any:
        original = json.loads(json.dumps(event))
        kept: list[_InterruptedError] = []

        def stop(_: int, frame: FrameType | None) -> None:
            kept.append(self._capture(frame, event if self._event_as_left else original))
            raise Stopped

        signal.signal(signal.SIGALRM, stop)
        try:
            signal.setitimer(signal.ITIMER_REAL, chance.uniform(*_HOP_S))
            result = handler(event, None)
            signal.setitimer(signal.ITIMER_REAL, 0)
        except Stopped:
            raise kept[0] from None
        return result

    def _capture(self, frame: FrameType | None, event: dict[str, Any]) -> _InterruptedError:
        state, members = {}, {}
        for name, _, key in self._names:
            function, is_local, local = name.partition("().")
            if is_local:
                at = frame
                while at and at.f_code.co_name != function:
                    at = at.f_back
                if at and local in at.f_locals:
                    members[key] = at.f_locals[local]
                continue
            owner, _, own_name = name.rpartition(":")
            value = getattr(sys.modules[owner or self._module], own_name)
            (members if key or self._into_event else state)[key or own_name if self._into_event else name] = value
        return _InterruptedError(json.loads(json.dumps(state)), json.loads(json.dumps({**event, **members})))


class _InterruptedError(Exception):
    def __init__(self, state: dict[str, Any], event: dict[str, Any]) -> None:
        super().__init__()
        self.state = state
        self.event = event


def main() -> None:
    folder, handler, settings, event, seed = sys.argv[1:]
    chain = Chain(Path(folder), handler, json.loads(settings))
    print(json.dumps(chain.run(json.loads(event), random.Random(seed))))


if __name__ == "__main__":
    main()
