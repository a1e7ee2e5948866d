"""Answer an invocation in the runtime's place."""

from __future__ import annotations

# The C part: all of socket costs 4 ms, http.client 28 ms, at 128 MB fourteen times that and in the margin.
import _socket
import json
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ACCEPTED = 202

_TIMEOUT_S = 2.0
# Of a request that was not sent, or not to its end.
_TRIES = 3
_TRY_AGAIN_S = 0.01
_PORT = 80


class UnreachableError(OSError):
    """The request was not sent, or not to its end."""


def post_response(request_id: str, invocation_id: str | None, answer: Any) -> int:
    """Post an invocation's result. Returns the HTTP status: 202, or 4xx where there is an answer already.

    Raises:
        UnreachableError: it could not be sent.
        OSError: nobody knows whether it has arrived.
    """
    return _post(f"/invocation/{request_id}/response", json.dumps(answer).encode(), invocation_id, {})


def post_error(request_id: str, invocation_id: str | None, error: dict[str, Any]) -> int:
    """Post an invocation's error, `errorType`, `errorMessage` and what else; otherwise as `post_response`."""
    headers = {"Lambda-Runtime-Function-Error-Type": error["errorType"]}
    return _post(f"/invocation/{request_id}/error", json.dumps(error).encode(), invocation_id, headers)


def _post(path: str, body: bytes, invocation_id: str | None, headers: dict[str, str]) -> int:
    address = os.environ["AWS_LAMBDA_RUNTIME_API"]
    host, _, port = address.partition(":")
    headers = {"Host": address, "Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
    headers["Connection"] = "close"
    if invocation_id:
        headers["Lambda-Runtime-Invocation-Id"] = invocation_id
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = f"POST /2018-06-01/runtime{path} HTTP/1.1\r\nConnection: close\r\n{head}\r\n".encode() + body
    connection = _sent(host, int(port or _PORT), request)
    try:
        status_line = b""
        while b"\n" not in status_line:
            received = connection.recv(4_096)
            if not received:
                raise OSError("the runtime API closed the connection without an answer")
            status_line += received
    finally:
        connection.close()
    return int(status_line.split()[1])


def _sent(host: str, port: int, request: bytes) -> _socket.socket:
    """A connection on which all of the request was sent; what was sent in part is none."""
    tries = 0
    while True:
        connection = None
        try:
            connection = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
            connection.settimeout(_TIMEOUT_S)
            connection.connect((host, port))
            connection.sendall(request)
            return connection
        except OSError as error:
            if connection is not None:
                connection.close()
            tries += 1
            if tries == _TRIES:
                raise UnreachableError(*error.args) from None
            time.sleep(_TRY_AGAIN_S)
