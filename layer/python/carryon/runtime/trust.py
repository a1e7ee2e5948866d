"""Whether a process that was interrupted may serve on: only where nothing was torn."""

from __future__ import annotations

from carryon.shared import margins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

    from .bootstrap import Shim

SAFE, KEEP, FRESH = "safe", "keep", "fresh"
KEPT, REPLACED = "kept", "replaced"

# Why. Kept: the exception came between two turns of a loop of the function's own, and left nothing out that matters;
# there is nobody to replace the process; the setting says so (as for one that is replaced).
BOUNDARY, NO_SUPERVISOR, SETTING = "boundary", "no_supervisor", "setting"
# Replaced: the exception came in the middle of something, a library or C code it may be; it left something out that
# others may miss; it came in an import; the handler has swallowed it, or raised another; something is still at work;
# there was no time to look at the program.
INTERRUPTED, LEFT_OUT, IMPORTING = "interrupted", "left_out", "importing"
SWALLOWED, ANOTHER_ERROR, LEFT_RUNNING, NOT_LOOKED_AT = "swallowed", "another_error", "left_running", "not_looked_at"

_IMPORTS = ("<frozen importlib", "<frozen zipimport")
_IMPORT_MODULE = "/importlib/__init__.py"
# Measured on a full core: looking at a program for a place, with the imports that this needs.
_COSTS_MS = 10
# Of the time that the search has.
_SHARE = 0.5


def can_look(environ: Mapping[str, str], within_ms: float) -> bool:
    """Whether this function's share of a CPU lets a search come to something in so many ms."""
    return _COSTS_MS * margins.slowness(environ) <= within_ms * _SHARE


def is_importing(frames: list[FrameType]) -> bool:
    """Whether one of these frames is an import, or the top-level code of a module."""
    for frame in frames:
        code = frame.f_code
        file = code.co_filename
        if file.startswith(_IMPORTS) or file.endswith(_IMPORT_MODULE):
            return True
        if code.co_name == "<module>" and not file.startswith("<"):
            return True
    return False


def verdict(shim: Shim, failure: BaseException | None, is_at_work: bool) -> tuple[str, str]:
    """What becomes of the process at the end of a handler whose time was up, and why.

    Args:
        failure: what the handler has raised, None where it has returned.
        is_at_work: something that it has started goes on.
    """
    if shim.board is None:
        return KEPT, NO_SUPERVISOR
    if is_at_work:
        return REPLACED, LEFT_RUNNING
    if shim.settings.process != SAFE:
        return KEPT if shim.settings.process == KEEP else REPLACED, SETTING
    fired = shim.watchdog.fired
    if failure is None or fired is None or failure is not fired():
        return REPLACED, SWALLOWED if failure is None else ANOTHER_ERROR
    # Where it is not known, looking has failed.
    stopped_how = shim.found.stopped_how
    return (KEPT if stopped_how == BOUNDARY else REPLACED), stopped_how or NOT_LOOKED_AT
