"""Servers for handlers to be stuck in: each a context manager that gives what a handler needs to reach it."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.support.processes import wait_until
from tests.support.runtimes import NEWEST, ROOT, Runtime

GRPC_SERVER = Path(__file__).parent / "silent_grpc_server.py"
START_S = 30
_NOBODY = ("postgres", "nobody")


class MissingServiceError(Exception):
    """This machine has not got the server."""


def packages(runtime: Runtime) -> Path:
    """The folder of packages for functions under that Python."""
    return ROOT / ".cache/packages" / f"py{runtime.version}"


@contextlib.contextmanager
def silent() -> Iterator[int]:
    """Port of a server that accepts connections and never answers."""
    connections = []

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connections.append(listening.accept()[0])

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in connections:
                connection.close()


@contextlib.contextmanager
def grpc() -> Iterator[int]:
    """Port of a gRPC server that never answers."""
    env = {**os.environ, "PYTHONPATH": str(packages(NEWEST))}
    with subprocess.Popen([NEWEST.python, GRPC_SERVER], env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield int(process.stdout.readline())
        finally:
            process.kill()


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Connection string of a PostgreSQL of its own.

    Raises:
        MissingServiceError: it is not installed.
    """
    programs = _postgres_programs()
    folder = tempfile.mkdtemp(prefix="postgres-")
    # It refuses to run as root.
    user = next((name for name in _NOBODY if _exists(name)), None) if os.geteuid() == 0 else None
    identity = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
    if user:
        shutil.chown(folder, user)
    data = f"{folder}/data"
    connect = f"host={folder} user=carryon dbname=postgres"
    process = None
    with open(f"{folder}/log", "wb") as log:
        options = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, "cwd": folder, **identity}
        try:
            initialise = ["--username=carryon", "--auth=trust", "--locale=C", "--encoding=UTF8", "--no-sync"]
            subprocess.run([programs / "initdb", "--pgdata", data, *initialise], check=True, **options)
            settings = ["listen_addresses=", f"unix_socket_directories={folder}", "fsync=off"]
            process = subprocess.Popen(
                [programs / "postgres", "-D", data, *(word for setting in settings for word in ("-c", setting))],
                **options,
            )
            ready = [programs / "pg_isready", "--quiet", "--dbname", connect]
            wait_until(lambda: not subprocess.call(ready), START_S, "PostgreSQL does not start")
            yield connect
        except (OSError, subprocess.SubprocessError):
            sys.stderr.write(Path(log.name).read_text())
            raise
        finally:
            if process:
                _shut_down(process)
            shutil.rmtree(folder, ignore_errors=True)


def _shut_down(process: subprocess.Popen[bytes]) -> None:
    # SIGINT ends it without waiting for clients; it ends its own processes, which a kill would leave.
    process.send_signal(signal.SIGINT)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _postgres_programs() -> Path:
    """The newest version's folder, which Debian keeps out of PATH."""
    on_path = shutil.which("postgres")
    folders = [Path(on_path).resolve().parent] if on_path else []
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    folders += sorted(debian, key=lambda folder: int(re.sub(r"\D", "", folder.parent.name) or 0))
    for folder in reversed(folders):
        if all((folder / program).exists() for program in ("initdb", "postgres", "pg_isready")):
            return folder
    raise MissingServiceError("PostgreSQL is not installed")


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


SERVICES = {"silent": silent, "grpc": grpc, "postgres": postgres}
