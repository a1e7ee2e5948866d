"""A loopback endpoint that speaks Lambda's Invoke and the old InvokeAsync, counts exactly, and fails as it is told.

    with LambdaApi() as api:
        env = {"AWS_ENDPOINT_URL_LAMBDA": api.url}
        api.fail("TooManyRequestsException", times=2)
        ...
        (call,) = api.accepted

Where the outcome does not have to be a fault, tests use the local AWS services instead.
"""

from __future__ import annotations

import json
import socket
import socketserver
import ssl
import threading
import urllib.parse
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple

from .connections import reset
from .processes import wait_until

# Status of each error as AWS gives it, and the members beside the message.
_ERRORS = {
    "AccessDeniedException": (403, {}),
    "ResourceNotFoundException": (404, {"Type": "User"}),
    "RequestTooLargeException": (413, {"Type": "User"}),
    "TooManyRequestsException": (429, {"Type": "User", "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded"}),
    "RecursiveInvocationException": (400, {"Type": "User"}),
    "InvalidRequestContentException": (400, {"Type": "User"}),
    "InvalidSignatureException": (403, {}),
    "RequestTimeTooSkewed": (403, {}),
    "ServiceException": (500, {"Type": "Service"}),
}


class Call(NamedTuple):
    """One Invoke that arrived: the function named in the path, its headers (names in lower case) and payload."""

    function: str
    path: str
    headers: dict[str, str]
    payload: bytes
    outcome: str

    @property
    def json(self) -> Any:
        """The payload as JSON."""
        return json.loads(self.payload)

    @property
    def invocation_type(self) -> str | None:
        """X-Amz-Invocation-Type: Event, RequestResponse or DryRun."""
        return self.headers.get("x-amz-invocation-type")

    @property
    def trace_id(self) -> str | None:
        """X-Amzn-Trace-Id."""
        return self.headers.get("x-amzn-trace-id")

    @property
    def tenant_id(self) -> str | None:
        """X-Amz-Tenant-Id."""
        return self.headers.get("x-amz-tenant-id")


