"""How a process ended: in the words of Lambda, which reports it as Runtime.ExitError, and what Lambda does not say."""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FIRST_REAL_TIME = 32
# Peak memory from this share of the limit on makes memory the likely reason of a kill.
_NEAR_THE_LIMIT = 0.9


def exit_error(status: int) -> str:
    """The platform's message for an exit status as wait() gives it, without the request id."""
    if os.WIFSIGNALED(status):
        dumped = " (core dumped)" if os.WCOREDUMP(status) else ""
        return f"Runtime exited with error: signal: {_described(os.WTERMSIG(status))}{dumped}"
    if os.WEXITSTATUS(status):
        return f"Runtime exited with error: exit status {os.WEXITSTATUS(status)}"
    return "Runtime exited without providing a reason"


def _described(number: int) -> str:
    if number >= _FIRST_REAL_TIME:
        return f"signal {number}"
    text = signal.strsignal(number) or f"signal {number}"
    # "Segmentation fault", but "CPU time limit exceeded" and "I/O possible".
    return text[0].lower() + text[1:] if text[1].islower() else text


def details(status: int, peak_kb: int) -> dict[str, Any]:
    """What is known of a dead process beside that, for the log line.

    Args:
        status: exit status as wait() gives it.
        peak_kb: the most memory that the process had in use.
    """
    peak_mb = peak_kb >> 10
    known: dict[str, Any] = {"peak_memory_mb": peak_mb}
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        known["signal"] = signal.Signals(number).name if number < _FIRST_REAL_TIME else f"SIGRTMIN+{number - 34}"
    else:
        known["exit_status"] = os.WEXITSTATUS(status)
    limit_mb = _memory_limit_mb()
    if limit_mb and peak_mb >= limit_mb * _NEAR_THE_LIMIT and known.get("signal") in ("SIGKILL", "SIGABRT", "SIGSEGV"):
        known["memory_limit_mb"] = limit_mb
        known["hint"] = (
            f"Probably out of memory: the process had {peak_mb} MB of {limit_mb} MB in use at its peak. "
            "Give the function more memory"
        )
    return known


def _memory_limit_mb() -> int:
    try:
        return int(os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"])
    except (KeyError, ValueError):
        return 0
