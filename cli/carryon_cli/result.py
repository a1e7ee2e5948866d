"""`carryon result`: what a chain came to, or where it stands."""

from __future__ import annotations

import json
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
        clients = aws.Clients(arguments.profile, arguments.region)
        items = Table(clients, arguments.table).items(chain)
        result = _result(items.get(OF_CHAIN, {}), clients)
    if not items:
        raise CommandError(
            f"the table knows no chain {chain}: it has not handed over, its items have expired, or this is not its id"
        )
    ended = items.get(OF_CHAIN, {})
    now_ms = int(time.time() * 1000)
    if ended.get("status") == "finished":
        if result is None:
            size = f"{ended.get('result_bytes', 0):,} bytes"
            raise CommandError(f"chain {chain} has finished; its result of {size} had no room in the table")
        print(result)
        return 0
    # Lambda repeats a hop that has failed, and `carryon recover` may.
    is_tried_again = any(item.get("lease_until_ms", 0) > now_ms for item in items.values() if _is_running(item))
    if ended.get("status") == "failed" and not is_tried_again:
        raise CommandError(f"chain {chain} has failed: {result or 'the table does not say how'}")
    print(f"carryon: chain {chain}: {_where(items, now_ms)}", file=sys.stderr)
    return _NOT_ENDED


def _result(ended: Mapping[str, Any], clients: aws.Clients) -> str | None:
    """Return what the item of a chain says it came to, or the object in S3 that it refers to; None for neither."""
    result: str | None = ended.get("result")
    if result is None or "result_bytes" not in ended:
        return result
    # In the place of what has no room there is where it lies.
    parcel = json.loads(result).get("parcel")
    if parcel is None:
        return None
    place = {"Bucket": parcel["bucket"], "Key": parcel["key"], "IfMatch": parcel["etag"]}
    stored: str = clients.get("s3").get_object(**place)["Body"].read().decode()
    return stored


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
