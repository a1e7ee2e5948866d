"""A share of a CPU as Lambda gives it: memory / 1,769 MB of a core, enforced in periods of 20 ms."""

from __future__ import annotations

import itertools
import os
import signal
import time
from pathlib import Path

FULL_CORE_MB = 1_769
_PERIOD_US = 20_000
_GONE_WITHIN_S = 5
_numbers = itertools.count()


class NoQuotaError(Exception):
    """There is no cpu controller (cgroup version 1) in which this process may make a group."""


class Quota:
    """A control group of its own; whoever is in it at the end is killed.

    Args:
        memory_mb: what the share stands for.
        full_core_first: a full core until `limit` is called, as Lambda gives to the init phase.

    Raises:
        NoQuotaError: on entry.
    """

    def __init__(self, memory_mb: int, *, full_core_first: bool = False) -> None:
        self.memory_mb = memory_mb
        self._full_core_first = full_core_first
        self._folder = Path()

    def __enter__(self) -> Quota:
        self._folder = _controller() / f"carryon-quota-{os.getpid()}-{next(_numbers)}"
        try:
            self._folder.mkdir()
            self._write("cpu.cfs_period_us", _PERIOD_US)
            if self._full_core_first:
                self._write("cpu.cfs_quota_us", _PERIOD_US)
            else:
                self.limit()
        except OSError as error:
            self._remove()
            raise NoQuotaError(str(error)) from None
        return self

    def __exit__(self, *exc: object) -> None:
        self._remove()

    def limit(self) -> None:
        """Give the group its share and no more."""
        self._write("cpu.cfs_quota_us", _PERIOD_US * self.memory_mb // FULL_CORE_MB)

    def command(self, command: list[str]) -> list[str]:
        """A command that runs `command` in the group."""
        return ["sh", "-c", 'echo $$ >"$0" && exec "$@"', str(self._folder / "cgroup.procs"), *command]

    def throttled_s(self) -> float:
        """How long the group has had to wait for its next period since it was made."""
        fields = dict(line.split() for line in (self._folder / "cpu.stat").read_text().splitlines())
        return int(fields["throttled_time"]) / 1e9

    def _write(self, name: str, value: int) -> None:
        (self._folder / name).write_text(str(value))

    def _remove(self) -> None:
        by = time.monotonic() + _GONE_WITHIN_S
        while self._folder.is_dir():
            for pid in (self._folder / "cgroup.procs").read_text().split():
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    pass
            try:
                self._folder.rmdir()
            except OSError:
                if time.monotonic() > by:
                    raise
                time.sleep(0.01)


def _controller() -> Path:
    for line in Path("/proc/mounts").read_text().splitlines():
        _, folder, kind, options, *_ = line.split()
        if kind == "cgroup" and "cpu" in options.split(","):
            return Path(folder)
    raise NoQuotaError("no cpu controller of cgroup version 1 is mounted")
