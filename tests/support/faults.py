"""A proxy in front of the local AWS services that fails as it is told, in the shape of the service that was asked.

    with FaultyProxy(ministack.port) as proxy:
        proxy.plan("throttle", "throttle")

The next two requests are throttled; those after them pass. Or, for a whole run of them, by seed:

        fates = Plan(7, {"throttle": 0.1, "lost": 0.05})
        proxy.decide = lambda request: fates.fault(request.service, request.operation, request.number)
"""

from __future__ import annotations

import http.client
import http.server
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from .connections import reset

LATE_S = 0.3

_JSON = "application/x-amz-json-1.0"
_XML = "<Error><Code>{code}</Code><Message>{message}</Message></Error>"
# Of each service what it answers when it throttles, fails and denies: status, error code, message.
_ERRORS = {
    "lambda": {
        "throttle": (429, "TooManyRequestsException", "Rate exceeded"),
        "fail": (500, "ServiceException", "Internal failure"),
        "deny": (403, "AccessDeniedException", "not authorized to perform lambda:InvokeFunction"),
    },
    "dynamodb": {
        "throttle": (400, "ProvisionedThroughputExceededException", "The level of throughput was exceeded"),
        "fail": (500, "InternalServerError", "Internal failure"),
        "deny": (400, "AccessDeniedException", "not authorized to perform this operation"),
    },
    "s3": {
        "throttle": (503, "SlowDown", "Please reduce your request rate."),
        "fail": (500, "InternalError", "We encountered an internal error. Please try again."),
        "deny": (403, "AccessDenied", "Access Denied"),
    },
    "sqs": {
        "throttle": (400, "RequestThrottled", "Request is throttled."),
        "fail": (500, "InternalFailure", "Internal failure"),
        "deny": (403, "AccessDenied", "Access to the resource is denied."),
    },
}
_TARGETS = {"DynamoDB_20120810": "dynamodb", "AmazonSQS": "sqs", "AmazonSSM": "ssm", "secretsmanager": "secretsmanager"}
_INVOKE = re.compile(r"/2015-03-31/functions/[^/]+/invocations")


class Request(NamedTuple):
    """A request that arrived: lambda, dynamodb, s3, sqs...; Invoke, UpdateItem, PUT...; which of its kind, from 0."""

    service: str
    operation: str
    number: int
    path: str
    body: bytes


class FaultyProxy(http.server.ThreadingHTTPServer):
    """Passes requests on to a loopback port, faults aside; `outcomes` has a word for each, in order.

    passed: went through; late: the same, a moment later; twice: went through two times; throttle, fail, deny: answered
    with that error; reset: the connection was reset before the request went through; lost: after that, instead of the
    answer. `counts` has them by (service, operation, outcome). `decide`, where set, is asked about each request that
    nothing was planned for.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.upstream = port
        self.outcomes: list[str] = []
        self.counts: Counter[tuple[str, str, str]] = Counter()
        self.always: str | None = None
        self.decide: Callable[[Request], str] | None = None
        self._planned: list[str] = []
        self._seen: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def plan(self, *faults: str) -> None:
        """Have the next requests end so: throttle, fail, deny, reset, lost, late, twice or passed."""
        with self._lock:
            self._planned += faults

    def next_outcome(self, service: str, operation: str, path: str, body: bytes) -> str:
        with self._lock:
            request = Request(service, operation, self._seen[service, operation], path, body)
            self._seen[service, operation] += 1
            if self._planned:
                outcome = self._planned.pop(0)
            elif self.always or not self.decide:
                outcome = self.always or "passed"
            else:
                outcome = self.decide(request)
            self.outcomes.append(outcome)
            self.counts[service, operation, outcome] += 1
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
    server: FaultyProxy

    def do_POST(self) -> None:
        body = self._read_body()
        service, operation = self._asked()
        outcome = self.server.next_outcome(service, operation, self.path, body)
        if outcome == "reset":
            reset(self)
            return
        if outcome in ("throttle", "fail", "deny"):
            self._answer_error(service, outcome)
            return
        if outcome == "late":
            time.sleep(LATE_S)
        if outcome == "twice":
            self._pass_on(body)
        status, headers, answer = self._pass_on(body)
        if outcome == "lost":
            reset(self)
            return
        self._answer(status, headers, answer)

    do_GET = do_PUT = do_DELETE = do_HEAD = do_POST  # noqa: N815 the base class looks for these names

    def handle_expect_100(self) -> bool:
        """Answer at once: what is kept in the buffer lets the caller wait for a second."""
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def _asked(self) -> tuple[str, str]:
        service, _, operation = self.headers.get("X-Amz-Target", "").partition(".")
        if operation:
            return _TARGETS.get(service, service), operation
        if _INVOKE.fullmatch(self.path.partition("?")[0]):
            return "lambda", "Invoke"
        return ("lambda" if self.path.startswith("/20") else "s3"), self.command

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _pass_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        skipped = ("host", "connection", "transfer-encoding", "content-length", "expect")
        headers = {name: value for name, value in self.headers.items() if name.lower() not in skipped}
        connection = http.client.HTTPConnection("127.0.0.1", self.server.upstream)
        try:
            connection.request(self.command, self.path, body, headers)
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        skipped = ("connection", "transfer-encoding", *(() if self.command == "HEAD" else ("content-length",)))
        return response.status, {k: v for k, v in response.getheaders() if k.lower() not in skipped}, answer

    def _answer_error(self, service: str, kind: str) -> None:
        status, code, message = _ERRORS.get(service, _ERRORS["dynamodb"])[kind]
        if service == "lambda":
            answer = json.dumps({"Type": "User", "Message": message})
            self._answer(status, {"X-Amzn-ErrorType": code, "Content-Type": "application/json"}, answer.encode())
        elif service == "s3":
            content = b"" if self.command == "HEAD" else _XML.format(code=code, message=message).encode()
            self._answer(status, {"Content-Type": "application/xml"}, content)
        else:
            answer = json.dumps({"__type": f"com.amazonaws.{service}#{code}", "message": message})
            self._answer(status, {"Content-Type": _JSON}, answer.encode())

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "content-length" not in map(str.lower, headers):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Stay quiet."""
