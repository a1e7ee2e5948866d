"""A process that would take a signal for the end of its wait is not sent one."""

import subprocess

import pytest

from carryon.shared.process_waits import are_left_alone, is_left_alone
from tests.support.processes import wait_until

PROGRAMS = {
    "import time; time.sleep(60)": True,
    "any(iter(int, 1))": True,
    "input()": True,
    "import threading; threading.Event().wait(60)": True,
    "import ctypes; ctypes.PyDLL(None).sleep(60)": False,
    "import ctypes; ctypes.PyDLL(None).poll(None, 0, 60_000)": False,
    "import select; select.select([0], [], [], 60)": False,
    "import select; select.epoll().poll(60)": False,
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_it_is_known_by_what_it_waits_in(program, python):
    """Of each Python; what the kernel or Python waits for again is left alone."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([python, "-c", f"print('up', flush=True); {program}"], **pipes) as process:
        try:
            process.stdout.readline()
            expected = PROGRAMS[program]
            wait_until(lambda: are_left_alone(process.pid) == expected, 10, "it does not come to its wait")
            if not expected:
                assert not any(are_left_alone(process.pid) for _ in range(100))
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("machine", "words", "expected"),
    [
        ("x86_64", "-1 0x7ff 0x55", False),
        ("x86_64", "230 0x1 0x1 0x7ff 0x0 0x0 0x0 0x7ff 0x55", True),
        ("x86_64", "230 0x0 0x0 0x7ff 0x7ff 0x0 0x0 0x7ff 0x55", False),
        ("aarch64", "115 0x1 0x1 0x7ff 0x0 0x0 0x0 0x7ff 0x55", True),
        ("aarch64", "98 0x7ff 0x189 0x0 0x0 0x0 0x0 0x7ff 0x55", True),
        ("aarch64", "22 0x4 0x7ff 0x1 0xffffffff 0x0 0x8 0x7ff 0x55", False),
        ("riscv64", "98 0x7ff 0x189 0x0 0x0 0x0 0x0 0x7ff 0x55", False),
    ],
)
def test_what_the_kernel_says_is_read_by_machine(machine, words, expected):
    """Numbers of system calls differ; of a machine that is not known no wait is left alone."""
    assert is_left_alone(words.split(), machine) is expected
