"""Carry On: a function that runs out of time is told so, cleans up, and carries on in a new invocation.

A handler needs nothing of this module. What is here is for code that wants to know: `TimeIsUp` is raised in the
handler a margin before the deadline, and `complete()` says that the work is done after all. Both are harmless
where the layer is not attached.
"""

from __future__ import annotations

__version__ = "0.1.0"
__all__ = ["TimeIsUp", "TimeIsUpTimeoutError", "complete"]

_completed = False


class TimeIsUp(BaseException):
    """Raised in the handler when its time is up, `CARRYON_MARGIN` before the deadline.

    Derives from BaseException because libraries take an Exception for a failure of their own: botocore retried a
    request for 13 s after a TimeoutError raised in it.
    """


class TimeIsUpTimeoutError(TimeIsUp, TimeoutError):
    """What is raised with `CARRYON_RAISE=TimeoutError`, for code that already catches TimeoutError."""


class TimeIsUpInEventLoop(TimeIsUp, KeyboardInterrupt):
    """What is raised while asyncio runs the code.

    An event loop keeps to itself what a task or a callback raises, unless it is a KeyboardInterrupt; this one ends
    `asyncio.run`, which cancels all tasks and lets them clean up.
    """


class TimeIsUpTimeoutErrorInEventLoop(TimeIsUpTimeoutError, KeyboardInterrupt):
    """The same with `CARRYON_RAISE=TimeoutError`."""


def complete() -> None:
    """Say that this invocation's work is done: no continuation follows, even if time runs out before the return."""
    global _completed
    _completed = True
