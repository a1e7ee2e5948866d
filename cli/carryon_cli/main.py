from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from carryon_cli import cancel, local, recover, result, start, stop
from carryon_cli.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    0: done, 1: it failed, 2: bad usage, 128 + n: ended by signal n.
    """
    parser = argparse.ArgumentParser(prog="carryon", description="Python Lambda functions that outlive their timeout.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in (local, recover, stop, start, cancel, result):
        command.add_parser(commands)
    arguments = parser.parse_args(argv)
    try:
        with _unwinding_on_signals():
            status: int = arguments.run(arguments)
    except CommandError as error:
        print(f"carryon: {error}", file=sys.stderr)
        status = error.exit_status
    except KeyboardInterrupt:
        print("carryon: interrupted", file=sys.stderr)
        status = 128 + signal.SIGINT
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain once more when it flushes.
        sys.stdout = None
        status = 128 + signal.SIGPIPE
    return status


@contextlib.contextmanager
def _unwinding_on_signals() -> Iterator[None]:
    """Turn the signals that would end the process at once into exceptions, so that what was started is stopped."""
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows has one
    before = [signal.signal(number, _end) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    raise SystemExit(main())
