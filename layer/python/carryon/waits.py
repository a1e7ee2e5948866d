"""Whether a signal changes what a process waits for.

Whatever a signal handler's SA_RESTART does not cover, C code that does not ask again takes for the end of its wait:
sleeps, and waits for several descriptors at once. Python asks again, but so far only its sleeps can be told apart.
"""

from __future__ import annotations

import os

from .processes import stat

# By machine, numbers of the system calls: those that the kernel begins again by itself (read, futex, wait4, waitid);
# clock_nanosleep; those that wait for descriptors, by which Python 3.10 sleeps with none (select, pselect6).
_NUMBERS: dict[str, tuple[set[int], int, set[int]]] = {
    "x86_64": ({0, 202, 61, 247}, 230, {23, 270}),
    "aarch64": ({63, 98, 260, 95}, 115, {72}),
}
_RUNS = ("running", "-1")
_MONOTONIC = _ABSOLUTE = 1


def are_left_alone(pid: int) -> bool:
    """Whether a handled signal, now, would not end what the process's first thread waits for; False if unknown."""
    try:
        with open(f"/proc/{pid}/syscall") as file:
            words = file.read().split()
    except OSError:
        # Not every sandbox shows it.
        fields = stat(f"{pid}/stat")
        return bool(fields) and fields[0] == "R"
    return bool(words) and is_left_alone(words, os.uname().machine)


def is_left_alone(words: list[str], machine: str) -> bool:
    """The same for what /proc/PID/syscall says on such a machine: `running`, or a system call and its arguments."""
    if words[0] in _RUNS:
        return True
    if machine not in _NUMBERS:
        return False
    number, arguments = int(words[0]), [int(word, 16) for word in words[1:3]]
    begun_again, sleep, selects = _NUMBERS[machine]
    if number == sleep:
        # As Python does since 3.11; sleep() and nanosleep() of C are relative.
        return arguments == [_MONOTONIC, _ABSOLUTE]
    return number in begun_again or number in selects and arguments[0] == 0
