from __future__ import annotations

import http.client
import http.server
import re
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_REQUEST_ID = "lambda-runtime-aws-request-id"
_HOP_BY_HOP = {"connection", "content-length", "date", "host", "keep-alive", "server", "transfer-encoding"}


class RuntimeApi(http.server.ThreadingHTTPServer):
    """A Runtime API on a free loopback port that passes everything on to the real one.

    Args:
        upstream: host and port of the real one.
        received: called with the request id, the deadline (seconds since the epoch) and the event before a runtime
            gets it.
        answered: called with the request id (None for an error of initialisation), whether it is a response and not
            an error, and the body, when the real one has accepted it.
        rename: called with the request id and the event first of all; the runtime, and everybody here, knows the
            invocation by the id that it returns.
    """

    daemon_threads = True

    def __init__(
        self,
        upstream: str,
        received: Callable[[str, float, bytes], None],
        answered: Callable[[str | None, bool, bytes], None],
        rename: Callable[[str, bytes], str] = lambda request_id, _: request_id,
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.address = f"127.0.0.1:{self.server_port}"
        self.upstream = upstream
        self.received = received
        self.answered = answered
        self.rename = rename
        self.real_ids: dict[str, str] = {}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay quiet about lost connections: runtimes and platforms are killed as a matter of course."""
        if not isinstance(sys.exc_info()[1], (OSError, http.client.HTTPException)):
            super().handle_error(request, client_address)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body in one segment: two would wait for each other's acknowledgement, 40 ms per invocation.
    wbufsize = -1
    server: RuntimeApi

    def do_GET(self) -> None:
        self._pass_on()

    def do_POST(self) -> None:
        self._pass_on()

    def _pass_on(self) -> None:
        body = self._read_body()
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        if self.path.endswith("/runtime/init/error"):
            # Not afterwards: the platform may end the environment, and itself in it, before it answers.
            self.server.answered(None, False, body)
        match = re.fullmatch(r"(.*/runtime/invocation/)([^/]+)(/(response|error))", self.path)
        path = f"{match[1]}{self.server.real_ids.get(match[2], match[2])}{match[3]}" if match else self.path
        # No timeout: GET next waits until there is an event.
        connection = http.client.HTTPConnection(self.server.upstream)
        try:
            connection.request(self.command, path, body, headers)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        if match and response.status < 300:
            self.server.answered(match[2], match[4] == "response", body)
        real_id = response.getheader(_REQUEST_ID)
        request_id = ""
        if real_id:
            request_id = self.server.rename(real_id, content)
            self.server.real_ids[request_id] = real_id
            deadline_s = int(response.getheader("Lambda-Runtime-Deadline-Ms") or 0) / 1000
            self.server.received(request_id, deadline_s, content)
        self.send_response_only(response.status)
        for name, value in response.getheaders():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, request_id if name.lower() == _REQUEST_ID else value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _read_body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while True:
            size = int(self.rfile.readline().split(b";")[0], 16)
            body += self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                return body

    def log_message(self, *_: object) -> None:
        """Stay quiet: what matters is recorded."""
