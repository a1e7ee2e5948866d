"""What is found out about a hop before it begins, as the courier tells it to the runtime process."""

from __future__ import annotations

import json
from collections import namedtuple

RUN, BAD_ENVELOPE, DUPLICATE, BUSY, CANCELLED = "run", "bad_envelope", "duplicate", "busy", "cancelled"
# Where nobody could find out.
FAILED = "failed"

# What becomes of a hop: `kind` is one of the words above; `text` says why it does not run; `details` is for the log and
# the answer; `received` is the envelope that takes the place of the one that was received, None for that one itself.
Verdict = namedtuple("Verdict", "kind text details received", defaults=("", {}, None))


def refuse(reason: object) -> Verdict:
    """The verdict on an envelope that is refused, with no word of what it says."""
    return Verdict(BAD_ENVELOPE, f"The envelope is refused: {reason}")


def encode(verdict: Verdict) -> bytes:
    """As it lies on the board."""
    head = json.dumps([verdict.kind, verdict.text, verdict.details, verdict.received is not None])
    return head.encode() + b"\n" + (verdict.received or b"")


def decode(encoded: bytes) -> Verdict:
    """The opposite of `encode`."""
    head, _, received = encoded.partition(b"\n")
    kind, text, details, is_another = json.loads(head)
    return Verdict(kind, text, details, received if is_another else None)
