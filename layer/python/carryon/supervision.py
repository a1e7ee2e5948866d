"""Divide the process in two where the runtime is about to load the handler: the parent becomes the supervisor.

All that the runtime has imported by then is in the supervisor as well, at no cost, and whoever it forks later to take a
runtime's place has nothing left to import but the handler.
"""

from __future__ import annotations

import _signal
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .board import Board
    from .settings import Settings
    from .supervisor import Supervisor

_CHILD_FIRST_S = 0.05
_LOAD_AGAIN_S = (0.05, 0.2)


def start(settings: Settings, path: list[str]) -> tuple[Board | None, bool, str]:
    """Fork: the parent becomes the supervisor; the child gets the board.

    Returns in the child, and later in each process that the supervisor forks to take the child's place; True says that
    it is such a one. Where the fork is refused there is no board, and the reason is returned: the runtime then runs
    without a supervisor.

    Args:
        path: sys.path as it was before the runtime's command could put the function's and its layers' folders on it.
    """
    if len(os.listdir("/proc/self/task")) > 1:
        # The supervisor would have them, and the runtime would not.
        return None, False, "threads were running before the handler was loaded"
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
        from .board import Board
        from .runtimes import die_with_supervisor

        board = Board()
        alive, alive_in_supervisor = pipe = os.pipe()
        child = os.fork()
    except Exception as error:
        for end in pipe:
            os.close(end)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)
        return None, False, f"the supervisor could not be started: {error}"
    if child:
        os.close(alive)
        # What the supervisor and the courier import is the interpreter's, and nothing of the function's.
        path, sys.path[:] = list(sys.path), path
        alive = _supervise(board, settings, child, alive_in_supervisor)
        sys.path[:] = path
    else:
        os.close(alive_in_supervisor)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)
    die_with_supervisor(alive)
    board.keep_from_children()
    return board, bool(child), ""


def _supervise(board: Board, settings: Settings, child: int, pipe: int) -> int:
    """Be the supervisor; whatever goes wrong in it, this process lives and ends with the child.

    Returns only in a process that was forked from it to be a runtime, with that one's pipe.
    """
    from .runtimes import StartRuntime

    supervisor = None
    status = 1
    try:
        from .processes import adopt_orphans

        # Before the child can have any.
        adopt_orphans()
        # Every import here takes time from the function's start where both have one core; signals wait meanwhile.
        time.sleep(_CHILD_FIRST_S)
        supervisor = _load_supervisor()(board, settings, child, pipe)
        status = supervisor.run()
    except StartRuntime as start:
        return start.pipe
    except Exception as error:
        sys.stderr.write(f"carryon: no supervisor any longer: {error!r}\n")
        status = os.waitstatus_to_exitcode(os.waitpid(supervisor.child if supervisor else child, 0)[1])
    os._exit(status if status >= 0 else 128 - status)


def _load_supervisor() -> type[Supervisor]:
    """The supervisor's class; memory or descriptors that are short now may not be a moment later."""
    for wait_s in _LOAD_AGAIN_S:
        try:
            from .supervisor import Supervisor

            return Supervisor
        except (OSError, MemoryError):
            time.sleep(wait_s)
    from .supervisor import Supervisor

    return Supervisor
