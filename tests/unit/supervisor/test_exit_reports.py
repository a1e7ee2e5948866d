"""A dead process is told of in Lambda's own words."""

import os
import resource
import signal

import pytest

from carryon.supervisor import exit_reports


def status_of(end):
    """Exit status, as wait() gives it, of a process that ends so."""
    pid = os.fork()
    if not pid:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        end()
        os._exit(99)
    return os.waitpid(pid, 0)[1]


def by_signal(number):
    def end():
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    return end


# What the emulator's runtime supervisor, which is AWS's, writes for them.
TEXTS = {
    signal.SIGHUP: "signal: hangup",
    signal.SIGINT: "signal: interrupt",
    signal.SIGILL: "signal: illegal instruction",
    signal.SIGABRT: "signal: aborted",
    signal.SIGBUS: "signal: bus error",
    signal.SIGFPE: "signal: floating point exception",
    signal.SIGKILL: "signal: killed",
    signal.SIGSEGV: "signal: segmentation fault",
    signal.SIGPIPE: "signal: broken pipe",
    signal.SIGALRM: "signal: alarm clock",
    signal.SIGTERM: "signal: terminated",
    signal.SIGXCPU: "signal: CPU time limit exceeded",
    signal.SIGIO: "signal: I/O possible",
    signal.SIGSYS: "signal: bad system call",
    34: "signal: signal 34",
}


@pytest.mark.parametrize(("number", "text"), TEXTS.items(), ids=str)
def test_a_signal_has_the_name_that_lambda_gives_it(number, text):
    """The text is what people search for."""
    assert exit_reports.exit_error(status_of(by_signal(number))) == f"Runtime exited with error: {text}"


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (0, "Runtime exited without providing a reason"),
        (1, "Runtime exited with error: exit status 1"),
        (255, "Runtime exited with error: exit status 255"),
    ],
)
def test_an_exit_status_is_told(status, text):
    """Zero is no reason."""
    assert exit_reports.exit_error(status_of(lambda: os._exit(status))) == text


@pytest.mark.parametrize(
    ("memory", "peak_mb", "hinted"), [("256", 250, True), ("256", 200, False), ("", 250, False), ("much", 250, False)]
)
def test_memory_is_hinted_at_where_it_was_short(monkeypatch, memory, peak_mb, hinted):
    """Limit and peak are named; where the limit is not known nothing is."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory)
    known = exit_reports.details(signal.SIGKILL, peak_mb << 10)

    assert known["peak_memory_mb"] == peak_mb
    assert known["signal"] == "SIGKILL"
    assert ("hint" in known) == hinted
    assert not hinted or "250 MB of 256 MB" in known["hint"]


def test_an_exit_by_its_own_will_is_not_for_lack_of_memory(monkeypatch):
    """Whatever was in use."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")

    assert exit_reports.details(3 << 8, 256 << 10) == {"peak_memory_mb": 256, "exit_status": 3}
