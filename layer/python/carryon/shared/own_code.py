"""Whose code a file or a frame is: the function's own, a library's that was packed with it, an executor's."""

from __future__ import annotations

import os
from functools import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

# By file, the functions that wait in an executor's thread for work, and do it.
_WORKERS = (("/concurrent/futures/thread.py", "_worker"), ("/multiprocessing/pool.py", "worker"))
WORKERS = tuple(file for file, _ in _WORKERS)
# The folder of Carry On's own code.
LAYER = os.path.dirname(os.path.dirname(__file__)) + "/"
# Frames that a log line shows.
_SHOWN_MAX = 12


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
                with open(f"{root}{entry}/RECORD", "rb") as record:
                    tops = {line.partition(b",")[0].partition(b"/")[0] for line in record}
            except OSError:
                continue
            names.update(top.decode("utf-8", "replace") for top in tops)
    return names


def is_worker(frame: FrameType) -> bool:
    code = frame.f_code
    return any(code.co_name == name and code.co_filename.endswith(file) for file, name in _WORKERS)


def own_frames(frames: list[tuple[str, int, str]]) -> list[str]:
    """Of frames (file, line, function), innermost first, those of the task folder as FILE:LINE FUNCTION, or all."""
    task_root = os.environ.get("LAMBDA_TASK_ROOT", os.getcwd()) + "/"
    own = [frame for frame in frames if frame[0].startswith(task_root)]
    return [f"{file.removeprefix(task_root)}:{line} {name}" for file, line, name in (own or frames)[:_SHOWN_MAX]]
