"""Run one chain on a local platform that is started for it and gone afterwards."""

from __future__ import annotations

import contextlib
import queue
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from carryon_cli import cache, interpreter, resources, sandbox
from carryon_cli.chain import Chain, Outcome
from carryon_cli.emulator import Emulator
from carryon_cli.function import Function
from carryon_cli.ministack import Ministack
from carryon_cli.recorder import Launch, Recorder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from carryon_cli.server import Server
    from carryon_cli.view import View

_REFRESH_S = 0.1
# Of a socket's path; the rest is for its name.
_FOLDER_NAME_MAX = 80
# A continuation starts within milliseconds; one that takes this long is lost.
_START_S = 60.0


def run(
    handler: str,
    event: bytes,
    *,
    timeout_s: int,
    memory_mb: int,
    variables: Mapping[str, str],
    setup: Path | None = None,
    python: str | None,
    in_emulator: bool,
    view: View,
) -> int:
    """Run the function in the current folder until its chain ends, and return 0 for a result, 1 for a failure.

    Args:
        handler: such as "app.handler".
        event: JSON text.
        timeout_s: of an invocation, in seconds.
        memory_mb: what the function is told it has, in MB.
        variables: its environment variables, over the defaults.
        setup: a script that makes what the function needs, run before the first event; not in the emulator.
        python: path or name of the interpreter; None for the one that runs this.
        in_emulator: AWS's emulator instead of ministack.
        view: shows what happens.

    Raises:
        CommandError: the function cannot be run.
    """
    chosen = interpreter.find(python)
    with contextlib.ExitStack() as stack:
        stack.enter_context(view.shown())
        runtime = cache.runtime(chosen, view.say)
        folder = stack.enter_context(_folder())
        command = sandbox.lay_out(folder, chosen, runtime)
        task_root = str(Path.cwd())
        settings = {"AWS_LAMBDA_EXEC_WRAPPER": command[0], **variables}

        def launch(platform: Mapping[str, str]) -> Launch:
            return Launch(task_root, command, {**sandbox.variables(platform, chosen.version, task_root), **settings})

        socket = folder / "socket"
        recorder = stack.enter_context(Recorder(socket, launch))
        name = re.sub(r"[^a-zA-Z0-9]+", "-", handler).strip("-")[:64]
        function = Function(name, handler, sandbox.bootstrap(socket), timeout_s, memory_mb, settings)
        server: Emulator | Ministack
        if in_emulator:
            server = Emulator(folder, function, view.say)
            stack.enter_context(server)
        else:
            server = Ministack(folder, view.say)
            stack.enter_context(server)
            settings.setdefault("CARRYON_TO", "self")
            settings.setdefault("AWS_ENDPOINT_URL", server.endpoint)
            # With --env AWS_ENDPOINT_URL=... continuations still come here.
            settings.setdefault("AWS_ENDPOINT_URL_LAMBDA", server.endpoint)
            server.create(function)
            if setup:
                named = sandbox.variables({"AWS_LAMBDA_FUNCTION_NAME": name}, chosen.version, task_root)
                resources.make(setup, runtime, {**named, **settings}, view)
        chain = Chain(name, timeout_s, view.changed, view.printed, view.warned)
        began = time.monotonic()
        server.invoke(event)
        outcome = _follow(chain, recorder, server, view)
        elapsed_s = time.monotonic() - began
    view.ended(chain, outcome, elapsed_s)
    return 0 if outcome.ok else 1


def _follow(chain: Chain, recorder: Recorder, server: Server, view: View) -> Outcome:
    last_at = time.monotonic()
    while chain.outcome is None or chain.running:
        try:
            chain.take(recorder.events.get(timeout=_REFRESH_S))
            last_at = time.monotonic()
        except queue.Empty:
            server.check()
            if not chain.busy and time.monotonic() - last_at > _START_S:
                message = f"No invocation began within {_START_S:.0f} s"
                return Outcome(ok=False, error={"errorType": "Carryon.Lost", "errorMessage": message})
        view.refresh()
    return chain.outcome


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    name = tempfile.mkdtemp(prefix="carryon-")
    if len(name) > _FOLDER_NAME_MAX:
        Path(name).rmdir()
        name = tempfile.mkdtemp(prefix="carryon-", dir="/tmp")
    try:
        yield Path(name)
    finally:
        shutil.rmtree(name, ignore_errors=True)
