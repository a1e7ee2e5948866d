"""A runtime process's ties to its supervisor: it waits until it is told to go, and dies with it."""

from __future__ import annotations

import os
from fcntl import F_GETFL, F_SETFL, F_SETOWN, fcntl

_F_SETSIG = 10  # not in the fcntl module before Python 3.13
_SIGKILL = 9


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
            from .processes import adopt_orphans

            adopt_orphans(False)


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
