"""Whether a hop may begin, and that a chain has ended: the courier's side."""

from __future__ import annotations

import json
from collections import namedtuple

from . import envelope
from .board import ACCEPTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .courier import Courier
    from .delivery import Order

RUN, BAD_ENVELOPE, DUPLICATE, BUSY, CANCELLED = "run", "bad_envelope", "duplicate", "busy", "cancelled"
# Where nobody could find out.
FAILED = "failed"

# What becomes of a hop: `kind` is one of the words above; `text` says why it does not run; `details` is for the log and
# the answer; `received` is the envelope that takes the place of the one that was received, None for that one itself.
Verdict = namedtuple("Verdict", "kind text details received", defaults=("", {}, None))


def encode(verdict: Verdict) -> bytes:
    """As it lies on the board."""
    head = json.dumps([verdict.kind, verdict.text, verdict.details, verdict.received is not None])
    return head.encode() + b"\n" + (verdict.received or b"")


def decode(encoded: bytes) -> Verdict:
    """The opposite of `encode`."""
    head, _, received = encoded.partition(b"\n")
    kind, text, details, is_another = json.loads(head)
    return Verdict(kind, text, details, received if is_another else None)


def open_hop(courier: Courier, order: Order, raw: bytes) -> None:
    """Find out whether the hop of the envelope `raw` may begin; the job's result is a Verdict."""
    courier.put_result(encode(_verdict(courier, order, raw)))
    courier.report(ACCEPTED)


def _verdict(courier: Courier, order: Order, raw: bytes) -> Verdict:  # noqa: ARG001
    return Verdict(RUN)


def close_hop(courier: Courier, order: Order, raw: bytes) -> None:  # noqa: ARG001
    """Record that the chain has ended in this hop."""
    courier.report(ACCEPTED)


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
