"""Run a command that dies with its starter: `keeper.py FOLDER COMMAND [ARGUMENT...]` with a pipe as standard input.

The pipe is the lifeline. When it closes, because the starter is done or was killed, every process below is killed,
also those that have left the process group or whose parents have gone, and FOLDER ("" for none) is removed.
A script of its own and not a function: it must not share anything with the process whose death it waits for.
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def main(folder: str, command: list[str]) -> int:
    """Return the command's exit status, 128 + n when signal n ended it."""
    libc = ctypes.CDLL(None, use_errno=True)
    # Orphans below come to us instead of to init.
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    status = 1
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            # Even a SIGKILL for the keeper leaves nobody serving.
            preexec_fn=lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0),  # noqa: PLW1509 (one thread)
        )
        while child.poll() is None:
            ready, _, _ = select.select([sys.stdin.fileno(), read_end], [], [])
            if sys.stdin.fileno() in ready or set(os.read(read_end, 64)) - {signal.SIGCHLD}:
                break
        if child.returncode is not None:
            status = child.returncode if child.returncode >= 0 else 128 - child.returncode
    finally:
        _kill_descendants()
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
    return status


def _kill_descendants() -> None:
    """Kill children until there is none; the children of a killed one become ours and are next."""
    while True:
        for pid in _children():
            os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> list[int]:
    own = str(os.getpid())
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "stat").read_text().rpartition(")")[2].split()[1] == own:
                found.append(int(entry.name))
        except OSError:
            continue  # it has ended meanwhile
    return found


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], sys.argv[2:]))
