"""What comes of a request, whatever the other side does: answered, surely not sent, or in doubt."""

import socket
import ssl
import struct
import threading
import time
from pathlib import Path

import botocore.httpsession
import pytest

from carryon.aws import tls
from carryon.aws.endpoints import Unknown, Url
from carryon.aws.http1 import Connection, NotAnswered, NotConnected, NotTrusted, ProxyFailed
from tests.support.certificates import Authority

OK = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
CLOSE, RESET, HANG, DROP = "close", "reset", "hang", "drop"


class Peer:
    """Listens on loopback. For each request in turn it sends the parts of an answer, or does what a word says.

    DROP closes a connection when it is made, or after the answer before.
    """

    def __init__(self, *answers, context=None):
        self.requests = []
        self.connections = 0
        self.dropped = threading.Event()
        self._answers = list(answers)
        self._context = context
        self._end = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = Url("https" if context else "http", "localhost", self.port)
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._end.set()
        self._listener.close()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve_one, args=(connection,), daemon=True).start()

    def _serve_one(self, connection):
        with connection:
            try:
                self._talk(connection)
            except OSError:
                pass

    def _talk(self, connection):
        if self._context:
            connection = self._context.wrap_socket(connection, server_side=True)
        with connection:
            while self._answers:
                if self._answers[0] == DROP:
                    self._answers.pop(0)
                    break
                request = read_request(connection)
                if request is None:
                    return
                self.requests.append(request)
                parts = self._answers.pop(0)
                for part in parts if isinstance(parts, tuple) else (parts,):
                    if part == RESET:
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        return
                    if part == CLOSE:
                        return
                    if part == HANG:
                        self._end.wait(20)
                        return
                    connection.sendall(part)
                    time.sleep(0.001)
        self.dropped.set()


def read_request(connection):
    received = b""
    while b"\r\n\r\n" not in received:
        some = connection.recv(65536)
        if not some:
            return None
        received += some
    head, _, body = received.partition(b"\r\n\r\n")
    length = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length")]
    while len(body) < sum(length):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


OPENED = []


def client(*arguments, **options):
    """A connection that is closed when its test is over."""
    OPENED.append(Connection(*arguments, **options))
    return OPENED[-1]


@pytest.fixture(autouse=True)
def _closed():
    yield
    while OPENED:
        OPENED.pop().close()


def post(connection, body=b"{}", within_s=5, **options):
    return connection.request("POST", "/x?a=1", {"Host": "h"}, body, time.monotonic() + within_s, **options)


def test_a_request_is_sent_whole():
    """Line, headers, length and body, also of a megabyte."""
    with Peer(OK, OK) as peer:
        connection = client(peer.url)
        post(connection)
        large = b"x" * (1 << 20)
        post(connection, large)

    assert peer.requests[0] == b"POST /x?a=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"
    assert peer.requests[1].endswith(b"\r\n\r\n" + large)
    assert peer.connections == 1


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (OK, 202, b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        ((b"HTTP/1.1 100 Continue\r\n\r\n", OK), 202, b""),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100\r\n\r\n" + OK, 202, b""),
        (b"HTTP/1.1 404 Not Found\r\ncontent-length:  5 \r\n\r\nhello", 404, b"hello"),
        (tuple(bytes([byte]) for byte in b"HTTP/1.1 400 Bad\r\nContent-Length: 2\r\n\r\nno"), 400, b"no"),
        (
            b"HTTP/1.1 429\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n",
            429,
            b"abcde",
        ),
        (
            (b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n01234", b"56789\r\n0\r\n\r\n"),
            500,
            b"0123456789",
        ),
        ((b"HTTP/1.1 503 Slow\r\nConnection: close\r\n\r\nto the", b" end", CLOSE), 503, b"to the end"),
        ((b"HTTP/1.0 400 Old\r\n\r\nend", CLOSE), 400, b"end"),
        (b"HTTP/1.1 301 Moved\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n", 301, b""),
    ],
)
def test_answers_are_read_to_their_end(answer, status, body):
    """However their end is told; and the next request is answered as well."""
    with Peer(answer, OK) as peer:
        connection = client(peer.url)
        first = post(connection)
        second = post(connection)

    assert (first.status, first.body) == (status, body)
    assert (second.status, len(peer.requests)) == (202, 2)
    assert peer.connections == 1 + (isinstance(answer, tuple) and CLOSE in answer)


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\n", "\r"])
def test_a_header_is_one_line(value):
    """Nothing is sent where it is more."""
    with Peer(OK) as peer:
        with pytest.raises(ValueError, match="more than one line"):
            client(peer.url).request("POST", "/", {"X-Amz-Tenant-Id": value}, b"", time.monotonic() + 5)
        assert peer.connections == 0


