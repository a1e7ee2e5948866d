"""One owner for each hop of a chain: whose turn it is, by the records in the table of CARRYON_TABLE.

A record is only ever changed where it still is as it was read, and read again where it is not. So it does not matter
how many invocations want a hop, or whether the answer to a change was lost: one of them finds itself its owner.
"""

from __future__ import annotations

import json
import os
import time
from collections import namedtuple

from .lease_table import OF_CHAIN, Changed, Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Items = dict[int, dict[str, Any]]

SENT, RUNNING, HANDED, FINISHED, FAILED = "sent", "running", "handed", "finished", "failed"

# What becomes of a claim: the hop is the invocation's; it is done already; another has it; the chain was cancelled.
MINE, DONE, TAKEN, CANCELLED = "mine", "done", "taken", "cancelled"

# `kind` is one of these; `text` says why; `status` and `outcome` are those of a hop that is done: HANDED or FINISHED,
# and what the first owner's came to as far as it is recorded; `item` is the record that makes the hop the invocation's.
Claim = namedtuple("Claim", "kind text status outcome item", defaults=("", "", None, None))

# Clocks of two machines differ, and Lambda takes its time to end what has passed its deadline.
_GRACE_MS = 5_000
# Longer than anything waits for its turn: an event at Lambda up to six hours, a message in a queue 14 days.
_KEPT_S = 15 * 86_400
_RESULT_MAX = 300_000


class Lost(Exception):
    """The hop is another's by now; the text says so."""


def claim(table: Table, hop: dict[str, Any], token: str | None, until_ms: int) -> Claim:
    """Make a hop the invocation's, if it is its turn.

    Args:
        hop: the hop that asks: `id`, `chain`, `hop`, `deadline_ms`.
        token: the one that the envelope has, None where it has none.

    Raises:
        Exception: botocore's; nobody could find out.
    """
    number = hop["hop"]
    while True:
        items = table.read(hop["chain"], (OF_CHAIN, number, number + 1), until_ms)
        decided = judge(items, hop, token, int(time.time() * 1000))
        try:
            if decided.kind == MINE:
                table.put(items.get(number), decided.item, until_ms)
                if number + 1 in items:
                    # What an attempt before has sent is not to begin beside this one, which does its work again.
                    table.put(items[number + 1], {**items[number + 1], "token": _new_token()}, until_ms)
            elif decided.kind == CANCELLED:
                error = json.dumps({"errorType": "Carryon.Cancelled", "errorMessage": decided.text})
                end = _end_of_chain({"status": FAILED, "result": error})
                table.update({"chain": hop["chain"], "hop": OF_CHAIN}, end, until_ms)
        except Changed:
            continue
        return decided


def judge(items: Items, hop: dict[str, Any], token: str | None, now_ms: int) -> Claim:
    """Whose turn it is.

    Args:
        items: the records of the hop, of the next one and of the chain, as far as there are any.
        hop: as for `claim`.
    """
    chain, number = hop["chain"], hop["hop"]
    item = items.get(number, {})
    status, owner = item.get("status"), item.get("owner")
    name = f"Hop {number} of chain {chain}"
    if status == FINISHED:
        chains = items.get(OF_CHAIN, {})
        # A result that has no room there is no answer either.
        outcome = None if "result_bytes" in chains else chains.get("result")
        return Claim(DONE, f"{name} was finished by {owner}", FINISHED, outcome)
    # What has begun was handed over, whether the sender has lived to write that down or not.
    if status == HANDED or items.get(number + 1, {}).get("status", SENT) != SENT:
        return Claim(DONE, f"{name} was handed over by {owner}", HANDED, item.get("outcome"))
    if "cancelled_at_ms" in items.get(OF_CHAIN, {}):
        return Claim(CANCELLED, f"Chain {chain} was cancelled before hop {number}")
    if item.get("token") not in (None, token):
        return Claim(TAKEN, f"{name} was sent once more since this envelope was; that one is to run")
    if status == RUNNING and owner != hop["id"] and item["lease_until_ms"] > now_ms:
        left_s = (item["lease_until_ms"] - now_ms) / 1000
        return Claim(TAKEN, f"{name} is running in {owner}, whose lease ends in {left_s:.1f} s")
    mine = {
        "chain": chain,
        "hop": number,
        "owner": hop["id"],
        "status": RUNNING,
        "lease_until_ms": hop["deadline_ms"] + _GRACE_MS,
        "expires_at": _expires_at(now_ms),
        # With the owner it tells one attempt from the next: Lambda repeats an invocation under its id.
        "attempt": item.get("attempt", 0) + 1,
    }
    if token is not None:
        mine["token"] = token
    return Claim(MINE, item=mine)


