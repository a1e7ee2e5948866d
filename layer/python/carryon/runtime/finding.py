"""Where the alarm of an invocation has found the function, and what is known of what it does to it there."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType

    from .watchdog import Watchdog

_STACK_MAX = 64


class Finding:
    """One process's, taken anew for each invocation.

    `state_known` is what is known of the state that travels, one of left_progress.py's words; None where none does.
    `stopped_how` is how the exception stops the function, one of trust.py's words; empty where nobody has looked.
    `own_alarm_in_s` is in how many seconds after the alarm one of the function's own would have come, None where it has
    none; `own_alarm_file` is the file of its handler.

    `was_swallowed` says that the exception was raised before, where nobody could see it; that stays known until one was
    seen.

    Args:
        state_unknown: what is known of the state where that could not be found out.
    """

    def __init__(self, state_unknown: str | None) -> None:
        self._state_unknown = state_unknown
        self.own_alarm_file = ""
        self.was_swallowed = False
        self.begin()

    def begin(self) -> None:
        """Know nothing."""
        self.state_known = self._state_unknown
        self.stopped_how = ""
        self.own_alarm_in_s: float | None = None
        self.stack: list[tuple[CodeType, int]] = []

    def note_own_alarm(self, dog: Watchdog) -> None:
        """Look at the timer, before our own wait takes it."""
        self.own_alarm_in_s = dog.other_alarm_in_s()
        self.own_alarm_file = dog.other_handler_file()

    def note_stack(self, frame: FrameType, caller_file: str) -> None:
        """Note where the exception is raised, up to the frame that has called the handler, by its file."""
        at: FrameType | None = frame
        stack: list[tuple[CodeType, int]] = []
        self.stack = stack
        while at is not None and len(stack) < _STACK_MAX and at.f_code.co_filename != caller_file:
            stack.append((at.f_code, at.f_lineno or 0))
            at = at.f_back

    def frames(self) -> list[tuple[str, int, str]]:
        """File, line and function, innermost first."""
        return [(code.co_filename, line, code.co_name) for code, line in self.stack]

    def lines(self) -> list[str]:
        """Lines of a stackTrace."""
        from traceback import FrameSummary, format_list

        return format_list([FrameSummary(*frame) for frame in reversed(self.frames())])

    def lines_without_source(self) -> list[str]:
        """The same where nothing may be opened or imported."""
        return [f'  File "{file}", line {line}, in {name}\n' for file, line, name in reversed(self.frames())]
