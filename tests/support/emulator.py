"""A function under AWS's Runtime Interface Emulator: real runtime API, real runtime client, true kill at the deadline.

    with Emulator(runtime, folder, "app.handler", layer=layer, timeout_s=3) as function:
        result = function.invoke({"n": 1})

The emulator serves one invocation at a time, initialises at the first one, and answers 200 to almost everything: look
at the body. `Result.timed_out` tells a function that was killed at its deadline.
"""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .processes import command_line, end_marked, marked, send, state, wait_until
from .runtimes import EMULATOR, RUNTIME_FOLDER, Runtime

# Of one test run, so that its end can look for what was left behind.
RUN_MARK = "EMULATED_BY"
_MARK = "EMULATED_FUNCTION"

_PATH = "/2015-03-31/functions/function/invocations"
_RAPID_LINE = re.compile(r"\d\d \w{3} \d{4} [\d:,]+ \[\w+\] \(rapid\) .*\n")
_PLATFORM_LINE = re.compile(r"(?:START|END|REPORT) RequestId: [-\w]+.*\n")


class Result(NamedTuple):
    """What an invocation gave: HTTP status, body, what was logged meanwhile, and how long the caller waited."""

    status: int
    body: bytes
    raw_log: str
    seconds: float
    request_id: str

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def log(self) -> str:
        """What the function, the runtime client and the layer wrote, without the emulator's own lines."""
        return _without_platform_lines(self.raw_log)

    @property
    def timed_out(self) -> bool:
        """Whether the platform stopped the function at its deadline."""
        return self.body.startswith(b"Task timed out after")

    @property
    def error_type(self) -> str | None:
        """The errorType of a failed invocation, or None."""
        try:
            body = self.json
        except ValueError:
            return None
        return body.get("errorType") if isinstance(body, dict) else None

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Carry On's own log lines, decoded."""
        return carryon_lines(self.log)

    @property
    def events(self) -> list[str]:
        """The event names of Carry On's own log lines, in order."""
        return [line["carryon"]["event"] for line in self.lines]


