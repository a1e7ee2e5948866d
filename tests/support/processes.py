"""Find and end processes by a mark in their environment, which survives setsid, double forks and exec."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from .pace import pace

_Answer = TypeVar("_Answer")


def marked(name: str, value: str) -> list[int]:
    """Return the living processes (no zombies) whose environment had NAME=VALUE at their start, oldest first."""
    wanted = f"{name}={value}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if wanted in (entry / "environ").read_bytes().split(b"\0") and state(int(entry.name)) not in "ZX":
                found.append(int(entry.name))
        except OSError:
            continue  # it ended, or it belongs to somebody else
    # Process ids alone start anew after the last one.
    return sorted(found, key=lambda pid: (started(pid), pid))


def started(pid: int) -> int:
    """When a process started, in clock ticks since the boot; 0 when there is none."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return 0


def state(pid: int) -> str:
    """Return the state letter of a process as in ps(1); "X" when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "X"
    return stat.rpartition(")")[2].split()[0]


def command_line(pid: int) -> str:
    """Return the words of a process's command line, or its pid where that cannot be read."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        words = []
    return f"{pid}: {b' '.join(words).decode(errors='replace').strip()}"


def send(pids: list[int], number: int) -> None:
    """Send a signal to processes, those that are gone excepted."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def end_marked(name: str, value: str) -> None:
    """Kill every process with that mark, those that are started meanwhile included, and wait until none is left."""

    def none_left() -> bool:
        pids = marked(name, value)
        send(pids, signal.SIGKILL)
        return not pids

    wait_until(none_left, 10, f"processes with {name}={value} do not end")


def wait_until(answer: Callable[[], _Answer], timeout_s: float, complaint: str) -> _Answer:
    """Ask until the answer is true and return it.

    Raises:
        TimeoutError: with `complaint`, after `timeout_s` seconds; on a slow or busy machine after as many more.
    """
    timeout_s *= pace()
    deadline = time.monotonic() + timeout_s
    while True:
        result = answer()
        if result:
            return result
        if time.monotonic() > deadline:
            raise TimeoutError(f"{complaint} (waited {timeout_s:.0f} s)")
        time.sleep(0.005)
