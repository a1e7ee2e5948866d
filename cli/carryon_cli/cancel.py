"""`carryon cancel`: have a chain end at its next hop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carryon_cli import aws, table
from carryon_cli.errors import CommandError
from carryon_cli.table import OF_CHAIN, Table, chain_id

if TYPE_CHECKING:
    import argparse
    from argparse import Namespace, _SubParsersAction

_DESCRIPTION = """\
Write into the table of CARRYON_TABLE that a chain is to end. A hop that runs goes on to its end; the next one does not
call the function, and fails with Carryon.Cancelled. It cannot be undone.
"""
# As long as an event can wait in Lambda's queue and in the queue of its failures together.
_KEEP_S = 15 * 24 * 3600


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser("cancel", help="have a chain end at its next hop", description=_DESCRIPTION)
    table.add_arguments(parser)
    aws.add_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Run the command and return its exit status.

    Raises:
        CommandError: AWS refuses, or the chain has finished.
    """
    chain = chain_id(arguments.chain)
    with aws.errors():
        chains = Table(aws.Clients(arguments.profile, arguments.region), arguments.table)
        items = chains.items(chain)
        # One that has failed may be tried again, by Lambda or by `carryon recover`.
        if items.get(OF_CHAIN, {}).get("status") == "finished":
            raise CommandError(f"chain {chain} has finished: there is nothing to cancel")
        chains.cancel(chain, _KEEP_S)
    print(f"chain {chain} is cancelled: its next hop ends it")
    if not items:
        print("the table knows no hop of it: it has not handed over yet, or this is not its id")
    return 0