class Emulator:
    """Runs one execution environment of a function; close it, or use it in a `with`.

    Args:
        runtime: Python and runtime client.
        folder: the function's code, which becomes LAMBDA_TASK_ROOT and the working folder.
        handler: as in the function's configuration, e.g. "app.handler".
        layer: the unpacked layer, which stands for /opt; None attaches none.
        wrapper: whether the layer's exec wrapper starts the runtime. False is the bare function to compare with: same
            layer on the path, same environment.
        flavour: "platform" starts `python RUNTIME_DIR/bootstrap.py` as Lambda does, "module" starts
            `python -m awslambdaric HANDLER` as images that are not AWS's do.
        timeout_s: the function's timeout, whole seconds.
        env: the function's own environment variables; nothing of the developer's own environment reaches it.
        memory_mb: what the function is told; nothing is limited.
        name: of the function; it is part of the ARN that the function sees, and "name:alias" gives a qualified one.
        options: of the interpreter, before the script or module.
    """

    def __init__(
        self,
        runtime: Runtime,
        folder: Path,
        handler: str = "app.handler",
        *,
        layer: Path | None = None,
        wrapper: bool = True,
        flavour: str = "platform",
        timeout_s: int = 3,
        env: Mapping[str, str] | None = None,
        memory_mb: int = 1769,
        name: str = "function",
        options: tuple[str, ...] = (),
    ) -> None:
        python = [str(runtime.python), *options]
        command = {
            "platform": [*python, str(RUNTIME_FOLDER / "bootstrap.py")],
            "module": [*python, "-m", "awslambdaric", handler],
        }[flavour]
        if layer and wrapper:
            command.insert(0, str(layer / "carryon"))
        self._command = command
        self._folder = folder
        self._mark = uuid.uuid4().hex
        self._env = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "TZ": ":UTC",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "example",
            "AWS_SESSION_TOKEN": "example",
            # Nothing may leave the machine, not even by mistake.
            "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{runtime.version}",
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mb),
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout_s),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "LAMBDA_TASK_ROOT": str(folder),
            "LAMBDA_RUNTIME_DIR": str(RUNTIME_FOLDER),
            "OPT_FOLDER": str(layer or "/nonexistent"),
            "_HANDLER": handler,
            RUN_MARK: os.environ.get(RUN_MARK, "nobody"),
            _MARK: self._mark,
            **(env or {}),
        }
        self._timeout_s = timeout_s
        self._busy = threading.Lock()
        self._log_file = tempfile.NamedTemporaryFile(prefix="emulator-", suffix=".log")  # noqa: SIM115 closed by close()
        self._process: subprocess.Popen[bytes] | None = None
        self._ports: list[int] = []
        self._final_log: str | None = None
        self.leftovers: list[str] = []
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Emulator:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _start(self) -> None:
        for _ in range(10):
            ports = _free_ports(2)
            invoke_address, runtime_address = (f"127.0.0.1:{port}" for port in ports)
            options = ["--runtime-interface-emulator-address", invoke_address, "--runtime-api-address", runtime_address]
            # Appended to: the function's processes write to the same file, and some may open it again.
            with open(self._log_file.name, "ab") as log:
                self._process = subprocess.Popen(
                    [str(EMULATOR), *options, *self._command],
                    cwd=self._folder,
                    env=self._env,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            self._ports = ports
            wait_until(lambda: self._listens() or self._ended(), 20, "the emulator does not listen")
            if not self._ended():
                return
        raise RuntimeError(f"the emulator does not start:\n{self.raw_log}")

    def _ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _listens(self) -> bool:
        """Whether the emulator itself listens on the ports: between choosing and binding another may have taken one."""
        assert self._process
        sockets = set()
        try:
            for descriptor in Path(f"/proc/{self._process.pid}/fd").iterdir():
                sockets.add(os.readlink(descriptor))
        except OSError:
            return False
        table = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        listening = {
            int(row[1].rpartition(":")[2], 16) for row in table if row[3] == "0A" and f"socket:[{row[9]}]" in sockets
        }
        return listening.issuperset(self._ports)

    @property
    def runtime_port(self) -> int:
        """Where the runtime API listens."""
        return self._ports[1]

    @property
    def raw_log(self) -> str:
        """All that was written so far, or until it was closed, the emulator's own lines included."""
        if self._final_log is not None:
            return self._final_log
        return Path(self._log_file.name).read_bytes().decode(errors="backslashreplace")

    @property
    def log(self) -> str:
        """All that the function, the runtime client and the layer wrote so far."""
        return _without_platform_lines(self.raw_log)

    def wait_for_log(self, pattern: str, timeout_s: float = 20) -> re.Match[str]:
        """Return the first match of a regular expression in the log; a handler's `print` is the usual handshake."""
        return wait_until(
            lambda: re.search(pattern, self.log), timeout_s, f"no {pattern!r} in the log:\n{self.raw_log}"
        )

    def invoke(
        self,
        event: Any = None,
        timeout: float | None = None,
        *,
        request_id: str | None = None,
        trace_id: str | None = None,
        tenant_id: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Result:
        """Invoke and wait.

        Args:
            event: anything JSON ({} when left out), or the payload itself as bytes.
            timeout: seconds to wait for the answer; by default a good while longer than the function may take.
            request_id: of the invocation; a new one by default.
            trace_id: X-Ray trace header that the function is told.
            tenant_id: that the function is told.
            headers: more of them, e.g. X-Amz-Client-Context.

        Raises:
            RuntimeError: when another invocation is running, which would crash the emulator.
            OSError: when the emulator does not answer.
        """
        payload = event if isinstance(event, bytes) else json.dumps({} if event is None else event).encode()
        request_id = request_id or str(uuid.uuid4())
        sent = {"X-Amzn-RequestId": request_id, **(headers or {})}
        if trace_id:
            sent["X-Amzn-Trace-Id"] = trace_id
        if tenant_id:
            sent["X-Amz-Tenant-Id"] = tenant_id
        if not self._busy.acquire(blocking=False):
            raise RuntimeError("an emulator serves one invocation at a time")
        connection = http.client.HTTPConnection("127.0.0.1", self._ports[0], timeout=timeout or self._timeout_s + 30)
        try:
            start_of_log = os.path.getsize(self._log_file.name)
            start = time.monotonic()
            connection.request("POST", _PATH, payload, sent)
            response = connection.getresponse()
            body = response.read()
            seconds = time.monotonic() - start
        finally:
            connection.close()
            self._busy.release()
        with open(self._log_file.name, "rb") as log:
            log.seek(start_of_log)
            logged = log.read().decode(errors="backslashreplace")
        return Result(response.status, body, logged, seconds, request_id)

    def begin(self, event: Any = None, **options: Any) -> concurrent.futures.Future[Result]:
        """Invoke without waiting; takes what `invoke` takes."""
        future: concurrent.futures.Future[Result] = concurrent.futures.Future()

        def run() -> None:
            try:
                future.set_result(self.invoke(event, **options))
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        return future

    def processes(self) -> list[int]:
        """The function's living processes, oldest first: runtime, supervisor, courier and all that they started."""
        return [pid for pid in marked(_MARK, self._mark) if not self._process or pid != self._process.pid]

    def freeze(self) -> list[int]:
        """Stop every process of the function, as Lambda does between invocations, and return them."""
        stopped: list[int] = []
        while True:
            new = [pid for pid in self.processes() if pid not in stopped]
            if not new:
                return stopped
            send(new, signal.SIGSTOP)
            wait_until(lambda pids=new: all(state(pid) in "TXZ" for pid in pids), 5, "processes do not stop")
            stopped += new

    def thaw(self, pids: list[int]) -> None:
        """Continue what `freeze` returned."""
        send(pids, signal.SIGCONT)

    def close(self) -> None:
        """End the emulator, then everything of the function; what did not end with it is named in `leftovers`."""
        if self._process:
            send([self._process.pid], signal.SIGTERM)
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            try:
                wait_until(lambda: not self.processes(), 2, "processes are left")
            except TimeoutError:
                self.leftovers += map(command_line, self.processes())
            self._process = None
        end_marked(_MARK, self._mark)
        self._final_log = self.raw_log
        self._log_file.close()


def carryon_lines(log: str) -> list[dict[str, Any]]:
    """Return Carry On's own lines of a log, decoded, in order."""
    lines = []
    for line in log.splitlines():
        if line.startswith("{") and '"carryon"' in line:
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict) and record.get("logger") == "carryon":
                lines.append(record)
    return lines


def _without_platform_lines(log: str) -> str:
    return _PLATFORM_LINE.sub("", _RAPID_LINE.sub("", log))


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
