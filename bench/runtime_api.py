"""Lambda's Runtime API for one process, in the thread that measures, so that nothing else runs in between."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.quota import Quota

FUNCTIONS = Path(__file__).resolve().parent / "functions"
_ANSWER = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
# To whoever answers an invocation that the supervisor, or the runtime itself, has answered.
_ANSWERED = (
    b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: 38\r\n\r\n"
    b'{"errorType":"InvalidStateTransition"}'
)
_PATIENCE_S = 60
_CORES = sorted(os.sched_getaffinity(0))


class Served(NamedTuple):
    """An invocation's end, times in seconds since the epoch."""

    deadline_ms: int
    answered_at: float
    is_error: bool
    answer: Any
    next_at: float


class Environment:
    """One execution environment: a runtime process, bare or under the layer, that talks to this object.

    Args:
        python: interpreter with the runtime client.
        bootstrap: the platform's script.
        layer: the unpacked layer, None for the bare runtime.
        handler: of the folder.
        env: more environment variables.
        quota: share of a CPU that it gets.
        log: where its standard output goes.
        folder: the function's code.
        apart: whether it and the calling process get a core each, where there is no quota.
    """

    def __init__(
        self,
        python: Path,
        bootstrap: Path,
        layer: Path | None,
        handler: str,
        env: dict[str, str] | None = None,
        quota: Quota | None = None,
        log: Path | None = None,
        folder: Path = FUNCTIONS,
        apart: bool = True,
    ) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ready = selectors.DefaultSelector()
        self._ready.register(self._listener, selectors.EVENT_READ)
        self._waiting: socket.socket | None = None
        self._number = 0
        version = json.loads(
            subprocess.check_output([python, "-c", "import sys; print(list(sys.version_info[:2]))"], text=True)
        )
        self._env = {
            "PATH": "/usr/bin:/bin",
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._listener.getsockname()[1]}",
            "AWS_LAMBDA_FUNCTION_NAME": "bench",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(quota.memory_mb if quota else 1769),
            "AWS_EXECUTION_ENV": "AWS_Lambda_python{}.{}".format(*version),
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "example",
            "LAMBDA_TASK_ROOT": str(folder),
            "LAMBDA_RUNTIME_DIR": str(bootstrap.parent),
            "OPT_FOLDER": str(layer or "/nonexistent"),
            "_HANDLER": handler,
            **(env or {}),
        }
        self._is_supervised = layer is not None
        command = [*([str(layer / "carryon")] if layer else []), str(python), str(bootstrap)]
        self._command = quota.command(command) if quota else command
        self._folder = folder
        self._started = _on_another_core if apart and not quota else contextlib.nullcontext
        self._log = log or Path(os.devnull)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Environment:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._process:
            # The child under the layer dies with its supervisor.
            self._process.kill()
            self._process.wait()
        for key in list(self._ready.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._ready.close()

    def start(self) -> float:
        """Start the process; returns the seconds until it asks for its first invocation."""
        began = time.perf_counter()
        with self._started(), self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, env=self._env, stdin=subprocess.DEVNULL, stdout=log
            )
        self._wait_for_next()
        return time.perf_counter() - began

    def invoke(self, event: bytes, timeout_s: float) -> tuple[float, Any]:
        """Run one invocation; returns the seconds from the event's first byte to the answer's last, and the answer."""
        connection, payload, _ = self._next_invocation(event, timeout_s)
        began = time.perf_counter()
        connection.sendall(payload)
        connection, path, body = self._request()
        seconds = time.perf_counter() - began
        connection.sendall(_ANSWER)
        if not path.endswith("/response"):
            raise RuntimeError(f"{path}: {body[:500]!r}")
        return seconds, json.loads(body)

    def serve(self, event: bytes, timeout_s: float) -> Served:
        """Run one invocation, however it ends, until the next one is asked for."""
        connection, payload, deadline_ms = self._next_invocation(event, timeout_s)
        connection.sendall(payload)
        connection, path, body = self._request()
        connection.sendall(_ANSWER)
        answered_at = time.time()
        self._wait_for_next()
        return Served(deadline_ms, answered_at, not path.endswith("/response"), json.loads(body), time.time())

    def _next_invocation(self, event: bytes, timeout_s: float) -> tuple[socket.socket, bytes, int]:
        self._wait_for_next()
        assert self._waiting
        self._number += 1
        deadline_ms = int((time.time() + timeout_s) * 1000)
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            f"Lambda-Runtime-Aws-Request-Id: 00000000-0000-0000-0000-{self._number:012}\r\n"
            f"Lambda-Runtime-Deadline-Ms: {deadline_ms}\r\n"
            "Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:012345678912:function:bench\r\n"
            f"Content-Length: {len(event)}\r\n\r\n"
        ).encode()
        connection, self._waiting = self._waiting, None
        return connection, head + event, deadline_ms

    def cpu_s(self) -> float:
        """CPU time that the runtime's process has taken, all threads, once it waits for the next event."""
        assert self._process
        self._wait_for_next()
        runtime = _tree(self._process.pid)[self._is_supervised]
        # The clock of another process's CPU time, as clock_getcpuclockid(3) makes it.
        return time.clock_gettime_ns(~runtime << 3 | 2) / 1e9

    def pss_kb(self) -> int:
        """Proportional set size of the whole process tree."""
        assert self._process
        return sum(_pss_kb(pid) for pid in _tree(self._process.pid))

    def _wait_for_next(self) -> None:
        while self._waiting is None:
            connection, path, body = self._request()
            if path.endswith("/next"):
                self._waiting = connection
            elif self._number and f"/{self._number:012}/" in path.replace("-", "/"):
                connection.sendall(_ANSWERED)
            else:
                raise RuntimeError(f"{path}: {body[:500]!r}")

    def _request(self) -> tuple[socket.socket, str, bytes]:
        until = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until:
            for key, _ in self._ready.select(1):
                source = key.fileobj
                assert isinstance(source, socket.socket)
                if source is self._listener:
                    connection, _ = source.accept()
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self._ready.register(connection, selectors.EVENT_READ)
                    continue
                data = source.recv(1 << 16)
                if not data:
                    self._ready.unregister(source)
                    source.close()
                    continue
                request = _read_request(source, data)
                if request is not None:
                    return (source, *request)
                # Whoever has sent it was killed.
                self._ready.unregister(source)
                source.close()
        raise TimeoutError("the runtime is silent")


@contextlib.contextmanager
def _on_another_core() -> Iterator[None]:
    """Start what is measured away from what measures; otherwise who wakes whom where decides about 50 us."""
    os.sched_setaffinity(0, _CORES[1:] or _CORES)
    try:
        yield
    finally:
        os.sched_setaffinity(0, _CORES[:1])


def _read_request(connection: socket.socket, data: bytes) -> tuple[str, bytes] | None:
    """Path and body of a request; None where it breaks off."""
    while b"\r\n\r\n" not in data:
        part = connection.recv(1 << 16)
        if not part:
            return None
        data += part
    head, body = data.split(b"\r\n\r\n", 1)
    size = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            size = int(value)
        elif name.lower() == b"expect":
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    while len(body) < size:
        part = connection.recv(1 << 20)
        if not part:
            return None
        body += part
    return head.split()[1].decode(), body


def _tree(pid: int) -> list[int]:
    pids = [pid]
    for parent in pids:
        pids += map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split())
    return pids


def _pss_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise RuntimeError(f"no Pss of process {os.getpid()}")
