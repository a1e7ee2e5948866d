"""Fork runtime processes from the supervisor, a copy of the first one from just before it loaded the handler."""

from __future__ import annotations

import os
from fcntl import F_GETFL, F_SETFL, F_SETOWN, fcntl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_F_SETSIG = 10  # not in the fcntl module before Python 3.13
_SIGKILL = 9


class StartRuntime(BaseException):
    """Raised in a process that the supervisor has forked to be a runtime; it unwinds the supervisor's frames.

    `pipe` is the reading end of its pipe to the supervisor.
    """

    def __init__(self, pipe: int) -> None:
        super().__init__()
        self.pipe = pipe


class Runtimes:
    """In the supervisor: the writing ends of the pipes to its runtime processes, by process id."""

    def __init__(self, first: int, pipe: int) -> None:
        self._pipes = {first: pipe}

    def fork(self) -> int:
        """Fork a runtime process, which goes on to ask for its first event, and return its process id.

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
            raise StartRuntime(reading)
        os.close(reading)
        self._pipes[pid] = writing
        return pid

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
