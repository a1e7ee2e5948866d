"""Our signals never end a process that is about to end by itself."""

import subprocess
import time
from pathlib import Path

import pytest

from carryon.shared.board import CAPTURE_SIGNAL, DUMP_SIGNAL, UNDERSTUDY_SIGNAL
from carryon.shared.processes import handles
from tests.unit import programs

OURS = (UNDERSTUDY_SIGNAL, DUMP_SIGNAL, CAPTURE_SIGNAL)


@pytest.mark.parametrize("thread", ["alone", "daemon", "joined"])
def test_a_process_that_ends_meanwhile_ends_as_it_would(thread, python, tmp_path):
    """Its exit status, what it has buffered and what it says are its own, whenever the signals come."""
    kept = tmp_path / "kept"
    process = subprocess.Popen(
        [python, programs.FOLDER / "finalizing.py", kept, thread],
        env=programs.environment(),
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
