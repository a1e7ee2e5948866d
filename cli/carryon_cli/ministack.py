from __future__ import annotations

import base64
import io
import json
import zipfile
from typing import TYPE_CHECKING

from carryon_cli import cache
from carryon_cli.errors import CommandError
from carryon_cli.server import Server, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from carryon_cli.function import Function


class Ministack(Server):
    """Lambda, SQS, S3, DynamoDB and more in one process; it delivers continuations as Lambda does.

    Args:
        folder: for its temporary files; removed at the end.
        say: told what takes a while.
        variables: more of its environment variables.

    Raises:
        CommandError: it cannot be installed.
    """

    def __init__(self, folder: Path, say: Callable[[str], None], variables: Mapping[str, str] | None = None) -> None:
        command = cache.ministack(say)
        port = free_port()
        environment = {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "LOG_LEVEL": "WARNING",
            "HOME": str(folder),
            "TMPDIR": str(folder),
            # It would remove what earlier runs of it have left in the developer's engine.
            "DOCKER_HOST": f"unix://{folder}/none",
            **(variables or {}),
        }
        super().__init__([command], environment, port, folder)
        self._function = ""
        self.endpoint = f"http://127.0.0.1:{port}"

    def create(self, function: Function) -> None:
        """Wait until it is up and give it the function.

        Raises:
            CommandError: it does not start, or refuses.
        """
        self.wait_until(self.is_up)
        self._function = function.name
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as code:
            code.writestr("bootstrap", function.bootstrap)
        configuration = {
            "FunctionName": function.name,
            "Runtime": "provided.al2023",
            "Role": "arn:aws:iam::000000000000:role/local",
            "Handler": function.handler,
            "Code": {"ZipFile": base64.b64encode(archive.getvalue()).decode()},
            "Timeout": function.timeout_s,
            "MemorySize": function.memory_mb,
            "Environment": {"Variables": dict(function.variables)},
        }
        self.call("POST", "/2015-03-31/functions", json.dumps(configuration).encode())
        # A failed hop ends the chain: retries would only say the same again, a minute later in Lambda.
        path = f"/2019-09-25/functions/{function.name}/event-invoke-config"
        self.call("PUT", path, json.dumps({"MaximumRetryAttempts": 0}).encode())

    def invoke(self, event: bytes) -> None:
        """Send the event and return when it has been accepted.

        Raises:
            CommandError: it is refused.
        """
        path = f"/2015-03-31/functions/{self._function}/invocations"
        self.call("POST", path, event, {"X-Amz-Invocation-Type": "Event"})

    def is_up(self) -> bool:
        """Whether it answers."""
        try:
            self.call("GET", "/_ministack/health")
        except (OSError, CommandError):
            return False
        return True
