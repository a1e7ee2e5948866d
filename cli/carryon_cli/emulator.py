from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

from carryon_cli import cache
from carryon_cli.errors import CommandError
from carryon_cli.function import REGION
from carryon_cli.server import Server, free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from carryon_cli.function import Function


class Emulator(Server):
    """AWS's Runtime Interface Emulator: one environment, which it really kills at the deadline, and no chain.

    Args:
        folder: for temporary files; removed at the end.
        function: what to run.
        say: told what takes a while.

    Raises:
        CommandError: it cannot be installed.
    """

    def __init__(self, folder: Path, function: Function, say: Callable[[str], None]) -> None:
        command = cache.emulator(say)
        bootstrap = folder / "bootstrap"
        bootstrap.write_text(function.bootstrap)
        bootstrap.chmod(0o755)
        port, api_port = free_port(), free_port()
        environment = {
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(function.timeout_s),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
            "AWS_REGION": REGION,
            "_HANDLER": function.handler,
        }
        addresses = ["--runtime-interface-emulator-address", f"127.0.0.1:{port}"]
        addresses += ["--runtime-api-address", f"127.0.0.1:{api_port}"]
        super().__init__([command, *addresses, bootstrap], environment, port, folder)

    def invoke(self, event: bytes) -> None:
        """Send the event, without waiting for what becomes of it.

        Raises:
            CommandError: the emulator does not start.
        """
        self.wait_until(self._listens)
        threading.Thread(target=self._send, args=(event,), daemon=True).start()

    def _send(self, event: bytes) -> None:
        try:
            self.call("POST", "/2015-03-31/functions/function/invocations", event)
        except (OSError, CommandError):
            pass  # the environment's own answer, or its end, has been recorded

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
