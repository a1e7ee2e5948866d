from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

_KEEPER = Path(__file__).with_name("keeper.py")


class Kept:
    """A command and all its descendants, which end with the `with` block and with this process, however it ends.

    Args:
        command: what to run; its standard input is empty, its output is kept.
        environment: all of its environment variables.
        folder: removed after the last process has ended.
    """

    def __init__(
        self, command: Sequence[str | Path], environment: Mapping[str, str], folder: Path | None = None
    ) -> None:
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 (closed by __exit__)
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", _KEEPER, folder or "", *command],
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            # Ctrl-C in a terminal goes to the whole group: the keeper has to survive it.
            start_new_session=True,
        )

    def poll(self) -> int | None:
        """Return the command's exit status, None while it runs."""
        return self._keeper.poll()

    def wait(self) -> int:
        """Wait until the command has ended, and return its exit status."""
        return self._keeper.wait()

    def output(self) -> str:
        """Return what it has printed so far."""
        self._output.seek(0)
        return self._output.read().decode(errors="replace")

    def last_words(self) -> str:
        """Return the last lines of what it has printed."""
        return "\n".join(self.output().splitlines()[-8:])

    def __enter__(self) -> Kept:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        self._keeper.wait()
        self._output.close()
