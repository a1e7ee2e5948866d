"""Carry On: a function that runs out of time is told so, cleans up, and carries on in a new invocation.

A handler needs nothing of this module. What is here is for code that wants to know: `TimeIsUp` is raised in the
handler a margin before the deadline; the functions keep how far the work has come, and say when it is done. Where the
layer is not attached they keep it for this process alone, and nothing else.
"""

from __future__ import annotations

__version__ = "0.1.0"
__all__ = [
    "TimeIsUp",
    "TimeIsUpTimeoutError",
    "checkpoint",
    "complete",
    "each",
    "give_back",
    "remaining_ms",
    "restore",
    "shield",
]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager
    from typing import Any, TypeVar

    from .runtime.bootstrap import Shim
    from .runtime.progress import Run

    _Item = TypeVar("_Item")

# Of the invocation that is running; made by the first call of a function below.
_run: Run | None = None
_shim: Shim | None = None


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
    _current_run().complete()


def checkpoint(state: Any) -> None:
    """Keep how far the work has come: the next hop's `restore` returns it, also after this process has died.

    It is kept the moment this returns. A later one replaces it, also in clean-up code. To be called in one thread at
    a time.

    Args:
        state: whatever JSON can say; tuples come back as lists, and keys of objects as strings.

    Raises:
        TypeError: something in the state is not JSON; the one before is kept.
        ValueError: the same for a number (NaN), or more than the 6 MB that Lambda accepts.
    """
    _current_run().checkpoint(state)


def restore(default: Any = None) -> Any:
    """The last checkpoint of this chain of invocations, a copy of its own; `default` where there is none."""
    return _current_run().restore(default)


def each(items: Iterable[_Item]) -> Iterator[_Item]:
    """Iterate over items, beginning with the first that no hop of this chain has finished.

    An item is finished when the next one is asked for. Finished items of lists, ranges and other sequences are left
    out; any other iterable (a generator, pages of a listing) is run again up to where the chain stopped, and what it
    gives is thrown away, so it has to give the same items in the same order. Loops may follow one another and be
    nested, as long as each hop comes to them in the same order.
    """
    return _current_run().each(items)


def give_back(record: Any) -> None:
    """Say that a record of the batch has failed for a reason of its own, and is not finished although `each` goes on.

    With `CARRYON_BATCH=report` it goes back to its source with the rest if time runs out, also where the handler does
    not end. A handler that ends in time names it in the `batchItemFailures` that it returns, as without the layer.

    Args:
        record: the very object of `event["Records"]`; anything else is ignored.
    """
    _current_run().give_back(record)


def shield() -> AbstractContextManager[None]:
    """A `with` block in which the alarm waits until its end: for two steps that must not be torn apart.

    A block that goes on until the supervisor has to take over is ended by that.
    """
    return _current_run().shield()


def remaining_ms() -> float:
    """Milliseconds until time is up, at least 0; infinite where there is no alarm."""
    return _current_run().remaining_ms()


def _current_run() -> Run:
    global _run
    if _run is None:
        from .runtime.progress import Run

        _run = Run(_shim, {})
    return _run
