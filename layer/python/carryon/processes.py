"""Find, stop and end a process's descendants, those included whose parents have ended."""

from __future__ import annotations

import _signal as signal
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

_STOP_WITHIN_S = 0.05
_POLL_S = 0.001
_PR_SET_CHILD_SUBREAPER = 36
_STAT_MAX = 4_096
# Of /proc/PID/stat, counted after the command's name: state, parent, start in clock ticks since the boot.
_STATE, _PARENT, _STARTED = 0, 1, 19


def adopt_orphans() -> None:
    """Have the kernel make this process the parent of its descendants' orphans; without it double forks get away.

    prctl by ctypes' C part: all of ctypes costs 2.4 ms of every cold start.
    """
    try:
        import _ctypes

        itself: Any = None
        prctl = _ctypes.dlsym(_ctypes.dlopen(itself, 0), "prctl")
        _ctypes.call_function(prctl, (_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
    except Exception:
        pass  # what has its parent is found all the same


def descendants(of: int, but: Iterable[int] = ()) -> list[int]:
    """Process ids of the living descendants of a process, `but` and theirs left out, parents first."""
    parents = {}
    for pid in _all():
        fields = stat(f"{pid}/stat")
        if fields and fields[_STATE] not in "ZX":
            parents[pid] = int(fields[_PARENT])
    left_out = set(but)
    found: list[int] = []
    generation = [of]
    while generation:
        generation = [
            pid for pid, parent in parents.items() if parent in generation and pid not in left_out and pid not in found
        ]
        found += generation
    return found


def started_at(path: str) -> float:
    """When a process or thread (a path below /proc) was started, in seconds since the boot; now where there is none."""
    fields = stat(f"{path}/stat")
    if not fields:
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return int(fields[_STARTED]) / os.sysconf("SC_CLK_TCK")


def stop(pids: list[int]) -> None:
    """Stop processes, and wait until none of their threads runs any longer, for 50 ms at most."""
    send(pids, signal.SIGSTOP)
    by = time.monotonic() + _STOP_WITHIN_S
    while any(_runs(pid) for pid in pids) and time.monotonic() < by:
        time.sleep(_POLL_S)


def stop_all(of: int, but: Iterable[int] = (), stopped: Iterable[int] = ()) -> list[int]:
    """Stop every descendant of a process, until none is new, and return them with those that were `stopped` before."""
    stopped = list(stopped)
    while True:
        new = [pid for pid in descendants(of, but) if pid not in stopped]
        if not new:
            return stopped
        stop(new)
        stopped += new


def send(pids: list[int], number: int) -> None:
    """Send a signal to processes, those excepted that are gone or another user's."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            pass


def stat(path: str) -> list[str]:
    """The fields of a stat file below /proc that follow the command's name; empty where there is none."""
    try:
        # A file object costs three times as much, and all of them are read while the function's time runs out.
        descriptor = os.open(f"/proc/{path}", os.O_RDONLY)
    except OSError:
        return []
    try:
        return os.read(descriptor, _STAT_MAX).rpartition(b")")[2].decode("ascii", "replace").split()
    except OSError:
        return []
    finally:
        os.close(descriptor)


def command_line(pid: int) -> str:
    """The first word of a process's command line."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return os.path.basename(file.read().partition(b"\0")[0].decode("utf-8", "replace"))
    except OSError:
        return ""


def _all() -> Iterator[int]:
    for name in os.listdir("/proc"):
        if name.isdigit():
            yield int(name)


def _runs(pid: int) -> bool:
    # A thread in an uninterruptible wait (D) stops before it runs code again.
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return False
    return any((stat(f"{pid}/task/{thread}/stat") or "X")[_STATE] not in "TtDZX" for thread in threads)
