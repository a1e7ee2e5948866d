"""What a handler has left running: in Lambda it would go on inside the next invocation."""

from __future__ import annotations

import os
import sys
import time
from _thread import get_ident
from functools import cache

from . import processes
from .board import COURIER, STANDBY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from .board import Board

WORKERS = ("/concurrent/futures/thread.py", "/multiprocessing/pool.py")
# Of the start times in /proc.
_TICK_S = 0.02


def find(board: Board, elapsed_s: float) -> list[str]:
    """Name the threads, event loops and processes that an invocation of `elapsed_s` seconds has left at work.

    What was there before is the function's own way to work, and idle helpers of libraries (exporters, pools) stay:
    a thread counts while it executes code of the task folder, an old one only where it works for an executor.
    """
    # Taken once: looking through a full /proc takes longer than a tick.
    since = time.clock_gettime(time.CLOCK_BOOTTIME) - elapsed_s - _TICK_S
    return [*_threads(since), *_event_loops(), *_processes(board, since)]


def _threads(since: float) -> Iterator[str]:
    threading = sys.modules.get("threading")
    if threading is None:
        return
    frames = sys._current_frames()
    # This very frame, which would keep itself.
    frames.pop(get_ident(), None)
    for thread in threading.enumerate():
        frame = frames.get(thread.ident)
        if thread is threading.main_thread() or frame is None:
            continue
        is_new = processes.started_at(f"self/task/{thread.native_id}") >= since
        files = [at.f_code.co_filename for at in _outwards(frame)]
        if (is_new or any(file.endswith(WORKERS) for file in files)) and any(map(is_own, files)):
            yield f"thread {thread.name}"


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def is_own(file: str) -> bool:
    """Whether a file is the function's own code, and not of a library that was packed with it."""
    root = os.environ.get("LAMBDA_TASK_ROOT", os.getcwd()).rstrip("/") + "/"
    if not file.startswith(root) or "/site-packages/" in file:
        return False
    top = file[len(root) :].partition("/")[0]
    return top not in _packed_libraries(root)


@cache
def _packed_libraries(root: str) -> set[str]:
    """Top-level names in the task folder that pip has put there."""
    names: set[str] = set()
    for entry in os.listdir(root):
        if entry.endswith(".dist-info"):
            try:
                with open(f"{root}{entry}/RECORD", encoding="utf-8", errors="replace") as record:
                    names.update(line.partition(",")[0].partition("/")[0] for line in record)
            except OSError:
                pass
    return names


def _event_loops() -> Iterator[str]:
    """Tasks that are not done, of loops that go on as soon as the next invocation runs them."""
    # The public all_tasks() wants a loop, and only the function knows its loops. Python 3.12 renamed the set.
    asyncio = sys.modules.get("asyncio.tasks")
    for task in list(getattr(asyncio, "_scheduled_tasks", None) or getattr(asyncio, "_all_tasks", None) or ()):
        loop = task.get_loop()
        code = getattr(task.get_coro(), "cr_code", None)
        if not (task.done() or loop.is_closed() or loop.is_running()) and code and is_own(code.co_filename):
            yield f"task {task.get_name()}"


def _processes(board: Board, since: float) -> Iterator[str]:
    attendants = board.words[COURIER], board.words[STANDBY]
    # From the supervisor down: it is the parent of whatever has lost its own.
    for pid in processes.descendants(os.getppid(), but=attendants):
        if pid != os.getpid() and processes.started_at(str(pid)) >= since:
            yield f"process {pid} {processes.command_line(pid)}".rstrip()
