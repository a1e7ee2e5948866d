"""`carryon local`: run a function with the layer on this machine and follow it from hop to hop."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from carryon_cli.errors import UsageError

if TYPE_CHECKING:
    from argparse import Namespace, _SubParsersAction

_DESCRIPTION = """\
Run a function with the layer on this machine and follow the chain until it ends: a row per hop, then the result.
The current folder is the function's task root. It runs under the real runtime client (awslambdaric); Lambda and the
other services it can reach are local (ministack, at AWS_ENDPOINT_URL). Nothing goes to AWS.
"""
_EPILOG = """\
CARRYON_TO is `self` unless --env says otherwise (--env CARRYON_TO= unsets it).
Exit status: 0 there is a result, 1 the chain failed, 2 bad usage.
What is downloaded, on the first run, is kept in CARRYON_CACHE (default ~/.cache/carryon).
"""
_HANDLER = re.compile(r"[^\s.]\S*\.[^\s.]+")
_VARIABLE = re.compile(r"[a-zA-Z]\w+", re.ASCII)
_RESERVED = re.compile(r"_HANDLER|LAMBDA_\w+|AWS_EXECUTION_ENV|AWS_REGION|AWS_DEFAULT_REGION|AWS_LAMBDA_(?!LOG_)\w+")
_TIMEOUT_MAX_S = 900


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "local",
        help="run a function here and follow it from hop to hop",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("handler", metavar="MODULE.HANDLER", help="as in the function's configuration")
    parser.add_argument("--event", metavar="FILE|JSON", default="{}", help="what the function is called with ({})")
    parser.add_argument("--timeout", metavar="S", default="3", help=f"in whole seconds, 1 to {_TIMEOUT_MAX_S} (3)")
    parser.add_argument("--memory", metavar="MB", default="1769", help="what the function is told it has (1769)")
    parser.add_argument("--env", metavar="K=V", action="append", default=[], help="a variable of the function's")
    parser.add_argument(
        "--setup", metavar="FILE", help="Python script to run first, with boto3: makes the buckets and tables it needs"
    )
    parser.add_argument(
        "--python", metavar="PATH", help="Python to run it with; that of a virtual environment lends its packages"
    )
    parser.add_argument(
        "--runtime",
        choices=("ministack", "rie"),
        default="ministack",
        help="rie: one invocation on AWS's emulator, really killed at the deadline, no chain",
    )
    parser.add_argument("--json", action="store_true", help="print JSON documents, one a line")
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Run the command and return its exit status.

    Raises:
        CommandError: something is wrong with the command line, the downloads or the local platform.
    """
    if sys.platform != "linux":
        raise UsageError(
            "`carryon local` needs Linux. Run it in a container, from the function's folder:\n"
            '  docker run --rm -it -v "$PWD:/task" -w /task python:3.13 \\\n'
            f"    sh -c 'pip install -q lambda-carryon && carryon local {arguments.handler}'"
        )
    if not _HANDLER.fullmatch(arguments.handler):
        raise UsageError(f"{arguments.handler!r} is no handler: give MODULE.HANDLER, such as app.handler for app.py")
    timeout_s = _number("--timeout", arguments.timeout, 1, _TIMEOUT_MAX_S)
    memory_mb = _number("--memory", arguments.memory, 128, 10_240)
    variables = dict(map(_variable, arguments.env))
    setup = _script(arguments.setup, arguments.runtime)
    event = read_event(arguments.event)

    # What it needs does not exist on other systems, and takes time to import.
    from carryon_cli import session
    from carryon_cli.json_lines import JsonLines
    from carryon_cli.terminal import Terminal

    return session.run(
        arguments.handler,
        event,
        timeout_s=timeout_s,
        memory_mb=memory_mb,
        variables=variables,
        setup=setup,
        python=arguments.python,
        in_emulator=arguments.runtime == "rie",
        view=JsonLines() if arguments.json else Terminal(timeout_s),
    )


def _number(option: str, text: str, least: int, most: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise UsageError(f"{option} {text}: give a whole number from {least} to {most}")
    return number


def _variable(assignment: str) -> tuple[str, str]:
    name, equals, value = assignment.partition("=")
    if not equals or not _VARIABLE.fullmatch(name):
        raise UsageError(f"--env {assignment}: give NAME=VALUE, the name of letters, digits and _")
    if name == "AWS_LAMBDA_EXEC_WRAPPER":
        raise UsageError(f"--env {assignment}: the layer is the wrapper here; use CARRYON_NEXT_WRAPPER for another one")
    if _RESERVED.fullmatch(name):
        raise UsageError(f"--env {assignment}: Lambda sets {name} itself")
    return name, value


def _script(text: str | None, runtime: str) -> Path | None:
    if text is None:
        return None
    if runtime == "rie":
        raise UsageError(f"--setup {text}: --runtime rie has no services to set up")
    if not Path(text).is_file():
        raise UsageError(f"--setup {text}: there is no such file")
    return Path(text).absolute()


def read_event(text: str) -> bytes:
    """Return the event's JSON text, byte for byte, from a file of that name or from the argument itself."""
    source = "--event"
    content = text.encode()
    try:
        if Path(text).is_file():
            source = f"--event {text}"
            content = Path(text).read_bytes()
    except (OSError, ValueError) as error:
        # A long JSON text is no file name.
        if not isinstance(error, ValueError) and source != "--event":
            raise UsageError(f"{source}: {error}") from error
    try:
        json.loads(content, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        if source == "--event" and not text.lstrip().startswith(("{", "[", '"')):
            raise UsageError(f"--event {text}: there is no such file, and it is not JSON") from error
        raise UsageError(f"{source}: not JSON: {error}") from error
    return content


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")
