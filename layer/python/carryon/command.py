"""Run the runtime's command in this process, as the interpreter would have run it, with a supervisor as parent."""

from __future__ import annotations

import _signal
import os
import sys
import time

from . import hook
from .settings import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, NoReturn

    from .board import Board
    from .settings import Settings
    from .standby import Standby
    from .supervisor import Supervisor

# In place of the interpreter's name: the options that come with it are set, and this is the second start.
_OPTIONS_SET = ""
# In place of it too, in programs that apart.py starts: the supervisor with its plan, and a runtime beside it.
SUPERVISE = ":supervise"
RUNTIME = ":runtime"
_CHILD_FIRST_S = 0.05
_LOAD_AGAIN_S = (0.05, 0.2)


def run(command: list[str], launcher: str, script_folder_on_path: bool) -> None:
    """Run `command`, which starts with the interpreter this process is already running.

    Args:
        command: the command as the wrapper got it: interpreter, options, script or `-m module`, arguments.
        launcher: path of launch.py, to start again where the interpreter has to get options first.
        script_folder_on_path: whether the interpreter put the launcher's folder on sys.path.
    """
    if command[0] == SUPERVISE:
        from . import apart

        apart.supervise(command[1])
    facts = None
    if command[0] == RUNTIME:
        facts = command[1]
        del command[:2]
    options_set = command[0] == _OPTIONS_SET
    if options_set:
        del command[0]
    options, target = _split(command)
    if not target or target[0].startswith("-") and target[0] != "-m" or target[:1] == ["-m"] and len(target) < 2:
        os.execv(command[0], command)
    if options and not options_set:
        os.execv(command[0], [command[0], *options, launcher, _OPTIONS_SET, *command])

    settings = parse(os.environ)
    board, standby, reason = _share(facts, command, launcher, options_set, settings)
    hook.install_on_import(settings, board, standby, reason)

    sys.orig_argv[:] = command
    _reset_main(script_folder_on_path, target)
    try:
        if target[0] == "-m":
            _run_module(target)
        else:
            _run_script(target)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        _die_of(error)


def _split(command: list[str]) -> tuple[list[str], list[str]]:
    """Split a command, as the interpreter does, into its options and what it runs: a script, or -m and a module.

    Nothing to run is what is not understood here: -c, an interactive start.
    """
    options: list[str] = []
    rest = command[1:]
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word.startswith("--"):
            takes_next = word == "--check-hash-based-pycs"
        else:
            # Of a word like -Bum, the first of these letters takes what follows, or the next word.
            at = next((at for at, letter in enumerate(word) if letter in "WXcm"), len(word))
            if word[at : at + 1] == "c":
                return options, []
            if word[at : at + 1] == "m":
                options += [word[:at]] if at > 1 else []
                return options, ["-m", *filter(None, [word[at + 1 :]]), *rest]
            takes_next = at == len(word) - 1
        options += [word, *rest[:takes_next]]
        del rest[:takes_next]
    return options, rest


def _share(
    facts: str | None, command: list[str], launcher: str, options_set: bool, settings: Settings
) -> tuple[Board | None, Standby | None, str]:
    """Have a supervisor, and what is shared with it, as `_start_supervisor`."""
    if "AWS_LAMBDA_MAX_CONCURRENCY" in os.environ:
        return None, None, ""  # the runtime forks workers of its own, which one board cannot serve
    if facts is None and not _has_threads():
        return _start_supervisor(settings)
    try:
        from . import apart

        if facts is not None:
            return apart.attach(facts)
        apart.become_supervisor([_OPTIONS_SET, *command] if options_set else command, launcher)
    except Exception as error:
        return None, None, f"threads have started with the interpreter, and the supervisor could not: {error!r}"


def _has_threads() -> bool:
    try:
        return len(os.listdir("/proc/self/task")) > 1
    except OSError:
        return False


def _start_supervisor(settings: Settings) -> tuple[Board | None, Standby | None, str]:
    """Fork: the parent becomes the supervisor; the child gets the board.

    Returns in the child, and later in each process that the supervisor forks to take the child's place; that one gets
    what it has to wait for as well. Where the fork is refused there is no board, and the reason is returned: the
    runtime then runs without a supervisor.
    """
    # From here on a signal to the supervisor waits until the supervisor can deal with it.
    mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
    pipe: tuple[int, ...] = ()
    try:
        from .board import Board
        from .standby import die_with_supervisor

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
        standby = supervise(board, settings, child, alive_in_supervisor)
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
    from .standby import StartRuntime

    supervisor = None
    status = 1
    try:
        from .processes import adopt_orphans

        # Before the child can have any.
        adopt_orphans()
        # Every import here takes time from the function's start where both have one core; signals wait meanwhile.
        time.sleep(_CHILD_FIRST_S)
        supervisor = _load_supervisor()(board, settings, child, pipe, start)
        status = supervisor.run()
    except StartRuntime as start:
        return start.standby
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


def _reset_main(script_folder_on_path: bool, target: list[str]) -> None:
    """Make `__main__` and sys.path what they are when the interpreter starts with this target."""
    import _frozen_importlib as importlib_bootstrap
    import builtins

    names = vars(sys.modules["__main__"])
    annotations: dict[str, Any] = {"__annotations__": {}} if "__annotations__" in names else {}
    names.clear()
    names.update(
        __name__="__main__",
        __doc__=None,
        __package__=None,
        __loader__=importlib_bootstrap.BuiltinImporter,
        __spec__=None,
        **annotations,
        __builtins__=builtins,
    )
    if script_folder_on_path:
        sys.path.insert(0, os.getcwd() if target[0] == "-m" else os.path.dirname(os.path.realpath(target[0])))


def _run_module(target: list[str]) -> None:
    # The interpreter itself runs `-m` by this function.
    import runpy

    sys.argv[:] = ["-m", *target[2:]]
    runpy._run_module_as_main(target[1])  # type: ignore[attr-defined]


def _run_script(target: list[str]) -> None:
    from importlib.machinery import SourceFileLoader

    path = os.path.abspath(target[0])
    sys.argv[:] = target
    names: dict[str, Any] = vars(sys.modules["__main__"])
    loader = SourceFileLoader("__main__", path)
    names.update(__file__=path, __cached__=None, __loader__=loader)
    with open(path, "rb") as file:
        source = file.read()
    exec(compile(source, path, "exec", dont_inherit=True), names)


def _die_of(error: BaseException) -> NoReturn:
    """End as the interpreter ends on an uncaught exception, without our frames in its traceback."""
    shown: list[BaseException] = []
    linked: BaseException | None = error
    while linked is not None and linked not in shown:
        linked.__traceback__ = _without_ours(linked.__traceback__)
        shown.append(linked)
        linked = linked.__cause__ or linked.__context__
    sys.excepthook(type(error), error, error.__traceback__)
    sys.exit(1)


def _without_ours(trace: TracebackType | None) -> TracebackType | None:
    kept = []
    while trace is not None:
        if os.path.dirname(trace.tb_frame.f_code.co_filename) != os.path.dirname(__file__):
            kept.append(trace)
        trace = trace.tb_next
    rest = None
    for entry in reversed(kept):
        rest = type(entry)(rest, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return rest