def record_successor(
    table: Table, hop: dict[str, Any], until_ms: int, claimed: dict[str, Any] | None = None
) -> tuple[str | None, dict[str, Any] | None]:
    """Write down that a hop is about to hand over, before anything is sent.

    Args:
        hop: the hop that hands over: as for `claim`, and `attempt` where it has one.
        claimed: the record that made it the invocation's, where it is still known.

    Returns:
        The token that the envelope has to have, None where the next hop has begun already and nothing is to be sent;
        and the hop's own record, None where it has none.

    Raises:
        Lost: the hop is another's.
        Exception: botocore's; nothing is recorded, or nobody knows.
    """
    number = hop["hop"]
    own, successor = _known(claimed, hop), None
    is_read = own is not None
    while True:
        if not is_read:
            items = table.read(hop["chain"], (number, number + 1), until_ms)
            own, successor = items.get(number), items.get(number + 1)
        is_read = False
        if own is not None:
            _check_owner(own, hop)
        if successor is not None and successor["status"] != SENT:
            return None, own
        # A new one each time: whether the envelope before was sent, and what it has carried, nobody knows any longer.
        token = _new_token()
        sent = {
            "chain": hop["chain"],
            "hop": number + 1,
            "owner": hop["id"],
            "status": SENT,
            "token": token,
            "expires_at": _expires_at(time.time() * 1000),
            "attempt": (successor or {}).get("attempt", 0) + 1,
        }
        try:
            table.put(successor, sent, until_ms, while_same=own)
        except Changed:
            continue
        return token, own


def mark_handed(table: Table, own: dict[str, Any], to: str, until_ms: int) -> None:
    """Write down that a hop was handed over; nothing where it is another's by now.

    Args:
        own: the hop's record when its successor was recorded.
        to: ARN of the function that carries on.

    Raises:
        Exception: botocore's. The next hop's record will tell the same as soon as it has begun.
    """
    outcome = json.dumps({"to": to, "hop": own["hop"] + 1})
    try:
        table.put(own, {**own, "status": HANDED, "outcome": outcome}, until_ms)
    except Changed:
        pass


def close(
    table: Table, hop: dict[str, Any], ending: dict[str, Any], until_ms: int, claimed: dict[str, Any] | None = None
) -> None:
    """Write down that a chain has ended in a hop, and how.

    Args:
        hop: as for `record_successor`.
        claimed: as for `record_successor`.
        ending: `status` (FINISHED or FAILED), `result` (JSON), and `result_bytes`, its size, where `result` is only
            where it is to be found.

    Raises:
        Lost: the hop is another's.
        Exception: botocore's; it may not be recorded.
    """
    number, status = hop["hop"], ending["status"]
    own = _known(claimed, hop)
    is_read = own is not None
    while True:
        if not is_read:
            own = table.read(hop["chain"], (number,), until_ms).get(number)
        is_read = False
        if own is not None:
            _check_owner(own, hop)
        ended = {**(own or {}), "chain": hop["chain"], "hop": number, "owner": hop["id"], "status": status}
        ended["expires_at"] = _expires_at(time.time() * 1000)
        try:
            of_chain = {"chain": hop["chain"], "hop": OF_CHAIN}
            table.put(own, ended, until_ms, together_with=(of_chain, _end_of_chain(ending)))
        except Changed:
            continue
        return


def fits(result: str | None) -> bool:
    """Whether a chain's result is at hand and has room in its item, beside everything else."""
    return result is not None and len(result.encode()) <= _RESULT_MAX


def _known(claimed: dict[str, Any] | None, hop: dict[str, Any]) -> dict[str, Any] | None:
    """The record, if it is that hop's."""
    if claimed is None or any(claimed[name] != hop[name] for name in ("chain", "hop")) or claimed["owner"] != hop["id"]:
        return None
    return claimed if claimed["attempt"] == hop.get("attempt", claimed["attempt"]) else None


def _check_owner(own: dict[str, Any], hop: dict[str, Any]) -> None:
    if own.get("owner") != hop["id"] or own.get("attempt") != hop.get("attempt", own.get("attempt")):
        text = (
            f"Hop {hop['hop']} of chain {hop['chain']} was taken over by {own.get('owner')} after its lease had ended"
        )
        raise Lost(text)


def _end_of_chain(ending: dict[str, Any]) -> dict[str, Any]:
    now_ms = int(time.time() * 1000)
    # An end before this one may have left a size.
    return {"result_bytes": None, **ending, "ended_at_ms": now_ms, "expires_at": _expires_at(now_ms)}


def _new_token() -> str:
    return os.urandom(8).hex()


def _expires_at(now_ms: float) -> int:
    return int(now_ms / 1000) + _KEPT_S
