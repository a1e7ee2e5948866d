"""A process that takes over goes on when it is told to, and ends with its supervisor and at nothing else."""

import contextlib
import os
import resource
import select
import signal
import time

import pytest

from carryon.shared.standby import StartRuntime, die_with_supervisor
from carryon.supervisor.runtimes import Runtimes
from tests.support.processes import state, wait_until

_WATCHERS = min(5_000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 100)


@pytest.fixture(name="runtimes")
def _runtimes():
    """Of a supervisor without a first one."""
    reading, writing = os.pipe()
    runtimes = Runtimes(0, writing)
    yield runtimes
    runtimes.leave()
    os.close(reading)


def started(runtimes, before=lambda standby: None):
    """Fork a standby that writes a byte once it goes on; returns its pid and where that is read."""
    reading, writing = os.pipe()
    try:
        pid = runtimes.fork()
    except StartRuntime as start:
        with contextlib.suppress(BaseException):
            before(start.standby)
            start.standby.wait()
            os.write(writing, b"r")
            while True:
                signal.pause()
        os._exit(1)
    os.close(writing)
    return pid, reading


def end(pid, runtimes):
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    runtimes.forget([pid])
    return status


def test_many_standbys_go_on_and_none_is_killed_by_its_start(runtimes, sample):
    """One after the other, each told to go while it waits for that."""
    for _ in range(sample(20_000, 200)):
        pid, reading = started(runtimes)

        assert runtimes.go(pid)
        assert os.read(reading, 1) == b"r"

        os.close(reading)
        end(pid, runtimes)


def watched(standby):
    """Have the kernel take long from the byte's arrival to its signal, and the process see the byte at once.

    In between it tells whoever watches the pipe of the byte.
    """
    standby.watch = watch = select.epoll()
    for _ in range(_WATCHERS):
        watch.register(os.dup(standby._go), select.EPOLLPRI)
    os.set_blocking(standby._go, False)
    wait = standby.wait

    def spin():
        while True:
            try:
                return wait()
            except BlockingIOError:
                pass

    standby.wait = spin


def test_the_byte_that_says_go_kills_nobody_however_late_the_kernel_signals_it(runtimes, sample):
    """The pipe that the kernel watches is another one."""
    for _ in range(sample(200, 10)):
        pid, reading = started(runtimes, watched)
        time.sleep(0.1)

        assert runtimes.go(pid)
        assert os.read(reading, 1) == b"r"
        time.sleep(0.01)
        assert state(pid) != "Z"

        os.close(reading)
        end(pid, runtimes)


def test_a_standby_ends_when_its_supervisor_forgets_it(runtimes):
    """Before it goes on it ends by itself, after that the kernel kills it."""
    waiting, reading = started(runtimes)
    os.close(reading)
    runtimes.forget([waiting])
    assert os.waitpid(waiting, 0)[1] == 0

    running, reading = started(runtimes)
    runtimes.go(running)
    assert os.read(reading, 1) == b"r"
    os.close(reading)
    runtimes.forget([running])
    assert os.WTERMSIG(os.waitpid(running, 0)[1]) == signal.SIGKILL


def test_a_standby_that_has_ended_is_not_told_to_go_in_vain(runtimes):
    """Who tells it knows that another one has to."""
    pid, reading = started(runtimes)
    os.close(reading)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: state(pid) == "Z", 5, "it does not end")

    assert not runtimes.go(pid)
    end(pid, runtimes)


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
