"""Whether a hop may begin, and that a chain has ended: the courier's side."""

from __future__ import annotations

import json

from carryon.shared import envelope, signing
from carryon.shared.board import ACCEPTED
from carryon.shared.chain_result import FINISHED
from carryon.shared.hop_verdict import BUSY, CANCELLED, DUPLICATE, RUN, Verdict, encode, refuse

from . import leases, parcels, sealing, unsealing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carryon.shared.delivery import Order

    from .courier import Courier


def open_hop(courier: Courier, order: Order, raw: bytes) -> None:
    """Find out whether the hop of the event `raw` may begin; the job's result is a Verdict."""
    courier.put_result(encode(_verdict(courier, order, raw)))
    courier.report(ACCEPTED)


def _verdict(courier: Courier, order: Order, raw: bytes) -> Verdict:
    opened = read(raw) if order.hop["hop"] else None
    try:
        if opened is not None:
            unsealing.check_signature(courier, order, *opened)
        # Before the parcel: of a hop that is done it is not there any more.
        verdict = _verdict_of_lease(courier, order, opened[0] if opened is not None else {}) or Verdict(RUN)
        if opened is not None and parcels.MEMBER in opened[0] and verdict.kind == RUN:
            verdict = verdict._replace(received=unsealing.fetch(courier, order, opened[0]))
    except signing.BadEnvelope as error:
        return refuse(error)
    return verdict


def _verdict_of_lease(courier: Courier, order: Order, meta: dict[str, Any]) -> Verdict | None:
    """Make the hop this invocation's, by the table if there is one."""
    if courier.settings.table is None:
        return None
    claim = leases.claim(courier.table(order.until_ms), order.hop, meta.get("token"), order.until_ms)
    if claim.kind == leases.MINE:
        courier.claimed = claim.item
        return Verdict(RUN, details={"attempt": claim.item["attempt"]})
    if claim.kind == leases.DONE:
        return Verdict(DUPLICATE, claim.text, {"status": claim.status, "outcome": claim.outcome})
    return Verdict(CANCELLED if claim.kind == leases.CANCELLED else BUSY, claim.text)


def close_hop(courier: Courier, order: Order, raw: bytes) -> None:  # noqa: ARG001 what every job gets
    """Record that the chain has ended in this hop; the job's result is why it is not for this hop to say so."""
    if courier.settings.table is not None:
        ending = {**order.meta}
        result = ending.get("result")
        if leases.fits(result):
            del ending["result_bytes"]
        else:
            ending["result"] = json.dumps(_place_of(courier, order, result))
        try:
            leases.close(courier.table(order.until_ms), order.hop, ending, order.until_ms, courier.claimed)
        except leases.Lost as lost:
            courier.put_result(str(lost).encode())
    # What may be tried again will be asked for again.
    if order.meta["status"] == FINISHED:
        sealing.discard(courier, order)
    courier.report(ACCEPTED)


def _place_of(courier: Courier, order: Order, result: str | None) -> dict[str, Any]:
    """What takes the place of a result that has no room in the table: where it is, or how large it was."""
    if courier.settings.bucket is None or result is None:
        return {"bytes": order.meta["result_bytes"]}
    chain, hop = order.hop["chain"], order.hop["hop"]
    return {"parcel": sealing.bucket(courier, order.until_ms).stow(chain, hop, result.encode(), order.until_ms)}


def read(raw: bytes) -> tuple[dict[str, Any], bytes] | None:
    """The members of an envelope and its event, also where it was encoded anew on its way; None for anything else."""
    opened = envelope.unwrap(raw)
    if opened is not None:
        return opened
    try:
        taken = envelope.take(json.loads(raw))
    except (ValueError, RecursionError):
        return None
    return None if taken is None else (taken[0], json.dumps(taken[1]).encode())
