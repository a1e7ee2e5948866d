"""A book in which each unit of work stands as often as it was done; functions/units.py writes into it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from tests.support.ministack import Invocation


class Entry(NamedTuple):
    """A unit that was done: by which attempt of which request id, how often, and when, on the monotonic clock."""

    number: int
    unit: int
    request_id: str
    attempt: int
    count: int
    at: float


class Book:
    """A table in DynamoDB.

    Args:
        client: for it, past every fault.
    """

    name = "book"

    def __init__(self, client: Any) -> None:
        self._client = client
        client.create_table(
            TableName=self.name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": "unit", "AttributeType": "S"},
                {"AttributeName": "what", "AttributeType": "S"},
            ],
            KeySchema=[{"AttributeName": "unit", "KeyType": "HASH"}, {"AttributeName": "what", "KeyType": "RANGE"}],
        )

    def entries(self) -> list[Entry]:
        """What stands in the book, in the order of writing."""
        items: list[dict[str, Any]] = []
        for page in self._client.get_paginator("scan").paginate(TableName=self.name):
            items += page["Items"]
        entries = []
        for item in items:
            done_by = item["what"]["S"].removeprefix("done by ")
            if done_by != item["what"]["S"]:
                number, unit = map(int, item["unit"]["S"].split("/"))
                request_id, attempt = done_by.split()
                entries.append(
                    Entry(number, unit, request_id, int(attempt), int(item["count"]["N"]), float(item["at"]["N"]))
                )
        return sorted(entries, key=lambda entry: entry.at)


def doubles(entries: list[Entry], invocations: Iterable[Invocation]) -> tuple[dict[Entry, str], dict[Entry, str]]:
    """Units that were done twice; and those that were done again because the attempt before had failed: each with why.

    An attempt has failed if it has neither been answered for nor handed over. Until it has ended nobody may begin anew.
    """
    by_attempt = {}
    for one in invocations:
        attempts = [line for line in one.log.splitlines() if line.startswith("attempt ")]
        if attempts:
            by_attempt[one.request_id, int(attempts[0].split()[1])] = one
    carried_on_at: dict[str, float] = {}
    for entry in entries:
        meta = by_attempt[entry.request_id, entry.attempt].event.get("carryon")
        if meta is not None:
            carried_on_at.setdefault(meta["parent"], entry.at)
    twice: dict[Entry, str] = {}
    again: dict[Entry, str] = {}
    before: dict[tuple[int, int], list[Entry]] = {}
    for entry in entries:
        if entry.count > 1:
            twice[entry] = "by one invocation"
        for earlier in before.setdefault((entry.number, entry.unit), []):
            first = by_attempt[earlier.request_id, earlier.attempt]
            if first.ok or carried_on_at.get(first.request_id, math.inf) < entry.at:
                twice[entry] = f"{earlier} had handed over or finished"
            elif first.ended_at is None or first.ended_at > entry.at:
                twice[entry] = f"{earlier} was still running"
            else:
                again[entry] = f"{earlier} had failed"
        before[entry.number, entry.unit].append(entry)
    return twice, again
