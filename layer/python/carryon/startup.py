"""Run the runtime's command in this process, as the interpreter would have run it, with the shim put in on the way."""

from __future__ import annotations

import os
import sys

from . import process_division
from .runtime import import_hook
from .shared.settings import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, NoReturn

# In place of the interpreter's name: the options that come with it are set, and this is the second start.
_OPTIONS_SET = ""
# In place of it too, in what separate_programs.py starts: the supervisor with its plan, and a runtime beside it.
SUPERVISE = ":supervise"
RUNTIME = ":runtime"
_LAYER = os.path.dirname(__file__) + "/"


def run(command: list[str], launcher: str, script_folder_on_path: bool) -> None:
    """Run `command`, which starts with the interpreter this process is already running.

    Args:
        command: the command as the wrapper got it: interpreter, options, script or `-m module`, arguments.
        launcher: path of launch.py, to start again where the interpreter has to get options first.
        script_folder_on_path: whether the interpreter put the launcher's folder on sys.path.
    """
    if command[0] == SUPERVISE:
        from . import separate_programs

        separate_programs.supervise(command[1])
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
    whole = [_OPTIONS_SET, *command] if options_set else command
    import_hook.install_on_import(
        settings, process_division.plan(settings, facts, list(whole), launcher), process_division.do_here
    )

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
        if not trace.tb_frame.f_code.co_filename.startswith(_LAYER):
            kept.append(trace)
        trace = trace.tb_next
    rest = None
    for entry in reversed(kept):
        rest = type(entry)(rest, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return rest
