"""What else may write the state than the stack that is looked at: other threads, and what is suspended."""

from __future__ import annotations

import sys
from _thread import get_ident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

    from .state_writers import Program


def stack(frame: FrameType | None, caller: FrameType | None = None) -> list[FrameType]:
    """The frames from the one that was called by `caller`, or the outermost, down to that one."""
    frames = []
    while frame is not None and frame is not caller:
        frames.append(frame)
        frame = frame.f_back
    frames.reverse()
    return frames


def nobody_else_writes(program: Program, frames: list[FrameType]) -> bool:
    """Whether no writer runs in another thread, none is suspended, and none can be called without its name."""
    others = []
    threads = sys._current_frames()
    # This very frame, which would keep itself and all that called it.
    del threads[get_ident()]
    for frame in threads.values():
        others.extend(stack(frame))
    if any(program.writes(frame.f_code) for frame in others):
        return False
    return not (program.calls_are_hidden or program.may_be_suspended([*frames, *others]))