def test_headers_are_found_by_their_names():
    """In any case; of several of one name all, and a line may go on in the next."""
    with Peer(b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a:2\r\nX-B: one\r\n two\r\nContent-Length: 0\r\n\r\n") as peer:
        headers = post(client(peer.url)).headers

    assert (headers["x-a"], headers["x-b"]) == ("1, 2", "one two")


@pytest.mark.parametrize("answer", [b"HTTP/1.1 202 Accepted\r\nContent-Length: 9\r\n\r\n", b"HTTP/1.1 202 \r\n\r\n"])
def test_nobody_waits_for_a_body_that_is_not_needed(answer):
    """Its end may never come, and the next request has a connection of its own."""
    with Peer((answer, HANG), OK) as peer:
        connection = client(peer.url)
        assert post(connection, is_status_enough=True).status == 202
        assert connection._socket is None


@pytest.mark.parametrize(
    "answer",
    [
        CLOSE,
        RESET,
        (b"HTTP/1.1 202 Acc", CLOSE),
        (b"HTTP/1.1 202 Accepted\r\nContent-Le", RESET),
        (b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n", CLOSE),
        (b"HTTP/1.1 100 Continue\r\n\r\n", CLOSE),
        (b"HTTP/1.1 400 Bad\r\nContent-Length: 5\r\n\r\nab", CLOSE),
        (b"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", CLOSE),
        b"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\nno\r\n",
        b"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n",
        b"HTTP/1.1 400 Bad\r\nContent-Length: 99999999999\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 099 x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"x" * 70_000,
        b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 20_000,
    ],
    ids=range(16),
)
def test_what_was_sent_and_not_answered_is_in_doubt(answer):
    """And is never sent again."""
    with Peer(answer, OK) as peer, pytest.raises(NotAnswered):
        post(client(peer.url), is_status_enough=True)

    assert len(peer.requests) == 1


def test_an_answer_that_comes_too_late_is_in_doubt():
    """After the time that there is."""
    with Peer(HANG) as peer, pytest.raises(NotAnswered, match="timed out"):
        post(client(peer.url), within_s=0.05)


def test_an_early_refusal_is_read():
    """Of a server that has not read all of the request when it answers and closes."""
    refusal = b"HTTP/1.1 413 Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    listener = socket.create_server(("127.0.0.1", 0))

    def refuse():
        connection, _ = listener.accept()
        connection.recv(1000)
        connection.sendall(refusal)
        connection.shutdown(socket.SHUT_WR)
        # Until the other side is done: to close with data unread is a reset, which takes the answer with it.
        while connection.recv(1 << 16):
            pass
        connection.close()

    threading.Thread(target=refuse, daemon=True).start()
    with listener:
        response = post(client(Url("http", "127.0.0.1", listener.getsockname()[1])), b"x" * (4 << 20))

    assert response.status == 413


def test_a_connection_that_was_closed_while_idle_is_made_anew():
    """Between two requests, by either side's word or none; `begin` is called before each that is sent."""
    begun = []
    for first in (
        OK,
        OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    ):
        with Peer(first, DROP, OK) as peer:
            connection = client(peer.url)
            connection.connect(time.monotonic() + 5)
            post(connection)
            assert peer.dropped.wait(5)
            assert post(connection, begin=lambda: begun.append(1)).status == 202
            assert (len(peer.requests), peer.connections) == (2, 2)
    assert len(begun) == 3


def test_what_nobody_asked_for_ends_a_connection():
    """An answer too many would be taken for that of the next request."""
    with Peer(OK + b"HTTP/1.1 500 Late\r\nContent-Length: 0\r\n\r\n", OK) as peer:
        connection = client(peer.url)
        post(connection)
        assert post(connection).status == 202
        assert peer.connections == 2


def test_a_connection_that_breaks_at_the_first_byte_is_tried_once_more(monkeypatch):
    """It was closed after the look at it: nothing was sent, and what `begin` has said stays true."""

    def is_alive(connection):
        return True

    monkeypatch.setattr(Connection, "_is_alive", is_alive)
    with Peer(OK) as peer:
        connection = client(peer.url)
        connection.connect(time.monotonic() + 5)
        connection._socket.shutdown(socket.SHUT_WR)
        assert post(connection).status == 202
        assert len(peer.requests) == 1


def test_what_begin_raises_ends_all():
    """Nothing is sent: the job is another's."""
    with Peer(OK, OK) as peer:
        connection = client(peer.url)

        def give_up():
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            post(connection, begin=give_up)
        assert peer.requests == []
        assert post(connection).status == 202


def test_nobody_there_is_no_doubt():
    """Refused, no such host, or no answer at all to the attempt to connect."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        for host, port in (("127.0.0.1", taken.getsockname()[1]), ("no-such-host.invalid", 1)):
            with pytest.raises(NotConnected, match=host):
                post(client(Url("http", host, port)))


def test_a_proxy_forwards():
    """It is told the whole URL, and the host's own name."""
    with Peer(OK) as proxy:
        connection = client(Url("http", "lambda.example", 4566), Url("http", "localhost", proxy.port))
        assert post(connection).status == 202

    assert proxy.requests[0].startswith(b"POST http://lambda.example:4566/x?a=1 HTTP/1.1\r\n")


def test_a_proxy_that_cannot_be_reached():
    """Nothing was sent."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        proxy = Url("http", "127.0.0.1", taken.getsockname()[1])
        for scheme in ("http", "https"):
            with pytest.raises(ProxyFailed, match=r"127\.0\.0\.1"):
                post(client(Url(scheme, "lambda.example", 443), proxy))


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 407 Auth\r\n\r\n", b"HTTP/1.1 503 Down\r\n\r\n", CLOSE, b"what?\r\n\r\n"]
)
def test_a_proxy_that_lets_nobody_through(answer, authority):
    """Nothing was sent."""
    with Peer(answer) as proxy:
        connection = client(
            Url("https", "lambda.example", 443), Url("http", "127.0.0.1", proxy.port), trusting(authority)
        )
        with pytest.raises(ProxyFailed):
            post(connection)

    assert proxy.requests == [b"CONNECT lambda.example:443 HTTP/1.1\r\nHost: lambda.example:443\r\n\r\n"]


def trusting(authority):
    return tls.Trust({"AWS_CA_BUNDLE": str(authority.bundle)})


@pytest.fixture(name="authority", scope="module")
def _authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


def test_a_certificate_that_is_right(authority):
    """Of TLS 1.2 and 1.3; kept, closed and made anew as a connection without TLS."""
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = authority.context()
        context.maximum_version = version
        with Peer(OK, OK, DROP, OK, context=context) as peer:
            connection = client(peer.url, trust=trusting(authority))
            connection.connect(time.monotonic() + 5)
            for _ in range(2):
                assert post(connection).status == 202
            assert peer.connections == 1
            assert peer.dropped.wait(5)
            assert post(connection, b"x" * (1 << 20)).status == 202
            assert peer.connections == 2
            assert peer.requests[2].endswith(b"x" * (1 << 20))


@pytest.mark.parametrize(
    ("certificate", "why"),
    [
        ("expired", "certificate has expired"),
        ("other_name", "Hostname mismatch, certificate is not valid for 'localhost'"),
    ],
)
def test_a_certificate_that_is_wrong(certificate, why, authority):
    """Refused, and said so; nothing is sent."""
    with Peer(OK, context=authority.context(certificate)) as peer, pytest.raises(NotTrusted, match=why):
        post(client(peer.url, trust=trusting(authority)))
    assert peer.requests == []


def test_a_certificate_of_nobody_who_is_known(authority, monkeypatch):
    """Refused after all of the usual bundle was read, and said so; accepted where the bundle has its issuer."""
    with Peer(OK, OK, context=authority.context()) as peer:
        trust = tls.Trust({})
        with pytest.raises(NotTrusted, match=r"localhost.*certificate verify failed"):
            post(client(peer.url, trust=trust))
        assert trust.is_whole
        assert peer.requests == []
        assert peer.connections == 2

        larger = authority.folder / "larger.pem"
        larger.write_bytes(Path(tls._usual_bundle()).read_bytes() + authority.bundle.read_bytes())
        monkeypatch.setattr(tls, "_usual_bundle", lambda: str(larger))
        assert post(client(peer.url, trust=tls.Trust({}))).status == 202
        # REQUESTS_CA_BUNDLE comes after AWS_CA_BUNDLE.
        env = {"AWS_CA_BUNDLE": str(authority.bundle), "REQUESTS_CA_BUNDLE": "/nonexistent"}
        assert post(client(peer.url, trust=tls.Trust(env))).status == 202


def test_through_a_proxy_the_host_is_verified(authority):
    """TLS is with the host, and its certificate has to be the host's."""

    class Tunnel(Peer):
        def _talk(self, connection):
            self.requests.append(read_request(connection))
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            super()._talk(connection)

    with Tunnel(OK, OK, context=authority.context()) as proxy:
        by = Url("http", "127.0.0.1", proxy.port)
        assert post(client(Url("https", "localhost", 443), by, trusting(authority))).status == 202
        with pytest.raises(NotTrusted, match=r"not valid for 'lambda\.example'"):
            post(client(Url("https", "lambda.example", 443), by, trusting(authority)))
    assert proxy.requests[1].startswith(b"POST /x?a=1 HTTP/1.1\r\n")


def test_who_does_not_talk_tls(authority):
    """Refused at once; one that breaks off may do better the next time."""
    with Peer(b"HTTP/1.1 400 Bad Request\r\n\r\n") as peer, pytest.raises((NotTrusted, NotConnected)):
        post(client(Url("https", "localhost", peer.port), trust=trusting(authority)), within_s=1)
    for word in (CLOSE, RESET):
        listener = socket.create_server(("127.0.0.1", 0))

        def break_off(listener=listener, word=word):
            connection, _ = listener.accept()
            connection.recv(10_000)
            if word == RESET:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

        threading.Thread(target=break_off, daemon=True).start()
        with listener, pytest.raises(NotConnected, match="handshake"):
            post(client(Url("https", "localhost", listener.getsockname()[1]), trust=trusting(authority)))


def test_the_context_is_as_botocore_makes_it(authority):
    """Versions, options, flags and the verifying; only names are verified by OpenSSL here, and by urllib3 there."""
    theirs, ours = botocore.httpsession.create_urllib3_context(), trusting(authority)._make()

    for name in ("options", "verify_flags", "minimum_version", "maximum_version", "verify_mode", "post_handshake_auth"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert [cipher["name"] for cipher in ours.get_ciphers()] == [cipher["name"] for cipher in theirs.get_ciphers()]
    assert ours.check_hostname


def test_the_usual_bundle_is_botocores():
    """Certifi's, or its own; and Amazon's roots are found in it."""
    assert tls._usual_bundle() == botocore.httpsession.where()
    assert tls._amazon(tls._usual_bundle()).count(b"BEGIN CERTIFICATE") >= 5


@pytest.mark.parametrize(
    ("env", "why"),
    [({"AWS_CA_BUNDLE": " "}, "AWS_CA_BUNDLE"), ({"REQUESTS_CA_BUNDLE": ""}, "REQUESTS_CA_BUNDLE"),
     ({"SSLKEYLOGFILE": "/tmp/keys"}, "SSLKEYLOGFILE")],
)  # fmt: skip
def test_what_only_botocore_knows_of_trust(env, why):
    """Or refuses."""
    with pytest.raises(Unknown, match=why):
        tls.Trust(env)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_bundle_that_is_none(content, tmp_path, authority):
    """Nothing is sent, and the file is named."""
    bundle = tmp_path / "bundle.pem"
    if content:
        bundle.write_text(content)
    with Peer(OK, context=authority.context()) as peer, pytest.raises(NotTrusted, match=str(bundle)):
        post(client(peer.url, trust=tls.Trust({"AWS_CA_BUNDLE": str(bundle)})))
