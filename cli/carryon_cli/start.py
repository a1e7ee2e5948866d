"""`carryon start`: undo `carryon stop`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carryon_cli import aws, concurrency
from carryon_cli.concurrency import Concurrency, described
from carryon_cli.errors import CommandError

if TYPE_CHECKING:
    import argparse
    from argparse import Namespace, _SubParsersAction


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "start",
        help="undo `carryon stop`",
        description="Give a function the reserved concurrency back that it had before `carryon stop`.",
    )
    concurrency.add_arguments(parser)
    aws.add_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Run the command and return its exit status.

    Raises:
        CommandError: AWS refuses, the name is no function's, or it was stopped by something else.
    """
    with aws.errors():
        function = Concurrency(aws.Clients(arguments.profile, arguments.region), arguments.function)
        if not function.is_remembered:
            if function.now == 0:
                raise CommandError(
                    f"{function.name} was not stopped by `carryon stop`, so what its concurrency was is not known; "
                    "`aws lambda delete-function-concurrency` makes it unreserved"
                )
            print(f"{function.name} is not stopped; its reserved concurrency is {described(function.now)}")
            return 0
        function.set(function.before)
        # Only now: after an error in between the next start knows it still.
        function.forget()
        print(f"{function.name} is started; its reserved concurrency is {described(function.now)} again")
    return 0
