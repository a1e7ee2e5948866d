"""What a handler has left running: in Lambda it would go on inside the next invocation."""

from __future__ import annotations

import os
import sys
import time
from _thread import get_ident

from carryon.shared import process_waits, processes
from carryon.shared.board import COURIER, STANDBY
from carryon.shared.own_code import is_own, is_worker

from . import event_loop_tasks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from types import FrameType
    from typing import Any

    from carryon.shared.board import Board

# Modules in which a thread waits for what others do, not for an answer.
_IDLE = ("/threading.py", "/queue.py", "/selectors.py")
# Of the start times in /proc.
_TICK_S = 0.02


def find(
    board: Board,
    elapsed_s: float,
    tasks_before: Collection[Any] = (),
    loaded_at: float = 0.0,
    threads_of_load: Collection[int] = (),
) -> list[str]:
    """Name the threads, event loops and processes that an invocation of `elapsed_s` seconds has left at work.

    What was there before is the function's own way to work, and idle helpers of libraries (exporters, pools) stay. A
    thread of an executor counts while it does not wait for work, however old it is; any other one that is new counts
    while it executes the function's own code, or does not wait for other threads or for a time.

    Args:
        tasks_before: those that there were when the invocation began.
        loaded_at: when the function's module was loaded, in the invocation it may be, as CLOCK_BOOTTIME has it.
        threads_of_load: the ids that the system gives to the threads which there were then.
    """
    # Taken once: looking through a full /proc takes longer than a tick.
    since = max(time.clock_gettime(time.CLOCK_BOOTTIME) - elapsed_s, loaded_at) - _TICK_S
    return [*_threads(since, threads_of_load), *_tasks(tasks_before), *_processes(board, since)]


def _threads(since: float, of_load: Collection[int]) -> Iterator[str]:
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
        task = f"self/task/{thread.native_id}"
        frames_of_it = list(_outwards(frame))
        worker = next((at for at in frames_of_it if is_worker(at)), None)
        if worker is not None:
            is_at_work = worker is not frame
        else:
            is_at_work = (
                thread.native_id not in of_load
                and processes.started_at(task) >= since
                and (any(is_own(at.f_code.co_filename) for at in frames_of_it) or not _is_idle(frame, task))
            )
        if is_at_work:
            yield f"thread {thread.name}"


def _is_idle(frame: FrameType, task: str) -> bool:
    """Whether a thread waits for other threads, for one of several things to happen, or for a time."""
    return frame.f_code.co_filename.endswith(_IDLE) or process_waits.is_asleep(task)


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _tasks(before: Collection[Any]) -> Iterator[str]:
    """Tasks that are not done: they go on as soon as the next invocation runs their loop, or in another thread."""
    for task in list(event_loop_tasks.known()):
        if not (task.done() or task.get_loop().is_closed() or task in before):
            yield f"task {task.get_name()}"


def _processes(board: Board, since: float) -> Iterator[str]:
    attendants = board.words[COURIER], board.words[STANDBY]
    # From the supervisor down: it is the parent of whatever has lost its own.
    for pid in processes.descendants(os.getppid(), but=attendants):
        if pid != os.getpid() and processes.started_at(str(pid)) >= since:
            yield f"process {pid} {processes.command_line(pid)}".rstrip()
