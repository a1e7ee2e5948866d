"""Follow code that is running, until it comes to one of some places.

From Python 3.12 on by events of sys.monitoring that are local to the code objects, which no debugger or coverage tool
notices; before that by a trace function, and only where nobody else has one.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import CodeType, FrameType
    from typing import Any

    # Called with a frame of this thread and the offset of the instruction that it is about to execute; may raise.
    Reached = Callable[[FrameType, int], None]
    # Whatever has a code object as `code`, and the offsets in it that matter.
    Places = list[tuple[Any, set[int]]]

_monitoring: Any = getattr(sys, "monitoring", None)
Watched = namedtuple("Watched", "code")

_TOOLS = (3, 4)
# Measured, a step of a trace function.
_STEP_S = 0.5e-6
_NAME = "carryon"


def start(reached: Reached, steps_max: int = 1 << 60) -> Monitoring | Tracing | None:
    """What can follow code here; None where nothing can.

    Args:
        steps_max: a trace function, which slows all of the program down, gives up after that many.
    """
    if _monitoring is not None:
        tool = next((one for one in _TOOLS if _monitoring.get_tool(one) is None), None)
        return None if tool is None else Monitoring(tool, reached)
    return None if sys.gettrace() is not None else Tracing(reached, steps_max)


# Neither keeps a code object: whoever counts references to them must find none of ours.


class Monitoring:
    """By sys.monitoring, which asks about each instruction once and about those that matter each time."""

    has_given_up = False
    taken_s = 0.0

    def __init__(self, tool: int, reached: Reached) -> None:
        self._tool = tool
        self._reached = reached
        self._thread = get_ident()
        self._watched: Places = []
        self._offsets: dict[int, set[int]] = {}
        self._event = _monitoring.events.INSTRUCTION
        _monitoring.use_tool_id(tool, _NAME)
        _monitoring.register_callback(tool, self._event, self._on_instruction)

    def watch(self, places: Places, frames: Iterable[FrameType]) -> None:  # noqa: ARG002  # as in Tracing
        """Call back at these offsets from now on, and at no others.

        Args:
            frames: those on the stack.
        """
        for own, _ in self._watched:
            _monitoring.set_local_events(self._tool, own.code, 0)
        self._watched = places
        self._offsets = {id(own.code): offsets for own, offsets in places}
        for own, _ in places:
            _monitoring.set_local_events(self._tool, own.code, self._event)

    def stop(self) -> None:
        """Leave no trace."""
        self.watch([], ())
        _monitoring.register_callback(self._tool, self._event, None)
        _monitoring.free_tool_id(self._tool)

    def _on_instruction(self, code: CodeType, offset: int) -> Any:
        if offset not in self._offsets.get(id(code), ()):
            return _monitoring.DISABLE
        del code
        if get_ident() == self._thread:
            self._reached(sys._getframe(1), offset)
        return None


class Tracing:
    """By a trace function of this thread."""

    def __init__(self, reached: Reached, steps_max: int) -> None:
        self._reached = reached
        self._offsets: dict[int, set[int]] = {}
        self._steps = 0
        self._steps_max = steps_max
        self.has_given_up = False

    @property
    def taken_s(self) -> float:
        """About how much time the steps have taken in which nothing was reached."""
        return self._steps * _STEP_S

    def watch(self, places: Places, frames: Iterable[FrameType]) -> None:
        """Call back at these offsets from now on, in the frames on the stack and in others to come."""
        self._offsets = {id(own.code): offsets for own, offsets in places}
        for frame in frames:
            if id(frame.f_code) in self._offsets:
                self._follow(frame)
        sys.settrace(self._on_call)

    def stop(self) -> None:
        """Leave no trace."""
        sys.settrace(None)
        self._offsets = {}
        frame: FrameType | None = sys._getframe()
        while frame is not None:
            if frame.f_trace == self._on_event:
                frame.f_trace = None
                frame.f_trace_lines = True
                frame.f_trace_opcodes = False
            frame = frame.f_back

    def _gives_up(self) -> bool:
        self._steps += 1
        if self._steps > self._steps_max:
            self.has_given_up = True
            self.stop()
        return self.has_given_up

    def _follow(self, frame: FrameType) -> None:
        frame.f_trace = self._on_event
        frame.f_trace_lines = False
        frame.f_trace_opcodes = True

    def _on_call(self, frame: FrameType, event: str, _: Any) -> Any:
        if self._gives_up():
            return None
        if event == "call" and id(frame.f_code) in self._offsets:
            self._follow(frame)
            return self._on_event
        return None

    def _on_event(self, frame: FrameType, event: str, _: Any) -> Any:
        if not self._gives_up() and event == "opcode" and frame.f_lasti in self._offsets.get(id(frame.f_code), ()):
            self._reached(frame, frame.f_lasti)
        return self._on_event
