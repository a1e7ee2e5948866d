"""Follow code that is running, until it comes to one of some places.

From Python 3.12 on by events of sys.monitoring that are local to the code objects, which no debugger or coverage tool
notices; before that by a trace function, and only where nobody else has one, nor shares a variable with what is traced.
"""

from __future__ import annotations

import sys
from _thread import _count, get_ident
from collections import namedtuple

from carryon import TimeIsUp
from carryon.shared.own_code import WORKERS, is_own, is_worker

from .snapshots import TRACERS, forget

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
# Of co_flags: a generator or coroutine.
SUSPENDS = 0x20 | 0x80 | 0x100 | 0x200
_NAME = "carryon"


def start(reached: Reached, steps_max: int = 1 << 60) -> Monitoring | Tracing | None:
    """What can follow code here; None where nothing can.

    Args:
        steps_max: a trace function, which slows all of the program down, gives up after that many.
    """
    if _monitoring is not None:
        tool = next((one for one in _TOOLS if _monitoring.get_tool(one) is None), None)
        return None if tool is None else Monitoring(tool, reached)
    return Tracing(reached, steps_max) if sys.gettrace() is None and _nobody_shares() else None


def _nobody_shares() -> bool:
    """Whether no other thread can be expected to set a variable of a frame that is traced here.

    Behind a trace function the interpreter sets all variables of the frame to what they were before it, also those that
    a function in another thread has as `nonlocal`.
    """
    threads = sys._current_frames()
    # This very frame, which would keep itself and all that called it.
    del threads[get_ident()]
    if not threads:
        return True
    for innermost in threads.values():
        # An executor's that waits for work: what gives it some is noticed.
        at: FrameType | None = innermost if not is_worker(innermost) else None
        while at is not None:
            code = at.f_code
            if code.co_cellvars or code.co_freevars or _works_for_function(code.co_filename):
                return False
            at = at.f_back
    return True


def _works_for_function(file: str) -> bool:
    return file.endswith(_executors()) or is_own(file)


def _executors() -> tuple[str, ...]:
    """The files of executors; none where there is no thread but this one."""
    return WORKERS if _count() else ()


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
        self._has_ended = False
        self._event = _monitoring.events.INSTRUCTION
        try:
            _monitoring.use_tool_id(tool, _NAME)
            _monitoring.register_callback(tool, self._event, self._on_instruction)
        except Exception:
            _monitoring.free_tool_id(tool)
            raise

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
        """Leave no trace; may be called again."""
        if not self._has_ended and _monitoring.get_tool(self._tool) == _NAME:
            self.watch([], ())
            _monitoring.register_callback(self._tool, self._event, None)
            _monitoring.free_tool_id(self._tool)
        self._has_ended = True

    def _on_instruction(self, code: CodeType, offset: int) -> Any:
        try:
            if offset not in self._offsets.get(id(code), ()):
                return _monitoring.DISABLE
            del code
            if get_ident() == self._thread:
                self._reached(sys._getframe(1), offset)
            return None
        except Exception as error:
            if TimeIsUp in error.__class__.__mro__:
                raise
            return None


class Tracing:
    """By a trace function of this thread."""

    def __init__(self, reached: Reached, steps_max: int) -> None:
        self._reached = reached
        self._offsets: dict[int, set[int]] = {}
        self._steps = 0
        self._steps_max = steps_max
        self._threads = _count()
        self._executors = _executors()
        self._has_ended = False
        # One object, to be known by.
        self._tracer: Any = self._on_call
        self.has_given_up = False

    @property
    def taken_s(self) -> float:
        """About how much time the steps have taken in which nothing was reached."""
        return self._steps * _STEP_S

    def watch(self, places: Places, frames: Iterable[FrameType]) -> None:
        """Call back at these offsets from now on, in the frames on the stack and in others to come."""
        self._offsets = {id(own.code): offsets for own, offsets in places}
        for frame in frames:
            # Whatever traces it already is somebody else's, or ours.
            if id(frame.f_code) in self._offsets and frame.f_trace is None:
                self._follow(frame)
        if sys.gettrace() is None and not self._has_ended:
            sys.settrace(self._tracer)

    def stop(self) -> None:
        """Leave no trace; may be called again."""
        self._has_ended = True
        self._offsets = {}
        if self._tracer is not None and sys.gettrace() is self._tracer:
            sys.settrace(None)
        self._tracer = None
        if sys.gettrace() is not None:
            return
        inner = sys._getframe()
        while (frame := inner.f_back) is not None:
            # The trace function that runs now takes leave of its frame by itself.
            if inner.f_code not in TRACERS:
                if type(frame.f_trace) is _Follower:
                    _unfollow(frame)
                else:
                    forget(frame)
            inner = frame

    def step(self, frame: FrameType, event: str) -> bool:
        """Look at one event of a frame that is followed; whether to go on with that."""
        if self._has_ended or self._gives_up():
            self.stop()
            return False
        offsets = self._offsets.get(id(frame.f_code))
        if offsets is None or event == "return":
            return False
        if event == "opcode" and frame.f_lasti in offsets:
            self._reached(frame, frame.f_lasti)
        return not self._has_ended

    def _gives_up(self) -> bool:
        self._steps += 1
        if self._steps > self._steps_max or _count() != self._threads:
            self.has_given_up = True
        return self.has_given_up

    def _follow(self, frame: FrameType) -> _Follower:
        follower = _Follower(self, frame)
        frame.f_trace_lines = False
        frame.f_trace_opcodes = True
        frame.f_trace = follower
        return follower

    def _on_call(self, frame: FrameType, event: str, _: Any) -> Any:
        try:
            if event != "call":
                return None
            if frame.f_code.co_filename.endswith(self._executors):
                self.has_given_up = True
            if not self._gives_up():
                if id(frame.f_code) in self._offsets:
                    return self._follow(frame)
                if not frame.f_code.co_flags & SUSPENDS:
                    return None
            # At its first line all is forgotten that is kept because of this call.
            return _Follower(self, frame)
        except Exception:
            self.has_given_up = True
            return None


class _Follower:
    """The trace function of one frame.

    Once it has returned another one it is destroyed, which is the first moment at which the frame's variables are not
    set any more to what the frame keeps because of the trace.
    """

    __slots__ = ("_frame", "_tracing", "runs")

    def __init__(self, tracing: Tracing, frame: FrameType) -> None:
        self._tracing = tracing
        # Not the frame itself, which would be a cycle.
        self._frame = id(frame)
        self.runs = False

    def __call__(self, frame: FrameType, event: str, _: Any) -> Any:
        try:
            self.runs = True
            goes_on = self._tracing.step(frame, event)
            self.runs = False
            return self if goes_on else _nothing
        except Exception as error:
            self.runs = False
            if TimeIsUp in error.__class__.__mro__:
                raise
            return _nothing
        except BaseException:
            self.runs = False
            raise

    def __del__(self) -> None:
        try:
            frame = sys._getframe(1)
            if id(frame) == self._frame and not self.runs:
                _unfollow(frame)
        except Exception:
            return


TRACERS.update((Tracing._on_call.__code__, _Follower.__call__.__code__))


def _nothing(*_: Any) -> None:
    """For a frame that is followed no longer."""


def _unfollow(frame: FrameType) -> None:
    frame.f_trace = None
    frame.f_trace_lines = True
    frame.f_trace_opcodes = False
    forget(frame)
