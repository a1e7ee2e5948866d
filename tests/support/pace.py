"""How long things take on this machine now, against the quiet one that the tests' times were chosen on.

It is measured once in a run, before the run's own load, by as many processes at once as there are cores. Limits of
waits grow with it, and so do the timeouts of functions whose tests need a hop to do something by a certain moment.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys

# For the run's other processes.
_TOLD = "PACE_OF_THE_MACHINE"
_PROGRAM = """
import time
began = time.perf_counter()
total = 0
for number in range(1_000_000):
    total += number * number % 7
print(time.perf_counter() - began)
"""
# What the program takes there.
_QUIET_S = 0.12
_TIMES = 3
_MAX = 8.0


def measure() -> None:
    """Measure the machine for this process and those that it starts, unless whoever has started it has done so."""
    if _TOLD not in os.environ:
        taken_s = sum(max(_run_on_all_cores()) for _ in range(_TIMES)) / _TIMES
        os.environ[_TOLD] = f"{min(max(taken_s / _QUIET_S, 1.0), _MAX):.1f}"


def pace() -> float:
    """How many times as long things take here, from 1 to 8; 1 where nobody has measured."""
    return float(os.environ.get(_TOLD, "1"))


def seconds(on_a_quiet_machine: float) -> int:
    """A function's timeout, in whole seconds."""
    return math.ceil(on_a_quiet_machine * pace() - 0.5)


def _run_on_all_cores() -> list[float]:
    command = [sys.executable, "-Ic", _PROGRAM]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(os.cpu_count() or 1)]
    return [float(process.communicate()[0]) for process in running]
