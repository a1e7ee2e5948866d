"""Fork runtime processes: one in reserve is past its imports, and waits before it asks for its first event."""

from __future__ import annotations

import os

from carryon.shared.standby import Standby, StartRuntime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import NoReturn

_SIGKILL = 9
_GO = b"g"
_NEEDS_KB = 20 << 10
_NEEDS_KB_APART = 60 << 10


class Runtimes:
    """In the supervisor: the writing ends of the pipes to its runtime processes, by process id.

    The first of each is never written to; the second is there until the process was told to go.

    Args:
        first: process id of the first runtime.
        pipe: of that process.
        start: called in a forked process with the two reading ends, where it is to be another program; None where it
            goes on as what it was forked from.
    """

    def __init__(self, first: int, pipe: int, start: Callable[[int, int], NoReturn] | None = None) -> None:
        self._pipes = {first: [pipe]}
        self._start = start
        # Memory that one more takes before it is told to go.
        self.needs_kb = _NEEDS_KB if start is None else _NEEDS_KB_APART
        self.are_programs = start is not None

    def fork(self) -> int:
        """Fork a standby and return its process id.

        Raises:
            OSError: the fork or a pipe was refused.
            StartRuntime: in the forked process.
        """
        ends: list[int] = []
        try:
            # Reading and writing end of each.
            ends += os.pipe()
            ends += os.pipe()
            pid = os.fork()
        except OSError:
            _close(ends)
            raise
        alive, alive_here, go, go_here = ends
        if not pid:
            _close([alive_here, go_here])
            self.leave()
            if self._start is not None:
                self._start(alive, go)
            raise StartRuntime(Standby(go, alive))
        _close([alive, go])
        self._pipes[pid] = [alive_here, go_here]
        return pid

    def go(self, pid: int) -> bool:
        """Let a standby ask for its first event; False if it has ended."""
        go = self._pipes[pid].pop()
        try:
            os.write(go, _GO)
        except OSError:
            return False
        finally:
            os.close(go)
        return True

    def dismiss(self, pid: int) -> None:
        """End a standby that is not needed, with what has started in it."""
        # Not at the top: the function's process never needs it.
        from carryon.shared import processes

        others = processes.descendants(pid) if self._start is not None else []
        processes.end(pid)
        processes.send(others, _SIGKILL)
        self.forget([pid])

    def forget(self, pids: Iterable[int]) -> None:
        """Close the pipes to processes that have ended."""
        for pid in pids:
            _close(self._pipes.pop(pid, []))

    def leave(self) -> None:
        """In a process forked from the supervisor: let go of every pipe, so that they close as the supervisor ends."""
        self.forget(list(self._pipes))


def _close(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
