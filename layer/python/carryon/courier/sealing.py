"""Make an envelope fit to travel: signed for the function that opens it, by way of the bucket if it is too large."""

from __future__ import annotations

import json
import os
import time

from carryon.shared import envelope
from carryon.shared.board import PENDING

from . import parcels

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carryon.shared.delivery import Order

    from .courier import Courier

# What an asynchronous invocation takes: the payload alone counts.
MAX = 1 << 20

# An attempt to store or to read takes no longer.
_WITHIN_MS = 10_000
_NO_EVENT = b"{}"
_REHEARSED_MAX = 64 << 10


class TooLarge(Exception):
    """An envelope that no way leads to its target; the text has its size, what is largest in it, and what helps."""


def seal(courier: Courier, order: Order, raw: bytes, function: str, max_bytes: int = MAX) -> bytes:
    """Return what is to be sent.

    Args:
        order: of the delivery.
        raw: the original event.
        function: ARN of the function that it is sent to.
        max_bytes: what that function takes.

    Raises:
        TooLarge: there is no bucket, or not even that helps.
        Exception: a key cannot be had, or the bucket is out of reach.
    """
    settings = courier.settings
    key = b""
    if settings.signing_keys:
        courier.report(PENDING, "no answer from where the signing key is")
        key = courier.keys.first(order.until_ms)
    sealed = _wrap(order.meta, raw, function, key)
    if len(sealed) <= max_bytes:
        return sealed
    if settings.bucket is None:
        what, size = _largest(order.meta, raw)
        raise TooLarge(
            f"the envelope has {len(sealed):,} bytes and the target takes {max_bytes:,}; {what} has {size:,} of them. "
            "Set CARRYON_BUCKET, or carry less"
        )
    if len(sealed) > parcels.MAX:
        raise TooLarge(f"the envelope has {len(sealed):,} bytes, and not more than {parcels.MAX:,} can be carried")
    chain, hop = order.meta["chain"], order.meta["hop"]
    courier.report(PENDING, f"no answer from the bucket {settings.bucket}")
    reference = bucket(courier, order.until_ms).stow(chain, hop, sealed, order.until_ms)
    meta = {name: value for name, value in order.meta.items() if name not in envelope.PROGRESS}
    return _wrap({**meta, parcels.MEMBER: reference}, _NO_EVENT, function, key)


def rehearse(courier: Courier, raw: bytes, function: str) -> None:
    """Take each step for an event, unless it is large, with keys that nobody has to be asked for.

    Raises:
        Exception: as the steps do.
    """
    keys = courier.settings.signing_keys
    key = courier.keys.first(0) if keys else b""
    _wrap({"chain": "rehearsal", "hop": 1}, raw if 0 < len(raw) <= _REHEARSED_MAX else _NO_EVENT, function, key)


def bucket(courier: Courier, until_ms: int) -> parcels.Parcels:
    """The parcels of the bucket that is set."""
    return parcels.Parcels(courier.settings.bucket, client(courier, until_ms - int(time.time() * 1000)))


def client(courier: Courier, left_ms: int) -> Any:
    """Botocore's for S3; an attempt takes no longer than `left_ms`."""
    return courier.client("s3", os.environ.get("AWS_REGION"), min(left_ms, _WITHIN_MS))


def discard(courier: Courier, order: Order) -> None:
    """Delete the parcel that the ordering hop came in, if it came in one; its work is somebody else's now, or done."""
    if parcels.MEMBER in order.hop:
        try:
            bucket(courier, order.until_ms).delete(order.hop[parcels.MEMBER], order.until_ms)
        except Exception:
            pass  # the bucket's lifecycle rule deletes it


def _wrap(meta: dict[str, Any], raw: bytes, function: str, key: bytes) -> bytes:
    if key:
        from carryon.shared import signing

        meta = signing.sign(meta, raw, function, key)
    return envelope.wrap(raw, meta)


def _largest(meta: dict[str, Any], raw: bytes) -> tuple[str, int]:
    """What takes most of the room: the event, a variable of the state, the checkpoint; with its size."""
    parts = {"the event": len(raw)}
    for name in envelope.PROGRESS:
        if name == "state":
            for variable, value in meta.get(name, {}).items():
                parts[f"{variable} of CARRYON_STATE"] = _size(value)
        elif name in meta:
            parts["the checkpoint" if name == "checkpoint" else name] = _size(meta[name])
    return max(parts.items(), key=lambda part: part[1])


def _size(value: Any) -> int:
    return len(json.dumps(value, separators=(",", ":")))
