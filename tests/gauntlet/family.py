"""All processes of a function, also those that hide."""

from __future__ import annotations

import concurrent.futures
import signal
from pathlib import Path
from typing import Any

from tests.support.emulator import Emulator, Result
from tests.support.processes import send, started, state

_LOOK_EVERY_S = 0.2


def family(function: Emulator) -> set[int]:
    """Those that have inherited its environment, and their descendants, who may have another."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            status, parent, *_ = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if status not in "ZX":
            parents[int(entry.parent.name)] = int(parent)
    found = set(function.processes())
    new = found
    while new:
        new = {pid for pid, parent in parents.items() if parent in new} - found
        found |= new
    return found


class Watch:
    """Remembers every process that a function had while it was looked at; in the end of the `with` none is alive."""

    def __init__(self, function: Emulator) -> None:
        self._function = function
        # With when they were started: a process id may be another's later.
        self._seen: set[tuple[int, int]] = set()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *exc: object) -> None:
        send(list(self.alive()), signal.SIGKILL)

    def invoke(self, event: Any) -> Result:
        """Invoke, and look meanwhile: whoever loses its parent later is not found any more."""
        running = self._function.begin(event)
        while concurrent.futures.wait([running], _LOOK_EVERY_S).not_done:
            self._seen |= {(pid, started(pid)) for pid in family(self._function)}
        return running.result()

    def alive(self) -> set[int]:
        """The processes that there are now, and those of before that have not ended."""
        seen = {pid for pid, began in self._seen if state(pid) not in "ZX" and started(pid) == began}
        return family(self._function) | seen
