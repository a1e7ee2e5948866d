"""Servers that answer in order, and take their time where they are asked for something slow.

    with serve() as ports:
        ports["memcached"], ports["http"], ports["smtp"], ports["postgres"], ports["redis"]

A name with `slow` in it is answered after seconds, everything else at once, and each answer says what it answers.
"""

from __future__ import annotations

import contextlib
import http.server
import socketserver
import struct
import threading
import time
from collections.abc import Iterator

SLOW_S = 6.0


def _wait(name: bytes) -> None:
    if b"slow" in name:
        time.sleep(SLOW_S)


class _Memcached(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        for line in self.rfile:
            key = line.split()[1]
            _wait(key)
            self.wfile.write(b"VALUE %s 0 %d\r\n%s\r\nEND\r\n" % (key, len(key), key))


class _Smtp(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(b"220 ready\r\n")
        for line in self.rfile:
            _wait(line)
            self.wfile.write(b"250 " + line.strip() + b"\r\n")


class _Redis(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while line := self.rfile.readline():
            words = []
            for _ in range(int(line[1:])):
                size = int(self.rfile.readline()[1:])
                words.append(self.rfile.read(size))
                self.rfile.read(2)
            if words[0].upper() == b"GET":
                _wait(words[1])
                self.wfile.write(b"$%d\r\n%s\r\n" % (len(words[1]), words[1]))
            elif words[0].upper() == b"HELLO":
                self.wfile.write(b"%1\r\n$5\r\nproto\r\n:3\r\n")
            else:
                self.wfile.write(b"+OK\r\n")


class _Http(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        _wait(self.path.encode())
        body = self.path.strip("/").rpartition("/")[2].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.puts.append(self.path)  # type: ignore[attr-defined]
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


class _Postgres(socketserver.StreamRequestHandler):
    """Of the protocol as much as drivers ask for: a start, simple queries, and prepared ones, of one row each."""

    def handle(self) -> None:
        (size,) = struct.unpack("!i", self.rfile.read(4))
        self.rfile.read(size - 4)
        settings = {"client_encoding": "UTF8", "server_version": "16.0", "DateStyle": "ISO", "integer_datetimes": "on"}
        said = b"".join(_message(b"S", f"{name}\0{value}\0".encode()) for name, value in settings.items())
        self.wfile.write(_message(b"R", struct.pack("!i", 0)) + said + _message(b"Z", b"I"))
        query = b""
        while kind := self.rfile.read(1):
            (size,) = struct.unpack("!i", self.rfile.read(4))
            body = self.rfile.read(size - 4)
            if kind == b"Q":
                self.wfile.write(self._row(body.rstrip(b"\0"), described=True) + _message(b"Z", b"I"))
            elif kind == b"P":
                query = body.split(b"\0")[1]
                self.wfile.write(_message(b"1"))
            elif kind == b"B":
                self.wfile.write(_message(b"2"))
            elif kind == b"D":
                self.wfile.write((_message(b"t", struct.pack("!h", 0)) if body[:1] == b"S" else b"") + _FIELDS)
            elif kind == b"E":
                self.wfile.write(self._row(query, described=False))
            elif kind == b"C":
                self.wfile.write(_message(b"3"))
            elif kind == b"S":
                self.wfile.write(_message(b"Z", b"I"))

    def _row(self, query: bytes, *, described: bool) -> bytes:
        words = query.split()
        if not words or words[0].lower() != b"select":
            return _message(b"C", (words[0] if words else b"") + b"\0")
        value = words[-1].strip(b"'")
        _wait(value)
        row = _message(b"D", struct.pack("!hi", 1, len(value)) + value) + _message(b"C", b"SELECT 1\0")
        return (_FIELDS if described else b"") + row


def _message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


_FIELDS = _message(b"T", struct.pack("!h", 1) + b"name\0" + struct.pack("!ihihih", 0, 0, 25, -1, -1, 0))


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass  # whoever was asking is gone


@contextlib.contextmanager
def serve(puts: list[str] | None = None) -> Iterator[dict[str, int]]:
    """Serve each of them on a port of its own; yields the ports by name.

    Args:
        puts: gets the path of each PUT.
    """
    servers: dict[str, socketserver.BaseServer] = {
        "memcached": _Server(("127.0.0.1", 0), _Memcached),
        "smtp": _Server(("127.0.0.1", 0), _Smtp),
        "redis": _Server(("127.0.0.1", 0), _Redis),
        "postgres": _Server(("127.0.0.1", 0), _Postgres),
        "http": http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Http),
    }
    servers["http"].puts = [] if puts is None else puts  # type: ignore[attr-defined]
    servers["http"].handle_error = lambda *_: None  # type: ignore[method-assign]
    for server in servers.values():
        threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield {name: server.server_address[1] for name, server in servers.items()}
    finally:
        for server in servers.values():
            server.shutdown()
            server.server_close()
