"""Where to raise an exception so that the clean-up around it runs.

Python interrupts a program between instructions that its tables of handlers leave out: at the jump that ends a turn of
a loop, from Python 3.12 on, and between a call and the `try` that follows it.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container
    from types import FrameType

    from .bytecode import Flow
    from .loops import Loop

# In between nothing may run that is not the interpreter's own.
_SIMPLE = (
    "JUMP_", "NOP", "RESUME", "POP_TOP", "POP_EXCEPT", "POP_ITER", "END_FOR", "NOT_TAKEN", "EXTENDED_ARG", "PUSH_NULL",
    "STORE_FAST", "STORE_GLOBAL", "STORE_DEREF", "LOAD_FAST", "LOAD_CONST", "LOAD_SMALL_INT", "COPY", "SWAP",
)  # fmt: skip
_STEPS_MAX = 8
# A `with` that is about to begin, or has begun to clean up.
_IN_BETWEEN = ("__enter__", "__exit__")


def covered_from(flow: Flow, at: int, wanted: Container[int | None]) -> int | None:
    """The first place from that one on whose exceptions are handled at one of these places; None if none is near."""
    place: int | None = at
    for _ in range(_STEPS_MAX):
        if place is None or flow.handlers[place] in wanted:
            return place
        one = flow.instructions[place]
        if not one.opname.startswith(_SIMPLE):
            return None
        target = flow.targets[place]
        place = target if target is not None else place + 1
        if place >= len(flow.instructions):
            return None
    return None


def in_turn(flow: Flow, loop: Loop, at: int) -> int:
    """The place, from that one near the loop's head on, from which the clean-up around the loop is reached."""
    around = {flow.handlers[place] for place in loop.body if flow.handlers[place] not in loop.body} - {None}
    place = covered_from(flow, at, around) if around else at
    return at if place is None else place


def better_place(frame: FrameType, caller: FrameType | None) -> tuple[FrameType, int] | None:
    """A frame and the offset in it at which an exception does less harm than where it was interrupted; None if none.

    Args:
        frame: the innermost one.
        caller: of the outermost frame to look at.
    """
    entering = None
    at: FrameType | None = frame
    while at is not None and at.f_back is not caller:
        if at.f_code.co_name in _IN_BETWEEN:
            entering = at.f_back
        at = at.f_back
    if entering is None:
        return _covered_after(frame)
    from .bytecode import Flow

    flow = Flow(entering.f_code)
    place = flow.at(entering.f_lasti) + 1
    return (entering, flow.offsets[place]) if place < len(flow.offsets) else None


def _covered_after(frame: FrameType) -> tuple[FrameType, int] | None:
    """The place, near after the one that was interrupted, from which on exceptions are handled.

    None where they are handled at that place already, or nowhere near.
    """
    if sys.version_info < (3, 11) or not frame.f_code.co_exceptiontable:
        return None  # 3.10 keeps its handlers on a stack, and is not interrupted in between
    from .bytecode import Flow

    flow = Flow(frame.f_code)
    at = flow.at(frame.f_lasti)
    if flow.handlers[at] is not None:
        return None
    name = flow.instructions[at].opname
    if name.startswith(("RETURN_", "YIELD_", "SEND", "RERAISE")):
        return None
    following = flow.targets[at] if name.startswith("JUMP_") else at + 1
    if following is None or following >= len(flow.instructions):
        return None
    place = covered_from(flow, following, [one for one in flow.handlers if one is not None])
    return None if place is None else (frame, flow.offsets[place])
