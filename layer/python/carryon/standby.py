"""Fork runtime processes: one in reserve is past its imports, and waits before it asks for its first event."""

from __future__ import annotations

import os
from fcntl import F_GETFL, F_SETFL, F_SETOWN, fcntl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_F_SETSIG = 10  # not in the fcntl module before Python 3.13
_SIGKILL = 9
_GO = b"g"


class StartRuntime(BaseException):
    """Raised in a process that the supervisor has forked to be a runtime; it unwinds the supervisor's frames."""

    def __init__(self, standby: Standby) -> None:
        super().__init__()
        self.standby = standby


class Standby:
    """In the forked process: what it waits for.

    Args:
        pipe: the reading end of a pipe to the supervisor.
    """

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def wait(self) -> None:
        """Wait until the supervisor says go; does not return if it dismisses this process or dies."""
        if not os.read(self._pipe, 1):
            os._exit(0)
        die_with_supervisor(self._pipe)


class Runtimes:
    """In the supervisor: the writing ends of the pipes to its runtime processes, by process id."""

    def __init__(self, first: int, pipe: int) -> None:
        self._pipes = {first: pipe}

    def fork(self) -> int:
        """Fork a standby and return its process id.

        Raises:
            OSError: the fork or its pipe was refused.
            StartRuntime: in the forked process.
        """
        reading, writing = os.pipe()
        try:
            pid = os.fork()
        except OSError:
            os.close(reading)
            os.close(writing)
            raise
        if not pid:
            os.close(writing)
            self.leave()
            raise StartRuntime(Standby(reading))
        os.close(reading)
        self._pipes[pid] = writing
        return pid

    def go(self, pid: int) -> bool:
        """Let a standby ask for its first event; False if it has ended."""
        try:
            os.write(self._pipes[pid], _GO)
        except OSError:
            return False
        return True

    def forget(self, pids: Iterable[int]) -> None:
        """Close the pipes to processes that have ended."""
        for pid in pids:
            pipe = self._pipes.pop(pid, None)
            if pipe is not None:
                os.close(pipe)

    def leave(self) -> None:
        """In a process forked from the supervisor: let go of every pipe, so that they close as the supervisor ends."""
        self.forget(list(self._pipes))


def die_with_supervisor(pipe: int) -> None:
    """Have the kernel kill this process when the supervisor, which alone holds the pipe's other end, is gone.

    PR_SET_PDEATHSIG would do the same, but prctl needs ctypes, which is 2.4 ms of every cold start.
    """
    fcntl(pipe, F_SETOWN, os.getpid())
    fcntl(pipe, _F_SETSIG, _SIGKILL)
    fcntl(pipe, F_SETFL, fcntl(pipe, F_GETFL) | os.O_ASYNC)
