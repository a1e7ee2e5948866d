"""Whatever a process has started is found and stopped, wherever it hides."""

import os
import signal
import subprocess
import sys

import pytest

from carryon.shared import processes
from carryon.shared.board import CAPTURE_SIGNAL, DUMP_SIGNAL, UNDERSTUDY_SIGNAL
from tests.support.processes import send, state, wait_until

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
# Starts one more, and ends at once or goes on, in the same session or in another.
PARENT = """
import subprocess, sys, time
child = subprocess.Popen(sys.argv[3:], start_new_session=sys.argv[2] == "new", stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
if sys.argv[1] == "stays":
    time.sleep(60)
"""


@pytest.fixture(name="looked_up", params=[False, True], ids=["told by the kernel", "looked up"])
def _looked_up(request, monkeypatch):
    """Not every kernel tells a process's children."""
    if request.param:
        monkeypatch.setattr(processes.os, "access", lambda *_: False)


@pytest.fixture(name="started", params=["stays", "ends"])
def _started(request):
    """A process of ours that adopts orphans, and the two below it."""
    here, there = os.pipe()
    top = os.fork()
    if not top:
        processes.adopt_orphans()
        parent = subprocess.Popen(
            [sys.executable, "-c", PARENT, request.param, "new", *SLEEP], stdout=subprocess.PIPE, text=True
        )
        child = int(parent.stdout.readline())
        if request.param == "ends":
            parent.wait()
        os.write(there, f"{parent.pid} {child}\n".encode())
        while True:
            signal.pause()
    parent, child = map(int, os.read(here, 99).split())
    pids = [child] if request.param == "ends" else [parent, child]
    yield top, pids
    send([top, parent, child], signal.SIGKILL)
    os.waitpid(top, 0)
    os.close(here)
    os.close(there)


def test_descendants_are_found(started, looked_up):
    """Those in sessions of their own and those whose parents have ended as well."""
    top, pids = started

    assert processes.descendants(top) == pids
    assert processes.descendants(top, but=pids[-1:]) == pids[:-1]


def test_a_child_of_another_thread_is_found_and_one_that_has_ended_is_not(looked_up):
    """The kernel counts a child as its parent's thread's."""
    code = (
        "import os, subprocess, sys, threading, time\n"
        "def start():\n"
        "    subprocess.Popen(['true'])\n"
        "    print(subprocess.Popen(['sleep', '60']).pid, flush=True)\n"
        "    time.sleep(60)\n"
        "threading.Thread(target=start).start()\n"
    )
    top = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    try:
        sleeping = int(top.stdout.readline())
        wait_until(lambda: processes.descendants(top.pid) == [sleeping], 10, "not that one")
    finally:
        os.killpg(top.pid, signal.SIGKILL)
        top.communicate()


def test_all_are_stopped_when_the_call_returns(started):
    """None of them runs any longer, and none that they start meanwhile."""
    top, pids = started

    assert processes.stop_all(top) == pids
    assert [state(pid) for pid in pids] == ["T"] * len(pids)
    assert processes.stop_all(top, stopped=pids) == pids


def test_a_process_that_starts_others_all_the_time_is_stopped_with_all_of_them(looked_up):
    """As long as one is new, another look is taken."""
    code = (
        "import os, time\nfor _ in range(200):\n    if not os.fork():\n        time.sleep(60)\n    time.sleep(0.0005)\n"
    )
    above = "import subprocess, sys; subprocess.run(sys.argv[1:])"
    top = subprocess.Popen([sys.executable, "-c", above, sys.executable, "-c", code], start_new_session=True)
    try:
        wait_until(lambda: len(processes.descendants(top.pid)) > 1, 10, "it does not start anything")
        stopped = processes.stop_all(top.pid)
        assert {state(pid) for pid in stopped} == {"T"}
        assert sorted(stopped) == sorted(processes.descendants(top.pid))
        assert len(stopped) > 1
    finally:
        os.killpg(top.pid, signal.SIGKILL)
        top.wait()


def test_starts_are_told_apart():
    """By a clock that no jump of the wall clock moves."""
    before = processes.started_at("self")
    child = subprocess.Popen(SLEEP, stdout=subprocess.PIPE)
    try:
        assert processes.started_at(str(child.pid)) >= before
    finally:
        child.kill()
        child.communicate()


def test_what_is_gone_is_no_error():
    """Processes end between a look and an action."""
    child = subprocess.Popen(["true"])
    child.wait()

    processes.send([child.pid], signal.SIGSTOP)
    processes.stop([child.pid])
    assert processes.stat(f"{child.pid}/stat") == []
    assert processes.command_line(child.pid) == ""


def test_it_is_known_which_signals_a_process_handles():
    """None that it ignores or that would end it; and none at once that it has blocked."""
    signals = (UNDERSTUDY_SIGNAL, DUMP_SIGNAL, CAPTURE_SIGNAL)
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
        assert [processes.handles(child, number) for number in (*signals, signal.SIGUSR1)] == [True, False, True, False]
        assert [processes.handles(child, number, at_once=True) for number in signals] == [True, False, False]
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
        os.close(writing)
    wait_until(lambda: not processes.handles(child, UNDERSTUDY_SIGNAL), 5, "a process that has ended handles signals")
