from __future__ import annotations

import http.client
import os
import socket
import time
from typing import TYPE_CHECKING

from carryon_cli.errors import CommandError
from carryon_cli.processes import Kept

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_START_S = 60.0


class Server(Kept):
    """A kept process that listens on `port` of the loopback interface.

    Args:
        command: what to run.
        environment: its variables, besides PATH.
        port: where it will listen.
        folder: removed after the last process has ended.
    """

    def __init__(self, command: Sequence[str | Path], environment: Mapping[str, str], port: int, folder: Path) -> None:
        super().__init__(command, {"PATH": os.environ.get("PATH", os.defpath), **environment}, folder)
        self.port = port

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Ask until it is ready.

        Raises:
            CommandError: it has ended, or is not ready after a minute.
        """
        deadline = time.monotonic() + _START_S
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise CommandError(f"the local platform does not get ready:\n{self.last_words()}")
            time.sleep(0.02)

    def check(self) -> None:
        """Look whether it is there.

        Raises:
            CommandError: it has ended.
        """
        status = self.poll()
        if status is not None:
            raise CommandError(f"the local platform has ended with status {status}:\n{self.last_words()}")

    def call(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> bytes:
        """Send an HTTP request and return the body of the answer.

        Raises:
            OSError: nobody answers.
            CommandError: the answer is an error.
        """
        # http.client and not boto3: no proxy, profile or endpoint of the developer's can get in between.
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status >= 300:
            raise CommandError(f"{method} {path}: {response.status} {answer.decode(errors='replace')}")
        return answer


def free_port() -> int:
    """Return a port of the loopback interface on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
