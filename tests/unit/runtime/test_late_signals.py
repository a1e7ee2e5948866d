"""Our signals never end a process that is about to end by itself, or does not know them (any more)."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from carryon.shared.board import CAPTURE_SIGNAL, DUMP_SIGNAL, UNDERSTUDY_SIGNAL
from carryon.shared.processes import handles
from tests.support.processes import wait_until
from tests.support.runtimes import ROOT, RUNTIMES

FINALIZING = ROOT / "tests/unit/programs/finalizing.py"
# The client makes no difference.
PYTHONS = list({runtime.version: runtime for runtime in RUNTIMES}.values())
OURS = (UNDERSTUDY_SIGNAL, DUMP_SIGNAL, CAPTURE_SIGNAL)


@pytest.mark.parametrize("python", PYTHONS, ids=str)
@pytest.mark.parametrize("thread", ["alone", "daemon", "joined"])
def test_a_process_that_ends_meanwhile_ends_as_it_would(thread, python, tmp_path):
    """Its exit status, what it has buffered and what it says are its own, whenever the signals come."""
    kept = tmp_path / "kept"
    process = subprocess.Popen(
        [python.python, FINALIZING, kept, thread],
        env={**os.environ, "PYTHONPATH": str(ROOT / "layer/python")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout.readline() == b"ready\n"
    assert all(handles(process.pid, number) for number in OURS)
    process.stdin.write(b"\n")
    process.stdin.flush()
    sent = 0
    # Without a look at what it handles: that may change between the look and the signal.
    while process.poll() is None:
        # One at a time, as the supervisor does: a second one would go to another thread, which may be at its very end.
        if not is_pending(process.pid):
            process.send_signal(OURS[sent % len(OURS)])
            sent += 1
        # It is to have time for what it does as well.
        time.sleep(0.001)
    _, errors = process.communicate()

    assert (process.returncode, kept.read_text(), errors) == (3, "buffered", b"")
    assert sent > 10


def is_pending(pid):
    """Whether a signal has not come to it yet; False where it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    return any(int(line[7:], 16) for line in status.splitlines() if line.startswith(("SigPnd", "ShdPnd")))


def test_it_is_known_which_signals_a_process_handles():
    """None that it ignores or that would end it; and none at once that it has blocked."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        signal.signal(UNDERSTUDY_SIGNAL, lambda *_: None)
        signal.signal(DUMP_SIGNAL, signal.SIG_IGN)
        signal.signal(CAPTURE_SIGNAL, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_BLOCK, {CAPTURE_SIGNAL})
        os.write(writing, b"1")
        while True:
            signal.pause()
    try:
        os.read(reading, 1)
        assert [handles(child, number) for number in (*OURS, signal.SIGUSR1)] == [True, False, True, False]
        assert [handles(child, number, at_once=True) for number in OURS] == [True, False, False]
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
        os.close(writing)
    wait_until(lambda: not handles(child, UNDERSTUDY_SIGNAL), 5, "a process that has ended handles signals")
