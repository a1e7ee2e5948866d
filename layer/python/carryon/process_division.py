"""Divide the process in two where the runtime is about to load the handler: the parent becomes the supervisor.

All that the runtime has imported by then is in the supervisor as well, at no cost, and whoever it forks later to take a
runtime's place has nothing left to import but the handler.
"""

from __future__ import annotations

import _signal
import os
import sys
import time
from functools import partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from .shared.board import Board
    from .shared.delivery import Order
    from .shared.settings import Settings
    from .shared.standby import Standby
    from .supervisor.supervisor import Supervisor

    # Called when the handler is about to be loaded; returns the board, what a process that is to take another's place
    # has to wait for, and why there is no board where there should be one. Returns in each runtime process.
    Divide = Callable[[], tuple[Board | None, Standby | None, str]]

_CHILD_FIRST_S = 0.05
_LOAD_AGAIN_S = (0.05, 0.2)
# The variable by which it is seen whether the environment at the start is still told.
_SURE = b"AWS_LAMBDA_RUNTIME_API"


def plan(settings: Settings, facts: str | None, command: list[str], launcher: str) -> Divide:
    """How this process comes to have a supervisor.

    Args:
        facts: what a supervisor that is a program of its own has said, None where there is none yet.
        command: what launch.py has got.
        launcher: path of launch.py.
    """
    if "AWS_LAMBDA_MAX_CONCURRENCY" in os.environ:
        # The runtime forks workers of its own, which one board cannot serve.
        return lambda: (None, None, "")
    if facts is not None:
        from . import separate_programs

        attached = separate_programs.attach(facts)
        return lambda: attached
    words = list(sys.orig_argv)
    start_anew = partial(_start_anew, command, launcher, words, list(sys.path))
    if _has_threads():
        reason = start_anew()
        return lambda: (None, None, reason)
    return partial(_divide, settings, list(sys.path), start_anew)


def _start_anew(command: list[str], launcher: str, words: list[str], path: list[str]) -> str:
    """Exec a supervisor that starts the command; returns why it could not."""
    try:
        from . import separate_programs

        separate_programs.become_supervisor(command, launcher, words, path)
    except Exception as error:
        return f"threads have started before the handler is loaded, and the supervisor could not: {error!r}"


def _has_threads() -> bool:
    try:
        return len(os.listdir("/proc/self/task")) > 1
    except OSError:
        return False


def _divide(
    settings: Settings, path: list[str], start_anew: Callable[[], str]
) -> tuple[Board | None, Standby | None, str]:
    if _has_threads():
        return None, None, start_anew()
    # What is buffered would be written by each of them.
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass  # the function's to hear of, when it writes
    # From here on a signal to the supervisor waits until the supervisor can deal with it.
    mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
    pipe: tuple[int, ...] = ()
    try:
        # Before the fork: after it each page that an import touches is copied.
        from .shared import stack_dumps  # noqa: F401
        from .shared.board import Board
        from .shared.standby import die_with_supervisor

        board = Board()
        alive, alive_in_supervisor = pipe = os.pipe()
        child = os.fork()
    except Exception as error:
        for end in pipe:
            os.close(end)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)
        return None, None, f"the supervisor could not be started: {error}"
    standby = None
    if child:
        os.close(alive)
        # What the supervisor and the courier import is the interpreter's, and nothing of the function's.
        path, sys.path[:] = list(sys.path), path
        standby = supervise(board, settings, child, alive_in_supervisor)
        sys.path[:] = path
    _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)
    if standby is None:
        os.close(alive_in_supervisor)
        die_with_supervisor(alive)
    return board, standby, ""


def supervise(
    board: Board, settings: Settings, child: int, pipe: int, start: Callable[[int, int], NoReturn] | None = None
) -> Standby:
    """Be the supervisor; whatever goes wrong in it, this process lives and ends with the child.

    Returns only in a process that was forked from it to be a runtime; never where that is to be a program of its own.

    Args:
        child: process id of the runtime.
        pipe: writing end of the pipe by which that process notices the supervisor's end.
        start: as `Runtimes` takes it.
    """
    from .shared.standby import StartRuntime

    supervisor = None
    status = 1
    try:
        from .shared.processes import adopt_orphans

        # Before the child can have any.
        adopt_orphans()
        # Every import here takes time from the function's start where both have one core; signals wait meanwhile.
        time.sleep(_CHILD_FIRST_S)
        supervisor = _load_supervisor()(board, settings, child, pipe, _run_courier, start)
        status = supervisor.run()
    except StartRuntime as begin:
        return begin.standby
    except Exception as error:
        sys.stderr.write(f"carryon: no supervisor any longer: {error!r}\n")
        status = os.waitstatus_to_exitcode(os.waitpid(supervisor.child if supervisor else child, 0)[1])
    os._exit(status if status >= 0 else 128 - status)


def _run_courier(board: Board, settings: Settings, orders_before: int) -> None:
    from .courier.process import run

    run(board, settings, orders_before)


def do_here(settings: Settings, order: Order, raw: bytes) -> tuple[int, str, bytes]:
    """Do a courier's job in a process that has no supervisor."""
    from .courier.process import do_here

    return do_here(settings, order, raw)


def _load_supervisor() -> type[Supervisor]:
    """The supervisor's class; memory or descriptors that are short now may not be a moment later."""
    for wait_s in _LOAD_AGAIN_S:
        try:
            from .supervisor.supervisor import Supervisor

            return Supervisor
        except (OSError, MemoryError):
            time.sleep(wait_s)
    from .supervisor.supervisor import Supervisor

    return Supervisor


def environment_at_start() -> dict[bytes, bytes]:
    """What this process was started with: whoever starts with the interpreter may have removed what had started it."""
    try:
        with open("/proc/self/environ", "rb") as file:
            block = file.read()
    except OSError:
        block = b""
    environment = {name: value for name, equals, value in (one.partition(b"=") for one in block.split(b"\0")) if equals}
    # A process may have written its title there.
    is_told = environment.get(_SURE) == os.environb.get(_SURE)
    return environment if environment and is_told else dict(os.environb)
