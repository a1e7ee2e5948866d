"""A proxy in front of the local AWS services that fails as it is told.

    with FaultyProxy(ministack.port) as proxy:
        proxy.plan("throttle", "throttle")

The next two requests are answered with 429; those after them pass.
"""

from __future__ import annotations

import http.client
import http.server
import json
import threading

_ERRORS = {
    "throttle": (429, "TooManyRequestsException", "Rate exceeded"),
    "fail": (500, "ServiceException", "Internal failure"),
    "deny": (403, "AccessDeniedException", "not authorized to perform lambda:InvokeFunction"),
}


class FaultyProxy(http.server.ThreadingHTTPServer):
    """Passes requests on to a loopback port, faults aside; `outcomes` has a word for each, in order.

    passed: went through; throttle, fail, deny: answered with that error; lost: went through, and the connection was
    closed instead of the answer.
    """

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.upstream = port
        self.outcomes: list[str] = []
        self.always: str | None = None
        self._planned: list[str] = []
        self._lock = threading.Lock()

    def plan(self, *faults: str) -> None:
        """Have the next requests end so: throttle, fail, deny, lost or passed."""
        with self._lock:
            self._planned += faults

    def next_outcome(self) -> str:
        with self._lock:
            outcome = self._planned.pop(0) if self._planned else self.always or "passed"
            self.outcomes.append(outcome)
            return outcome

    def __enter__(self) -> FaultyProxy:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay quiet: callers that give up in the middle are part of the tests."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        outcome = self.server.next_outcome()
        if outcome in _ERRORS:
            status, code, message = _ERRORS[outcome]
            answer = json.dumps({"Type": "User", "Message": message}).encode()
            self._answer(status, {"X-Amzn-ErrorType": code, "Content-Type": "application/json"}, answer)
            return
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        connection = http.client.HTTPConnection("127.0.0.1", self.server.upstream)
        try:
            connection.request("POST", self.path, body, headers)
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if outcome == "lost":
            self.close_connection = True
            return
        skipped = ("connection", "content-length", "transfer-encoding")
        self._answer(response.status, {k: v for k, v in response.getheaders() if k.lower() not in skipped}, answer)

    def _answer(self, status, headers, body):
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        """Stay quiet."""
