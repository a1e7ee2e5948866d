"""A process that takes over ends with its supervisor and at nothing else."""

import contextlib
import os
import signal

import pytest

from carryon.runtimes import Runtimes, StartRuntime, die_with_supervisor


@pytest.fixture(name="runtimes")
def _runtimes():
    """Of a supervisor without a first one."""
    reading, writing = os.pipe()
    runtimes = Runtimes(0, writing)
    yield runtimes
    runtimes.leave()
    os.close(reading)


def started(runtimes):
    """Fork a runtime that writes a byte once it is tied to its supervisor; returns its pid and where that is read."""
    reading, writing = os.pipe()
    try:
        pid = runtimes.fork()
    except StartRuntime as start:
        with contextlib.suppress(BaseException):
            die_with_supervisor(start.pipe)
            os.write(writing, b"r")
            while True:
                signal.pause()
        os._exit(1)
    os.close(writing)
    return pid, reading


def test_many_processes_take_over_and_none_is_killed_by_its_start(runtimes, sample):
    """One after the other; nothing is ever written to the pipe that kills."""
    for _ in range(sample(20_000, 200)):
        pid, reading = started(runtimes)

        assert os.read(reading, 1) == b"r"

        os.close(reading)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        runtimes.forget([pid])


def test_a_process_ends_when_its_supervisor_forgets_it(runtimes):
    """The kernel kills it."""
    running, reading = started(runtimes)
    assert os.read(reading, 1) == b"r"
    os.close(reading)

    runtimes.forget([running])

    assert os.WTERMSIG(os.waitpid(running, 0)[1]) == signal.SIGKILL


def test_a_process_whose_supervisor_is_gone_already_ends(runtimes):
    """The kernel tells only of what comes."""
    pid = os.fork()
    if not pid:
        reading, writing = os.pipe()
        os.close(writing)
        die_with_supervisor(reading)
        os._exit(0)

    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGKILL


def test_what_a_refused_fork_had_opened_is_closed(runtimes, monkeypatch):
    """Nothing is used up by trying again."""
    monkeypatch.setattr(os, "fork", _refuse)
    before = os.listdir("/proc/self/fd")

    with pytest.raises(OSError, match="refused"):
        runtimes.fork()

    assert os.listdir("/proc/self/fd") == before


def _refuse():
    raise OSError("refused")