class LambdaApi:
    """Answers every Invoke with 202, after the faults that were asked for.

    `on_accept`, when set, is called with each accepted Call in the thread that serves it, before the answer.

    Args:
        context: for TLS, with a certificate for localhost.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        self._faults: list[tuple[str, Any]] = []
        self._refusing: list[tuple[str, str]] = []
        self._idle: list[socket.socket] = []
        self._release = threading.Event()
        self.on_accept: Callable[[Call], None] | None = None
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.api = self
        self._server.context = context
        host = "http://127.0.0.1" if context is None else "https://localhost"
        self.url = f"{host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def __enter__(self) -> LambdaApi:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening and let go of every call that hangs."""
        self._release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def calls(self) -> list[Call]:
        """Every Invoke that was read to its end, whatever became of it, in the order of arrival."""
        with self._lock:
            return list(self._calls)

    @property
    def accepted(self) -> list[Call]:
        """The calls that AWS would have acted on: answered 202, or never answered though read."""
        return [call for call in self.calls if call.outcome in ("accepted", "lost")]

    @property
    def outcomes(self) -> list[str]:
        """What became of each call: accepted, lost, refused:ERROR (or :307) or hung."""
        return [call.outcome for call in self.calls]

    def wait_for_calls(self, count: int = 1, timeout_s: float = 20) -> list[Call]:
        """Return the calls once there are at least `count`."""
        wait_until(lambda: len(self.calls) >= count, timeout_s, f"fewer than {count} calls")
        return self.calls

    def fail(self, error: str, *, times: int = 1) -> None:
        """Answer the next calls with an error of AWS, by its name."""
        assert error in _ERRORS, error
        self._plan("fail", error, times)

    def fail_for(self, function: str, error: str) -> None:
        """Answer every call for functions whose ARN has this in it with an error of AWS, by its name."""
        assert error in _ERRORS, error
        self._refusing.append((function, error))

    def delay(self, seconds: float, *, times: int = 1) -> None:
        """Accept the next calls, and answer that late."""
        self._plan("delay", seconds, times)

    def redirect(self, location: str, *, times: int = 1) -> None:
        """Answer the next calls with 307 and a place to go to instead."""
        self._plan("redirect", location, times)

    def write(self, answer: bytes, *, then: str = "keep", times: int = 1) -> None:
        """Accept the next calls, answer with just these bytes, and keep, close or reset the connection after them."""
        self._plan("write", (answer, then), times)

    def drop_idle(self) -> int:
        """Close the connections on which no call is, as a proxy does with those that it finds idle; how many."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.shutdown(socket.SHUT_RDWR)
        return len(idle)

    def hang(self, *, times: int = 1) -> None:
        """Read the next calls and do not answer them until this endpoint is closed; they count as hung."""
        self._plan("hang", None, times)

    def reset_before_reading(self, *, times: int = 1) -> None:
        """Reset the next connections before a byte is read: such a call was not accepted, and is not counted."""
        self._plan("reset_before", None, times)

    def reset_after_reading(self, *, times: int = 1) -> None:
        """Read the next calls and reset their connections: the caller cannot know, and AWS has accepted them (lost)."""
        self._plan("reset_after", None, times)

    def recover(self) -> None:
        """Forget the faults that have not happened yet."""
        with self._lock:
            self._faults.clear()

    def _plan(self, kind: str, value: Any, times: int) -> None:
        with self._lock:
            self._faults += [(kind, value)] * times

    def _next_fault(self, *, of_connection: bool) -> tuple[str, Any]:
        with self._lock:
            if self._faults and (self._faults[0][0] == "reset_before") == of_connection:
                return self._faults.pop(0)
        return "", None

    def _record(self, call: Call) -> None:
        with self._lock:
            self._calls.append(call)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64
    api: LambdaApi
    context: ssl.SSLContext | None

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Make the handshake in the thread of the connection."""
        if self.context is None:
            super().finish_request(request, client_address)
            return
        with self.context.wrap_socket(request, server_side=True) as connection:
            super().finish_request(connection, client_address)

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent: a caller that gives up in the middle is what is tested."""


class _Handler(BaseHTTPRequestHandler):
    # Connections are kept, as AWS keeps them, so that the caller's pool is tested too.
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle_one_request(self) -> None:
        # Wait for the first byte without taking it: a connection made ahead of time is no call yet.
        self.server.api._idle.append(self.connection)
        is_open = self.rfile.peek(1)
        if self.connection in self.server.api._idle:
            self.server.api._idle.remove(self.connection)
        if not is_open:
            self.close_connection = True
            return
        if self.server.api._next_fault(of_connection=True)[0]:
            reset(self)
            return
        super().handle_one_request()

    def do_POST(self) -> None:
        payload = self._read_payload()
        parts = self.path.split("?")[0].split("/")
        is_async = (parts[1:3], parts[4:5]) == (["2014-11-13", "functions"], ["invoke-async"])
        if not is_async and (parts[1:3], parts[4:5]) != (["2015-03-31", "functions"], ["invocations"]):
            self._answer(404, {"Message": "no such operation"}, {"x-amzn-ErrorType": "UnknownOperationException"})
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        if is_async:
            headers["x-amz-invocation-type"] = "Event"
        function = urllib.parse.unquote(parts[3])
        api = self.server.api
        fault, value = api._next_fault(of_connection=False)
        fault, value = next((("fail", error) for part, error in api._refusing if part in function), (fault, value))
        outcomes = {"fail": f"refused:{value}", "redirect": "refused:307", "hang": "hung", "reset_after": "lost"}
        outcome = outcomes.get(fault, "accepted")
        call = Call(function, self.path, headers, payload, outcome)
        api._record(call)
        if fault == "fail":
            status, members = _ERRORS[value]
            self._answer(status, {"Message": f"{value} as asked for", **members}, {"x-amzn-ErrorType": value})
        elif fault == "hang":
            api._release.wait()
            self.close_connection = True
        elif fault == "reset_after":
            reset(self)
        elif fault == "redirect":
            self._answer(307, None, {"Location": value})
        elif fault == "write":
            answer, then = value
            self.wfile.write(answer)
            self.close_connection = then != "keep"
            if then == "reset":
                reset(self)
        else:
            if fault == "delay":
                api._release.wait(value)
            if api.on_accept:
                api.on_accept(call)
            if call.invocation_type == "RequestResponse":
                self._answer(200, {"answered": True}, {"X-Amz-Executed-Version": "$LATEST"})
            else:
                self._answer(202, None, {"X-Amz-Executed-Version": "$LATEST"})

    def _read_payload(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _answer(self, status: int, body: object, headers: dict[str, str]) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 the base class's name
        """Keep the test's output clean."""
