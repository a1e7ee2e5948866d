"""`carryon result`: what a chain came to, or where it stands."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from carryon_cli import aws, table
from carryon_cli.errors import CommandError
from carryon_cli.table import OF_CHAIN, Table, chain_id

if TYPE_CHECKING:
    import argparse
    from argparse import Namespace, _SubParsersAction
    from collections.abc import Mapping

_DESCRIPTION = """\
Print the result of a chain as the table of CARRYON_TABLE has it: on stdout if it has finished, on stderr what its error
was, or where it stands.
"""
_EPILOG = "Exit status: 0 the result is there, 1 it failed or is not there, 2 bad usage, 3 it has not ended."
_NOT_ENDED = 3


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "result", help="what a chain came to, or where it stands", description=_DESCRIPTION, epilog=_EPILOG
    )
    table.add_arguments(parser)
    aws.add_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Run the command and return its exit status.

    Raises:
        CommandError: AWS refuses, or the table does not know the chain.
    """
    chain = chain_id(arguments.chain)
    with aws.errors():
        items = Table(aws.Clients(arguments.profile, arguments.region), arguments.table).items(chain)
    if not items:
        raise CommandError(
            f"the table knows no chain {chain}: it has not handed over, its items have expired, or this is not its id"
        )
    ended = items.get(OF_CHAIN, {})
    now_ms = int(time.time() * 1000)
    if ended.get("status") == "finished":
        if "result_bytes" in ended:
            text = f"its result of {ended['result_bytes']:,} bytes has no room in the table: {ended.get('result')}"
            raise CommandError(f"chain {chain} has finished; {text}")
        print(ended.get("result", "null"))
        return 0
    # Lambda repeats a hop that has failed, and `carryon recover` may.
    is_tried_again = any(item.get("lease_until_ms", 0) > now_ms for item in items.values() if _is_running(item))
    if ended.get("status") == "failed" and not is_tried_again:
        raise CommandError(f"chain {chain} has failed: {ended.get('result', 'the table does not say how')}")
    print(f"carryon: chain {chain}: {_where(items, now_ms)}", file=sys.stderr)
    return _NOT_ENDED


def _is_running(item: Mapping[str, Any]) -> bool:
    return item.get("status") == "running"


def _where(items: Mapping[int, Mapping[str, Any]], now_ms: int) -> str:
    hop = max(items)
    if hop == OF_CHAIN:
        return "cancelled before its first hand-over"
    status = items[hop].get("status")
    if _is_running(items[hop]):
        left_s = (items[hop].get("lease_until_ms", 0) - now_ms) / 1000
        lease = f"its lease lasts {left_s:.0f} s more" if left_s > 0 else f"its lease ended {-left_s:.0f} s ago"
        where = f"hop {hop} is running; {lease}"
    else:
        said = {"sent": "has been sent and has not begun", "handed": "has handed over", "failed": "has failed"}
        where = f"hop {hop} {said.get(str(status), str(status))}"
    return f"{where}; it is cancelled" if "cancelled_at_ms" in items.get(OF_CHAIN, {}) else where
