"""`carryon stop`: let nothing of a function run any more."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from carryon_cli import aws, concurrency
from carryon_cli.concurrency import Concurrency, described

if TYPE_CHECKING:
    from argparse import Namespace, _SubParsersAction

_DESCRIPTION = """\
Set a function's reserved concurrency to 0, and remember in a tag of the function what it was.
Invocations that run go on to their end. Events that wait, and continuations that are sent from now on, go to the
on-failure destination or dead-letter queue at once; without one they are lost. `carryon start` undoes it, and
`carryon recover` sends the chains in the queue again.
"""


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "stop",
        help="let nothing of a function run any more",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    concurrency.add_arguments(parser)
    aws.add_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Run the command and return its exit status.

    Raises:
        CommandError: AWS refuses, or the name is no function's.
    """
    with aws.errors():
        function = Concurrency(aws.Clients(arguments.profile, arguments.region), arguments.function)
        if function.now == 0 and not function.is_remembered:
            print(f"{function.name} had been stopped before, not by this command: it stays as it is")
            return 0
        # What is remembered already is what it was before the first of several stops.
        if not function.is_remembered:
            function.remember()
        if function.now != 0:
            function.set(0)
        print(f"{function.name} is stopped; its reserved concurrency was {described(function.before)}")
        catchers = function.catchers()
    if catchers:
        print(f"what waits or is still sent goes to {', '.join(catchers)}")
    else:
        print("it has no on-failure destination and no dead-letter queue: what waits or is still sent is LOST")
    return 0
