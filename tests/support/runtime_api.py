"""A runtime API that forwards to the emulator's, with the paths that it lacks and the refusals that a test asks for."""

from __future__ import annotations

import http.client
import http.server
import json
import threading
from typing import Any

RESTORE = "/2018-06-01/runtime/restore/next"


class RuntimeApi(http.server.ThreadingHTTPServer):
    """Stands between a function and the emulator whose `upstream` port it is told.

    `refuse` is called with a POST's path and body, and returns None for what the emulator says; or a status and an
    error type to answer with in its place, once the emulator has it. `before_answer` is called with path, body and
    status.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = 0
        self.restores = 0
        self.posts: list[tuple[str, bytes, int]] = []
        self.refuse: Any = lambda path, body: None
        self.before_answer: Any = lambda path, body, status: None
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def __exit__(self, *exc: object) -> None:
        self.shutdown()
        super().__exit__(*exc)

    def wrapper(self, folder) -> str:
        """An exec wrapper that leads a function here, for CARRYON_NEXT_WRAPPER."""
        path = folder / "other-wrapper"
        path.write_text(f'#!/bin/sh\nAWS_LAMBDA_RUNTIME_API=127.0.0.1:{self.server_port} exec "$@"\n')
        path.chmod(0o755)
        return str(path)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: RuntimeApi

    def do_GET(self) -> None:
        if self.path == RESTORE:
            self.server.restores += 1
            self._respond(200, {}, b"")
        else:
            self._forward(None)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._forward(body)

    def _forward(self, body: bytes | None) -> None:
        try:
            status, headers, content = self._ask(body)
        except OSError:
            self.close_connection = True  # the emulator has ended
            return
        if body is not None:
            refusal = self.server.refuse(self.path, body)
            if refusal is not None:
                status, headers = refusal[0], {}
                content = json.dumps({"errorMessage": "as asked for", "errorType": refusal[1]}).encode()
            self.server.posts.append((self.path, body, status))
            self.server.before_answer(self.path, body, status)
        self._respond(status, headers, content)

    def _ask(self, body: bytes | None) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.upstream)
        try:
            connection.request(self.command, self.path, body, dict(self.headers))
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    def _respond(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""
