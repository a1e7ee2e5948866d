"""What the runtime API says of an answer, as the supervisor understands it."""

import socket
import threading

import pytest

from carryon.supervisor import runtime_api


def answered_with(monkeypatch, *parts):
    """Post an answer to an endpoint that sends these bytes, in that many parts, and closes the connection."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        connection.recv(65_536)
        for part in parts:
            connection.sendall(part)
        connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", f"127.0.0.1:{listener.getsockname()[1]}")
    try:
        return runtime_api.post_response("id", None, {"a": 1})
    finally:
        thread.join()
        listener.close()


def refusal(status, kind, head=b""):
    return b'HTTP/1.1 %d X\r\n%s\r\n{"errorMessage":"no","errorType":"%s"}' % (status, head, kind)


@pytest.mark.parametrize(
    ("parts", "is_first"),
    [
        ([b"HTTP/1.1 202 Accepted\r\n\r\n"], True),
        ([refusal(403, b"InvalidStateTransition")], False),
        ([refusal(400, b"InvalidRequestID")], False),
        ([refusal(400, b"InvalidRequestID", b"Transfer-Encoding: chunked\r\n")], False),
        ([refusal(403, b"InvalidStateTransition")[:60], refusal(403, b"InvalidStateTransition")[60:]], False),
        ([refusal(403, b"Forbidden")], True),
        ([refusal(400, b"InvalidStateTransition")], True),
        ([refusal(413, b"RequestEntityTooLarge")], True),
        ([refusal(500, b"InvalidRequestID")], True),
        ([b"HTTP/1.1 403 Forbidden\r\n\r\n"], True),
    ],
)
def test_only_one_that_says_so_counts_as_answered_by_somebody_else(monkeypatch, parts, is_first):
    """Status and error type, in however many packets and whatever encoding they come."""
    assert answered_with(monkeypatch, *parts) is is_first


@pytest.mark.parametrize("parts", [[], [b"HTTP/1.1 "], [b"nonsense\r\n\r\n"]])
def test_no_answer_is_an_error(monkeypatch, parts):
    """Nobody knows then whether the invocation was answered."""
    with pytest.raises(OSError, match=r"without an answer|reset"):
        answered_with(monkeypatch, *parts)
