"""One connection by HTTP/1.1, and one request at a time on it; by a proxy and by TLS where that is wanted.

Its errors say what matters to somebody who must not send twice: whether anything was sent.
"""

from __future__ import annotations

# The C module: socket takes 3 ms, and http.client 18, to import.
import _socket
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .endpoints import Url
    from .tls import Trust

_READ = 1 << 16
_HEAD_MAX = 1 << 16
_BODY_MAX = 8 << 20
_LEAST_S = 0.001


class NotConnected(Exception):
    """Nobody could be reached; nothing was sent. It may be another time."""


class NotTrusted(Exception):
    """Who was reached is not known to be the right one, or does not talk TLS as we do; nothing was sent."""


class ProxyFailed(Exception):
    """The proxy cannot be reached or does not let anybody through; nothing was sent."""


class NotAnswered(Exception):
    """A request was sent, in part at least, and the answer is not known."""


class _Dropped(Exception):
    """A connection was found closed before a byte was sent on it."""


class _Socket(_socket.socket):
    """TLS wants weak references to it."""


class Response:
    """Status, headers by their names in lower case, and body."""

    def __init__(self, status: int, headers: dict[str, str]) -> None:
        self.status = status
        self.headers = headers
        self.body = b""


class Connection:
    """Made when it is needed, kept while both sides want it, and made anew where the other side has closed it.

    Args:
        url: of the host.
        proxy: that of a proxy, reached by plain TCP.
        trust: what verifies the host, where its URL says https.
    """

    def __init__(self, url: Url, proxy: Url | None = None, trust: Trust | None = None) -> None:
        self._url = url
        self._proxy = proxy
        self._trust = trust
        self._socket: _Socket | None = None
        self._tls: Any = None
        self._received = bytearray()
        # A proxy that forwards is told the whole URL.
        self.prefix = f"{url.scheme}://{url.authority}" if proxy is not None and url.scheme == "http" else ""

    def check(self) -> None:
        """See that the C modules of this Python are those that are known here.

        Raises:
            AttributeError, TypeError: they are not.
        """
        if self._trust is not None:
            unconnected = _Socket()
            try:
                self._trust.wrap(unconnected, self._url.host)
            except OSError:
                pass  # the certificates cannot be read: for the request to say
            finally:
                unconnected.close()

    def connect(self, by: float) -> None:
        """Be connected, whoever has closed the connection meanwhile.

        Args:
            by: on the monotonic clock.

        Raises:
            NotConnected, NotTrusted, ProxyFailed: it is not possible.
        """
        if self._socket is not None and not self._is_alive():
            self.close()
        if self._socket is None:
            try:
                self._connect(by)
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Be not connected."""
        if self._socket is not None:
            self._socket.close()
        self._socket = self._tls = None
        self._received.clear()

    def request(
        self,
        method: str,
        target: str,
        headers: dict[str, str],
        body: bytes,
        by: float,
        begin: Callable[[], None] = lambda: None,
        *,
        is_status_enough: bool = False,
    ) -> Response:
        """Send a request and return its answer.

        Args:
            target: path and query.
            headers: all but Content-Length.
            by: on the monotonic clock.
            begin: called when connected, before the first byte is sent; what it raises ends all.
            is_status_enough: that it has succeeded is all that is wanted to know; the body is not waited for then.

        Raises:
            NotConnected, NotTrusted, ProxyFailed, NotAnswered: as they say.
            ValueError: a header cannot be sent.
        """
        lines = [f"{method} {self.prefix}{target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        if body or method != "GET":
            lines.append(f"Content-Length: {len(body)}")
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError("a header has more than one line")
        content = "\r\n".join((*lines, "", "")).encode() + body
        for is_last in (False, True):
            self.connect(by)
            begin()
            try:
                self._send(content, by)
                response = self._answer(by, is_status_enough)
            except _Dropped as error:
                self.close()
                # Nothing was sent, so it is as if it had been seen before.
                if is_last:
                    raise NotConnected(f"{self._url.authority} closes its connections: {error}") from None
            except BaseException:
                self.close()
                raise
            else:
                return response
        raise AssertionError

    def _connect(self, by: float) -> None:
        url, proxy = self._url, self._proxy
        try:
            self._socket = _open(proxy or url, by)
        except OSError as error:
            if proxy is not None:
                raise ProxyFailed(f"{proxy}: {error}") from None
            raise NotConnected(f"{url.scheme}://{url.authority}: {error}") from None
        if url.scheme != "https":
            return
        if proxy is not None:
            self._tunnel(proxy, by)
        assert self._trust is not None
        import _ssl

        try:
            self._tls = self._trust.wrap(self._socket, url.host)
            self._limit(by)
            self._tls.do_handshake()
        except _ssl.SSLCertVerificationError as error:
            # Its issuer may be one that was not read yet.
            if not self._trust.extend():
                raise NotTrusted(f"{url.authority}: {error}") from None
            self.close()
            self._connect(by)
        except (_ssl.SSLEOFError, _ssl.SSLSyscallError, TimeoutError, ConnectionError) as error:
            raise NotConnected(f"{url.authority}, in the TLS handshake: {error}") from None
        except OSError as error:
            raise NotTrusted(f"{url.authority}: {error}") from None

    def _tunnel(self, proxy: Url, by: float) -> None:
        host = f"[{self._url.host}]" if ":" in self._url.host else self._url.host
        target = f"{host}:{self._url.port}"
        try:
            self._send(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode(), by)
            status, _, _ = self._head(by)
        except (_Dropped, NotAnswered) as error:
            raise ProxyFailed(f"{proxy}: {error}") from None
        if not 200 <= status < 300 or self._received:
            raise ProxyFailed(f"{proxy} has answered {status} to CONNECT {target}")

    def _is_alive(self) -> bool:
        """Whether the other side has neither closed nor said anything."""
        assert self._socket is not None
        if self._received:
            return False
        self._socket.settimeout(0)
        try:
            # Of TLS this takes the tickets that a server has sent.
            (self._tls.read if self._tls is not None else self._socket.recv)(1)
        except BlockingIOError:
            return True
        except OSError as error:
            import _ssl

            return isinstance(error, _ssl.SSLWantReadError)
        return False

    def _limit(self, by: float) -> None:
        assert self._socket is not None
        self._socket.settimeout(max(by - time.monotonic(), _LEAST_S))

    def _send(self, content: bytes, by: float) -> None:
        assert self._socket is not None
        send = self._socket.send if self._tls is None else self._tls.write
        rest = memoryview(content)
        while rest:
            self._limit(by)
            try:
                rest = rest[send(rest) :]
            except OSError as error:
                if len(rest) == len(content) and not isinstance(error, TimeoutError):
                    raise _Dropped(str(error)) from None
                if isinstance(error, ConnectionError):
                    # It may have had enough of the request to refuse it, and have said why.
                    return
                raise NotAnswered(f"it was sent in part to {self._url.authority}: {error}") from None

    def _answer(self, by: float, is_status_enough: bool) -> Response:
        status, headers, is_modern = self._head(by)
        response = Response(status, headers)
        tokens = headers.get("connection", "").lower().replace(" ", "").split(",")
        is_kept = "close" not in tokens if is_modern else "keep-alive" in tokens
        encoding = headers.get("transfer-encoding", "").lower()
        length = headers.get("content-length", "")
        if status in (204, 304) or not encoding and length == "0":
            pass
        elif is_status_enough and status < 300:
            is_kept = False
        elif encoding.endswith("chunked"):
            response.body = self._chunks(by)
        elif length.isdigit() and not encoding:
            response.body = self._take(int(length), by)
        else:
            response.body, is_kept = self._rest(by), False
        if not is_kept:
            self.close()
        return response

    def _head(self, by: float) -> tuple[int, dict[str, str], bool]:
        """Status and headers of the next answer that is final, and whether it is in HTTP/1.1."""
        room = _HEAD_MAX
        while True:
            lines: list[str] = []
            while not lines or lines[-1]:
                line = self._line(by)
                room -= len(line)
                if room < 0:
                    raise NotAnswered(f"the answer of {self._url.authority} has too many headers")
                lines.append(line.decode("latin-1"))
            version, _, rest = lines[0].partition(" ")
            code = rest[:3]
            if not version.startswith("HTTP/1.") or not (code.isdigit() and code.isascii()) or int(code) < 100:
                raise NotAnswered(f"{self._url.authority} has answered something else than HTTP/1")
            if code[0] != "1":
                return int(code), _headers(lines[1:-1]), version != "HTTP/1.0"

    def _chunks(self, by: float) -> bytes:
        body = b""
        while True:
            digits = self._line(by).partition(b";")[0].strip()
            try:
                size = int(digits, 16)
            except ValueError:
                size = -1
            if not 0 <= size <= _BODY_MAX - len(body):
                raise NotAnswered(f"the answer of {self._url.authority} has a chunk of the size {digits[:20]!r}")
            if not size:
                break
            body += self._take(size, by)
            self._line(by)
        while self._line(by):
            pass  # headers that nobody needs
        return body

    def _line(self, by: float) -> bytes:
        while b"\n" not in self._received:
            if len(self._received) > _HEAD_MAX:
                raise NotAnswered(f"the answer of {self._url.authority} has a line without an end")
            self._more(by)
        line, _, rest = bytes(self._received).partition(b"\n")
        self._received[:] = rest
        return line.rstrip(b"\r")

    def _take(self, size: int, by: float) -> bytes:
        if size > _BODY_MAX:
            raise NotAnswered(f"the answer of {self._url.authority} has {size:,} bytes")
        while len(self._received) < size:
            self._more(by)
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken

    def _rest(self, by: float) -> bytes:
        while len(self._received) <= _BODY_MAX and self._more(by, is_end_good=True):
            pass
        return bytes(self._received)

    def _more(self, by: float, *, is_end_good: bool = False) -> bool:
        """Receive some bytes; False at the end, where one may come."""
        assert self._socket is not None
        self._limit(by)
        try:
            some: bytes = (self._socket.recv if self._tls is None else self._tls.read)(_READ)
        except OSError as error:
            raise NotAnswered(f"no answer from {self._url.authority}: {error}") from None
        if not some and not is_end_good:
            raise NotAnswered(f"{self._url.authority} has closed the connection without an answer, or in its middle")
        self._received += some
        return bool(some)


def _open(url: Url, by: float) -> _Socket:
    """A TCP connection to the first address of a host that takes it."""
    # As bytes: a str loads the tables of Unicode for names.
    found = _socket.getaddrinfo(url.host.encode(), url.port, 0, _socket.SOCK_STREAM)
    refused: OSError | None = None
    for number, (family, kind, protocol, _, address) in enumerate(found):
        connection = _Socket(family, kind, protocol)
        try:
            connection.settimeout(max((by - time.monotonic()) / (len(found) - number), _LEAST_S))
            connection.connect(address)
            connection.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        except OSError as error:
            connection.close()
            refused = error
        else:
            return connection
    raise refused or OSError("the host has no address")


def _headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    name = ""
    for line in lines:
        if line[:1] in (" ", "\t") and name:
            headers[name] += f" {line.strip()}"
            continue
        name, _, value = line.partition(":")
        name = name.strip().lower()
        headers[name] = f"{headers[name]}, {value.strip()}" if name in headers else value.strip()
    return headers
