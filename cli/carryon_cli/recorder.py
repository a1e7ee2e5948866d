from __future__ import annotations

import json
import os
import queue
import select
import socket
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from carryon_cli.events import Answer, Ended, Event, InitError, Output, Request, Started
from carryon_cli.runtime_api import RuntimeApi

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

_MESSAGE_BYTES = 1 << 20


class Launch(NamedTuple):
    """How an execution environment is started: in which folder, with which command and variables."""

    folder: str
    command: Sequence[str]
    variables: Mapping[str, str]


class Recorder:
    """Puts what execution environments are asked, answer and print into `events`, as it happens.

    Each environment that starts with environment.py gets a Runtime API of its own, which passes everything on to the
    platform's, and a pipe for its output: nothing in the function has to know.

    Args:
        path: where the socket for their registration is made.
        launch: called with an environment's variables as its platform set them.
        rename: as RuntimeApi has it; None leaves request ids as they are.
    """

    def __init__(
        self,
        path: Path,
        launch: Callable[[Mapping[str, str]], Launch],
        rename: Callable[[str, bytes], str] | None = None,
    ) -> None:
        self.events: queue.Queue[Event] = queue.Queue()
        self._rename = rename or (lambda request_id, _: request_id)
        self._launch = launch
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.bind(str(path))
        self._socket.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Closing alone would leave the other thread in accept().
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                message = connection.recv(_MESSAGE_BYTES)
                if message:
                    self._register(connection, message)

    def _register(self, connection: socket.socket, message: bytes) -> None:
        pid, variables = json.loads(message)
        read_end, write_end = os.pipe()
        environment = _Environment(pid, variables["AWS_LAMBDA_RUNTIME_API"], read_end, self.events, self._rename)
        launch = self._launch({**variables, "AWS_LAMBDA_RUNTIME_API": environment.address})
        try:
            socket.send_fds(connection, [json.dumps(launch).encode()], [write_end])
        except OSError:
            pass  # killed while it started; its pipe ends now
        finally:
            os.close(write_end)


class _Environment:
    def __init__(
        self, pid: int, upstream: str, pipe: int, events: queue.Queue[Event], rename: Callable[[str, bytes], str]
    ) -> None:
        self._pid = pid
        self._pipe = pipe
        self._events = events
        self._request_id: str | None = None
        self._served = False
        self._registered_at = time.monotonic()
        self._unfinished = b""
        self._reading = threading.Lock()
        os.set_blocking(pipe, False)
        try:
            self._process: int | None = os.pidfd_open(pid)
        except OSError:
            self._process = None  # it is gone, or this kernel has none: the end of the pipe has to do
        events.put(Started(pid))
        self._api = RuntimeApi(upstream, self._received, self._answered, rename)
        self.address = self._api.address
        threading.Thread(target=self._api.serve_forever, args=(0.1,), daemon=True).start()
        threading.Thread(target=self._watch, daemon=True).start()

    def _received(self, request_id: str, deadline_s: float, event: bytes) -> None:
        self._take_output()
        self._request_id = request_id
        self._served = True
        left_s = deadline_s - time.time()
        at = time.monotonic()
        self._events.put(Request(self._pid, request_id, event, at, at + left_s))

    def _answered(self, request_id: str | None, ok: bool, body: bytes) -> None:
        at = time.monotonic()
        self._served = True
        # What was printed before the answer is recorded before it.
        self._take_output()
        if request_id is None:
            self._events.put(InitError(self._pid, body, at))
        else:
            self._events.put(Answer(self._pid, request_id, ok, body, at))

    def _take_output(self) -> bool:
        """Record what has been printed; False when nobody can print any more."""
        with self._reading:
            while self._pipe >= 0:
                try:
                    chunk = os.read(self._pipe, 65536)
                except BlockingIOError:
                    return True
                *lines, self._unfinished = (self._unfinished + chunk).split(b"\n")
                if not chunk:
                    lines = [self._unfinished] if self._unfinished else []
                for line in lines:
                    self._events.put(Output(self._pid, self._request_id, line.decode(errors="replace")))
                if not chunk:
                    os.close(self._pipe)
                    self._pipe = -1
            return False

    def _watch(self) -> None:
        """Record output until the environment's process has ended."""
        pipe, process = self._pipe, self._process
        while True:
            ready, _, _ = select.select([pipe] if process is None else [pipe, process], [], [])
            if not self._take_output() or process in ready:
                break
        self._take_output()
        at = time.monotonic()
        self._events.put(Ended(self._pid, at, at - self._registered_at, self._served))
        self._api.shutdown()
        self._api.server_close()
        if process is not None:
            os.close(process)
