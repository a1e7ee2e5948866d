"""Whether a signal changes what a process waits for.

Whatever a signal handler's SA_RESTART does not cover, C code that does not ask again takes for the end of its wait:
sleeps, and waits for several descriptors at once. Python asks again, but so far only its sleeps can be told apart.
"""

from __future__ import annotations

import os
import time

from .processes import stat

# By machine, numbers of the system calls: those that the kernel begins again by itself (read, futex, wait4, waitid);
# clock_nanosleep; those that wait for descriptors, by which Python 3.10 sleeps with none (select, pselect6).
_NUMBERS: dict[str, tuple[set[int], int, set[int]]] = {
    "x86_64": ({0, 202, 61, 247}, 230, {23, 270}),
    "aarch64": ({63, 98, 260, 95}, 115, {72}),
}
_RUNNING = "running"
_MONOTONIC = _ABSOLUTE = 1
# Longer than what some kernels count CPU time in.
_LOOK_S = 0.01
_COMPUTING_SHARE = 0.25


def are_left_alone(pid: int) -> bool:
    """Whether a handled signal, now, would not end what the process's first thread waits for; False if unknown."""
    words = _read(f"/proc/{pid}/syscall")
    # Not every sandbox shows it.
    if not words or words[0] == _RUNNING:
        return _computes(pid)
    return is_left_alone(words, os.uname().machine)


def is_asleep(path: str) -> bool:
    """Whether a process or thread (a path below /proc) waits for a time and nothing else; False if unknown."""
    words = _read(f"/proc/{path}/syscall")
    machine = os.uname().machine
    if len(words) < 2 or not words[0].isdigit() or machine not in _NUMBERS:
        return False
    _, sleep, selects = _NUMBERS[machine]
    return int(words[0]) == sleep or int(words[0]) in selects and int(words[1], 16) == 0


def is_left_alone(words: list[str], machine: str) -> bool:
    """The same for a wait, by what /proc/PID/syscall says on such a machine: a system call and its arguments."""
    if words[0] == "-1" or machine not in _NUMBERS:
        return False
    number, arguments = int(words[0]), [int(word, 16) for word in words[1:3]]
    begun_again, sleep, selects = _NUMBERS[machine]
    if number == sleep:
        # As Python does since 3.11; sleep() and nanosleep() of C are relative.
        return arguments == [_MONOTONIC, _ABSOLUTE]
    return number in begun_again or number in selects and arguments[0] == 0


def _computes(pid: int) -> bool:
    """Whether the first thread runs, and the process has run for a good part of a moment.

    One that is only about to may be at the end of a wait, which a signal still turns into an error.
    """
    try:
        began, before = time.monotonic(), time.clock_gettime(_clock(pid))
        time.sleep(_LOOK_S)
        is_running = stat(f"{pid}/stat")[:1] == ["R"]
        ran_s = time.clock_gettime(_clock(pid)) - before
        return is_running and ran_s > (time.monotonic() - began) * _COMPUTING_SHARE
    except OSError:
        return False


def _clock(pid: int) -> int:
    """The clock of a process's CPU time, as clock_getcpuclockid() of C makes it."""
    return (~pid << 3) | 2


def _read(path: str) -> list[str]:
    try:
        with open(path) as file:
            return file.read().split()
    except OSError:
        return []
