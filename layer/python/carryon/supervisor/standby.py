"""Fork runtime processes: one in reserve is past its imports, and waits before it asks for its first event."""

from __future__ import annotations

import os
from fcntl import F_GETFL, F_SETFL, F_SETOWN, fcntl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import NoReturn

_F_SETSIG = 10  # not in the fcntl module before Python 3.13
_SIGKILL = 9
_GO = b"g"
_NEEDS_KB = 20 << 10
_NEEDS_KB_APART = 60 << 10


class StartRuntime(BaseException):
    """Raised in a process that the supervisor has forked to be a runtime; it unwinds the supervisor's frames."""

    def __init__(self, standby: Standby) -> None:
        super().__init__()
        self.standby = standby


class Standby:
    """In the forked process: what it waits for.

    Two pipes, as the kernel signals a pipe's reader only after it has woken it: a process that armed the pipe by which
    it was woken was killed, now and then, by the very byte that said go.

    Args:
        go: the reading end of the pipe by which the supervisor says go.
        alive: the reading end of the one that is for `die_with_supervisor`.
        is_program: whether it has been started, and not only forked; its orphans are its own until it goes on.
    """

    def __init__(self, go: int, alive: int, *, is_program: bool = False) -> None:
        self._go = go
        self._alive = alive
        self._is_program = is_program

    def wait(self) -> None:
        """Wait until the supervisor says go; does not return if it dismisses this process or dies."""
        if not os.read(self._go, 1):
            os._exit(0)
        os.close(self._go)
        die_with_supervisor(self._alive)
        if self._is_program:
            from carryon.shared.processes import adopt_orphans

            adopt_orphans(False)


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


def die_with_supervisor(pipe: int) -> None:
    """Have the kernel kill this process when the supervisor, which alone holds the pipe's other end, is gone.

    Whatever happens on the pipe kills, so nobody ever writes to it. PR_SET_PDEATHSIG would do the same, but prctl needs
    ctypes, which is 2.4 ms of every cold start.
    """
    fcntl(pipe, F_SETOWN, os.getpid())
    fcntl(pipe, _F_SETSIG, _SIGKILL)
    fcntl(pipe, F_SETFL, fcntl(pipe, F_GETFL) | os.O_ASYNC | os.O_NONBLOCK)
    try:
        os.read(pipe, 1)
    except BlockingIOError:
        return
    # It was gone before.
    os.kill(os.getpid(), _SIGKILL)


def _close(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
