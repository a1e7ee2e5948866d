"""Find, stop and end a process's descendants, those included whose parents have ended."""

from __future__ import annotations

import _signal as signal
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

_STOP_WITHIN_S = 0.05
_END_WITHIN_S = 0.25
_POLL_S = 0.001
_PR_SET_CHILD_SUBREAPER = 36
_READ_MAX = 4_096
# Of /proc/PID/status: the signals that the first thread blocks, and those that the process handles.
_MASKS = (b"SigBlk:", b"SigCgt:")
# Of /proc/PID/stat, counted after the command's name: state, parent, start in clock ticks since the boot.
_STATE, _PARENT, _STARTED = 0, 1, 19


def adopt_orphans(adopt: bool = True) -> None:
    """Have the kernel make this process the parent of its descendants' orphans; without it double forks get away.

    It stays so over an exec, and is not inherited over a fork. False ends it.

    prctl by ctypes' C part: all of ctypes costs 2.4 ms of every cold start.
    """
    try:
        import _ctypes

        itself: Any = None
        prctl = _ctypes.dlsym(_ctypes.dlopen(itself, 0), "prctl")
        _ctypes.call_function(prctl, (_PR_SET_CHILD_SUBREAPER, int(adopt), 0, 0, 0))
    except Exception:
        pass  # what has its parent is found all the same


def descendants(of: int, but: Iterable[int] = ()) -> list[int]:
    """Process ids of the living descendants of a process, `but` and theirs left out, parents first."""
    left_out = set(but)
    children = _told_by_kernel if os.access(f"/proc/self/task/{os.getpid()}/children", os.R_OK) else _looked_up()
    found: list[int] = []
    generation = [of]
    while generation:
        below = dict.fromkeys(pid for parent in generation for pid in children(parent))
        generation = [pid for pid in below if pid not in left_out and pid not in found and lives(pid)]
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
    wait_s = _POLL_S
    while any(_runs(pid) for pid in pids) and time.monotonic() < by:
        # The end of the wait for a child of a process that has the signal blocked, as the supervisor has. Looking all
        # the time takes the share of a CPU that they need to come to their stop.
        signal.sigtimedwait([signal.SIGCHLD], wait_s)
        wait_s *= 2


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


def end(pid: int) -> None:
    """Kill a child of this process, and wait for its end unless it cannot be killed."""
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except OSError:
        reap(pid)


def reap(pid: int) -> bool:
    """Whether a child of this process has ended, or is none (any longer); it is waited for if it has."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] != 0
    except OSError:
        return True


def handles(pid: int, number: int, at_once: bool = False) -> bool:
    """Whether a process handles a signal, `at_once`: and does not have it blocked; False if unknown."""
    masks = {line[:6]: int(line[7:], 16) for line in _read(f"{pid}/status").splitlines() if line.startswith(_MASKS)}
    bit = 1 << (number - 1)
    return bool(masks.get(b"SigCgt", 0) & bit) and not (at_once and masks.get(b"SigBlk", 0) & bit)


def wait_for_ends(pids: list[int]) -> None:
    """Wait until processes that were killed have ended, for a quarter of a second at most."""
    by = time.monotonic() + _END_WITHIN_S
    wait_s = _POLL_S
    while any(lives(pid) for pid in pids) and time.monotonic() < by:
        time.sleep(wait_s)
        wait_s *= 2


def stat(path: str) -> list[str]:
    """The fields of a stat file below /proc that follow the command's name; empty where there is none."""
    return _read(path).rpartition(b")")[2].decode("ascii", "replace").split()


def command_line(pid: int) -> str:
    """The first word of a process's command line."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return os.path.basename(file.read().partition(b"\0")[0].decode("utf-8", "replace"))
    except OSError:
        return ""


def _told_by_kernel(pid: int) -> list[int]:
    """Children of a process, those of its other threads included."""
    return [int(child) for thread in _threads(pid) for child in _read(f"{pid}/task/{thread}/children").split()]


def _looked_up() -> Callable[[int], list[int]]:
    """The same for kernels that do not tell, from one look at every process there is."""
    children: dict[int, list[int]] = {}
    for name in _listed("/proc"):
        fields = stat(f"{name}/stat") if name.isdigit() else []
        if fields:
            children.setdefault(int(fields[_PARENT]), []).append(int(name))
    return lambda pid: children.get(pid, [])


def lives(pid: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    return (stat(f"{pid}/stat") or "X")[_STATE] not in "ZX"


def _runs(pid: int) -> bool:
    # A thread in an uninterruptible wait (D) stops before it runs code again.
    return any((stat(f"{pid}/task/{thread}/stat") or "X")[_STATE] not in "TtDZX" for thread in _threads(pid))


def _threads(pid: int) -> list[str]:
    return _listed(f"/proc/{pid}/task")


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _read(path: str) -> bytes:
    """Content of a file below /proc, empty where there is none."""
    try:
        # A file object costs three times as much, and all of them are read while the function's time runs out.
        descriptor = os.open(f"/proc/{path}", os.O_RDONLY)
    except OSError:
        return b""
    try:
        content = b""
        while part := os.read(descriptor, _READ_MAX):
            content += part
        return content
    except OSError:
        return b""
    finally:
        os.close(descriptor)
