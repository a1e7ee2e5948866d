from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from carryon_cli.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from carryon_cli import aws

# The item of the chain itself, among those of its hops.
OF_CHAIN = -1

_NAME = re.compile(r"[\w.-]{3,255}", re.ASCII)
_ARN = re.compile(r"arn:aws[a-z-]*:dynamodb:([a-z0-9-]+):\d{12}:table/[\w.-]{3,255}", re.ASCII)
_CHAIN_MAX = 128


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what a command needs that is about one chain in a table."""
    parser.add_argument("chain", metavar="CHAIN", help="its id: the request id of its first invocation")
    parser.add_argument("--table", metavar="NAME|ARN", required=True, help="what CARRYON_TABLE of the function says")


class Table:
    """The table of CARRYON_TABLE: an item for each hop, and one for the chain.

    Args:
        name: its name or its ARN.

    Raises:
        UsageError: it is neither.
    """

    def __init__(self, clients: aws.Clients, name: str) -> None:
        arn = _ARN.fullmatch(name)
        if not arn and not _NAME.fullmatch(name):
            raise UsageError(f"--table {name}: give the name or the ARN of a DynamoDB table")
        self._client = clients.get("dynamodb", arn[1] if arn else None)
        self._name = name

    def items(self, chain: str) -> dict[int, dict[str, Any]]:
        """Return what is known of a chain by hop number, texts as str and numbers as int; OF_CHAIN is the chain's."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name,
            KeyConditionExpression="chain = :chain",
            ExpressionAttributeValues={":chain": {"S": chain}},
            ConsistentRead=True,
        )
        items = [_plain(item) for page in pages for item in page["Items"]]
        return {item["hop"]: item for item in items}

    def cancel(self, chain: str, keep_s: int) -> None:
        """Write down that a chain is to end; the first time counts.

        Args:
            keep_s: for how long the table remembers it, where nothing else is known of the chain.
        """
        now = time.time()
        self._client.update_item(
            TableName=self._name,
            Key={"chain": {"S": chain}, "hop": {"N": str(OF_CHAIN)}},
            UpdateExpression="SET cancelled_at_ms = if_not_exists(cancelled_at_ms, :now), "
            "expires_at = if_not_exists(expires_at, :expires)",
            ExpressionAttributeValues={":now": {"N": str(int(now * 1000))}, ":expires": {"N": str(int(now) + keep_s)}},
        )


def chain_id(text: str) -> str:
    """Return a chain's id as it was given.

    Raises:
        UsageError: it cannot be one.
    """
    if not 0 < len(text) <= _CHAIN_MAX or not text.isprintable() or " " in text:
        raise UsageError(f"{text!r} is no chain: give the request id of its first invocation")
    return text


def _plain(item: dict[str, dict[str, Any]]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name, value in item.items():
        ((kind, content),) = value.items()
        plain[name] = int(content) if kind == "N" else content
    return plain
