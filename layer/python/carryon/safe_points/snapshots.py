"""Look at a frame's local variables, and leave nothing behind that keeps their values alive.

Until Python 3.12 a frame that was asked for its locals keeps a dict of them until it ends, where they outlive a `del`.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import CodeType, FrameType
    from typing import Any

_KEEPS = sys.version_info < (3, 13)
# Of co_flags: the locals are not in a dict of their own, as a module's and a class's are.
_OPTIMIZED = 1


def read(frame: FrameType) -> Mapping[str, Any]:
    """The local variables by their names, as they are now."""
    names = frame.f_locals
    if not (_KEEPS and frame.f_code.co_flags & _OPTIMIZED):
        return names
    values = dict(names)
    del names
    if sys.gettrace() is None and not _is_traced(frame):
        forget(frame)
    return values


def forget(frame: FrameType) -> None:
    """Empty what a frame keeps, unless the function has it too, from `locals()`.

    No trace function may run for the frame now: behind it the interpreter sets the variables to what is kept.
    """
    if not (_KEEPS and frame.f_code.co_flags & _OPTIMIZED) or sys.getprofile() is not None:
        return
    names = frame.f_locals
    if sys.getrefcount(names) > _KEPT_BY_FRAME:
        return
    code = frame.f_code
    for name in (*code.co_varnames, *code.co_cellvars, *code.co_freevars):
        names.pop(name, None)


def _is_traced(frame: FrameType) -> bool:
    """Whether a trace function of ours is called for a frame at this moment."""
    inner = sys._getframe(1)
    while inner.f_back is not None and inner.f_back is not frame:
        inner = inner.f_back
    return inner.f_code in TRACERS


# The code of those trace functions.
TRACERS: set[CodeType] = set()


def _kept_by_frame() -> int:
    names = sys._getframe().f_locals
    return sys.getrefcount(names)


# Where nothing is kept, what a frame gives out as its locals refers to the frame: a cycle, with all its callers.
_KEPT_BY_FRAME = _kept_by_frame() if _KEEPS else 0
