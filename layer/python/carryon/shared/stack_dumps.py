"""Stack dumps that need neither the interpreter's lock nor its cooperation: faulthandler into a file in memory."""

from __future__ import annotations

import _signal
import os
import time

from .board import DUMP_SIGNAL

# The process, while faulthandler is enabled by us and not by the function.
_enabled_for: list[int] = []

_MAX = 256 << 10
_POLL_S = 0.001
# Where the outermost frames of other threads are.
_THREADS = "/threading.py"
_FRAME = r'  File "(.*)", line (\d+) in (.*)'


def write_on_signal(descriptor: int) -> None:
    """Have this process write its stack there on DUMP_SIGNAL, and those of all threads when it crashes."""
    import atexit
    import faulthandler

    # What faulthandler goes back to, as the interpreter ends: the signal may still come then.
    _signal.signal(DUMP_SIGNAL, _signal.SIG_IGN)
    # Not all threads: nothing stops another one from running, and freeing its frames, while they are read.
    faulthandler.register(DUMP_SIGNAL, file=descriptor, all_threads=False, chain=False)
    # A daemon's thread that the signal comes to while the interpreter ends would read what is freed already.
    atexit.register(faulthandler.unregister, DUMP_SIGNAL)
    if not faulthandler.is_enabled():
        faulthandler.enable(file=descriptor, all_threads=True)
        _enabled_for.append(os.getpid())


def write_no_more() -> None:
    """In a process that was forked from one that does: a crash of it is not the function's."""
    import faulthandler

    faulthandler.unregister(DUMP_SIGNAL)
    # What is ignored stays so over an exec.
    if _signal.getsignal(DUMP_SIGNAL) is _signal.SIG_IGN:
        _signal.signal(DUMP_SIGNAL, _signal.SIG_DFL)
    if _enabled_for:
        _enabled_for.clear()
        faulthandler.disable()


def ask(pid: int, descriptor: int, within_s: float) -> None:
    """Have a process write its stacks, and wait until it has, unless it does not know the signal."""
    # Not at the top: the runtime process, which imports this too, never asks.
    from .processes import handles

    forget(descriptor)
    if not handles(pid, DUMP_SIGNAL):
        return
    try:
        os.kill(pid, DUMP_SIGNAL)
    except OSError:
        return  # it is gone
    by = time.monotonic() + within_s
    size = 0
    wait_s = _POLL_S
    while (left_s := by - time.monotonic()) > 0:
        time.sleep(min(wait_s, left_s))
        before, size = size, os.fstat(descriptor).st_size
        if size and size == before:
            return
        # Looking all the time takes the share of a CPU that the process needs to write.
        wait_s *= 2


def forget(descriptor: int) -> None:
    """Empty the file; its offset is shared with the process that writes."""
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)


def main_thread(descriptor: int) -> list[tuple[str, int, str]]:
    """The main thread's frames (file, line, function) of what was written, innermost first.

    None where the signal came to another thread, as it does while the main thread has not had its last one yet.
    """
    import re

    text = os.pread(descriptor, _MAX, 0).decode("utf-8", "replace")
    # Threads are written from the newest on.
    last = re.split(r"^(?:Current thread|Thread) .*$", text, flags=re.MULTILINE)[-1]
    frames = [(file, int(line), name) for file, line, name in re.findall(_FRAME, last)]
    return [] if frames and frames[-1][0].endswith(_THREADS) else frames
