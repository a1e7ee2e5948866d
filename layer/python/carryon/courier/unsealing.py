"""Whether an envelope is one that this function was sent, and what its parcel holds: the courier's side."""

from __future__ import annotations

from carryon.shared import envelope, signing
from carryon.shared.board import PENDING

from . import parcels, sealing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carryon.shared.delivery import Order

    from .courier import Courier

_SAME = ("chain", "hop", "parent", "started_at_ms")


def check_signature(courier: Courier, order: Order, meta: dict[str, Any], event: bytes) -> None:
    """See that an envelope is signed for this function, where there are keys; see `signing.check`."""
    if courier.settings.signing_keys:
        courier.report(PENDING, "no answer from where the signing keys are")
        signing.check(meta, event, order.function, courier.keys, order.until_ms)


def fetch(courier: Courier, order: Order, meta: dict[str, Any]) -> bytes:
    """Return the envelope that the parcel of another one holds.

    Args:
        order: of the opening.
        meta: the members of the envelope that was received.

    Raises:
        BadEnvelope: the parcel is not its own.
        Exception: it cannot be had.
    """
    if courier.settings.bucket is None:
        raise LookupError("the envelope lies in a bucket; set CARRYON_BUCKET as it was set where it was sent")
    courier.report(PENDING, f"no answer from the bucket {courier.settings.bucket}")
    try:
        stored = sealing.bucket(courier, order.until_ms).fetch(
            meta[parcels.MEMBER], meta["chain"], meta["hop"], order.until_ms
        )
    except parcels.NotHad as error:
        if error.is_gone:
            raise LookupError(f"{error}; its hop has handed over before, or the bucket has let it expire") from None
        raise signing.BadEnvelope(str(error)) from None
    inner = envelope.unwrap(stored)
    if inner is None or parcels.MEMBER in inner[0] or any(inner[0][name] != meta[name] for name in _SAME):
        raise signing.BadEnvelope("the stored one is not the one that was sent")
    check_signature(courier, order, *inner)
    return stored
