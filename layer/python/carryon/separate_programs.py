"""Where threads have started before the handler is loaded: supervisor and runtime as programs of their own.

A fork has none of them: the parent would keep them, without a use for them, and signals meant for the supervisor would
go to them; the child would miss them. So this process becomes the supervisor by an exec, without what starts with the
interpreter, and starts the platform's command anew for each runtime process.
"""

from __future__ import annotations

import _signal
import json
import os
import posix
import sys

from . import process_division
from . import startup as commands
from .shared.board import Board
from .shared.processes import adopt_orphans
from .shared.settings import parse
from .shared.standby import Standby, die_with_supervisor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_NOT_STARTED = 127


def become_supervisor(command: list[str], launcher: str, words: list[str], path: list[str]) -> NoReturn:
    """Replace this process by a supervisor that runs `command`, which is what launch.py has got.

    Args:
        words: sys.orig_argv as this process was started.
        path: sys.path of the interpreter's own, for the courier.

    Raises:
        OSError: that is refused.
    """
    at = next(at for at, word in enumerate(words) if os.path.abspath(word) == launcher)
    bytecode = sys.dont_write_bytecode, sys.pycache_prefix
    plan = json.dumps([sys.executable, [*words[:at], launcher], command, path, bytecode])
    # Nothing of the function's or of a library's starts in it; but an interpreter may not be found without its home.
    isolated = "-s" if os.environ.get("PYTHONHOME") else "-I"
    arguments = [words[0], isolated, "-S", launcher, commands.SUPERVISE, plan]
    # Not os.execve: a debugger that starts with the interpreter has put another in its place.
    posix.execve(sys.executable, arguments, process_division.environment_at_start())


def supervise(plan: str) -> NoReturn:
    """Be the supervisor that `become_supervisor` has planned."""
    # The courier imports by these.
    executable, started, command, sys.path[:], (sys.dont_write_bytecode, sys.pycache_prefix) = json.loads(plan)
    settings = parse(os.environ)
    mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())

    def start(facts: str) -> NoReturn:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, mask)
        os.execv(executable, [*started, commands.RUNTIME, facts, *command])

    try:
        descriptor = os.memfd_create("board")
        board = Board(descriptor)
        alive, alive_here = os.pipe()
        child = os.fork()
    except Exception as error:
        start(f"the supervisor could not be started: {error}")

    def start_beside(alive: int, go: int = -1) -> NoReturn:
        """In a forked process."""
        try:
            if go >= 0:
                # A daemon that starts with its interpreter is none of the function's that is still running.
                adopt_orphans()
            inherited = descriptor, board.stacks, alive, go
            for one in inherited:
                if one >= 0:
                    os.set_inheritable(one, True)
            start(",".join(map(str, inherited)))
        finally:
            os._exit(_NOT_STARTED)

    if not child:
        start_beside(alive)
    os.close(alive)
    process_division.supervise(board, settings, child, alive_here, start_beside)
    raise AssertionError


def attach(facts: str) -> tuple[Board | None, Standby | None, str]:
    """In a runtime process: what `process_division.plan` is to return, from the word that the supervisor has given."""
    try:
        descriptor, stacks, alive, go = map(int, facts.split(","))
    except ValueError:
        return None, None, facts
    standby = Standby(go, alive, is_program=True) if go >= 0 else None
    try:
        for one in (stacks, alive, go):
            if one >= 0:
                os.set_inheritable(one, False)
        if standby is None:
            die_with_supervisor(alive)
        board = Board(descriptor, stacks)
        os.close(descriptor)
    except Exception as error:
        # What starts with the interpreter may have closed them.
        return None, standby, f"the supervisor's memory could not be shared: {error}"
    return board, standby, ""
