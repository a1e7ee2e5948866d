"""When a chain ends although its work is not done: it is too old, or comes no further; and what it has cost so far."""

from __future__ import annotations

import json
import time

from .envelope import PROGRESS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_DIGEST_BYTES = 16
_MB_PER_GB = 1_024
# Members of the log lines, and of the envelope.
GB_SECONDS, REQUESTS = "gb_s", "requests"


def spent(carried: dict[str, Any] | None, elapsed_ms: int, environ: Mapping[str, str]) -> dict[str, Any] | None:
    """What a chain has cost up to now: GB-seconds and requests; None where the function's memory is not known.

    Args:
        carried: the members of the envelope that this hop came in, None in the first.
        elapsed_ms: since this hop's start.
        environ: the function's environment.
    """
    try:
        memory_mb = int(environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"])
    except (KeyError, ValueError):
        return None
    before = (carried or {}).get("spent", {GB_SECONDS: 0, REQUESTS: 0})
    gb_s = before[GB_SECONDS] + memory_mb / _MB_PER_GB * max(elapsed_ms, 0) / 1000
    return {GB_SECONDS: round(gb_s, 3), REQUESTS: before[REQUESTS] + 1}


def as_fields(spent_so_far: dict[str, Any] | None) -> dict[str, Any]:
    """The same for a log line."""
    if spent_so_far is None:
        return {}
    return {"gb_seconds": spent_so_far[GB_SECONDS], "requests": spent_so_far[REQUESTS]}


def too_old(meta: dict[str, Any], max_age_ms: int | None) -> str | None:
    """Why a chain is not continued any more whose time is over; None where it is."""
    age_ms = int(time.time() * 1000) - meta["started_at_ms"]
    if max_age_ms is None or age_ms < max_age_ms:
        return None
    return (
        f"The chain {meta['chain']} has been going on for {age_ms // 1000} s and is not done; CARRYON_MAX_AGE is "
        f"{max_age_ms // 1000} s"
    )


def stall(
    carried: dict[str, Any] | None, meta: dict[str, Any], event: bytes | None, *, is_whole: bool
) -> dict[str, Any] | None:
    """Of how many hops in a row nothing that travels has changed: the envelope's member; None where nothing travels.

    Args:
        carried: the members of the envelope that this hop came in, None in the first.
        meta: the ones of the next hop.
        event: what the next hop gets, where it is what the handler has left; else None.
        is_whole: whether variables and event are known to be as they were between two steps of the work. Others say
            nothing: an old state may travel although there was a newer one.
    """
    progress = {name: meta[name] for name in PROGRESS if name in meta}
    if not progress and event is None:
        return None
    before: dict[str, Any] = (carried or {}).get("stall", {})
    if not is_whole and (event is not None or "state" in progress):
        return before or None
    from hashlib import blake2b

    digest = blake2b(json.dumps(progress, sort_keys=True).encode(), digest_size=_DIGEST_BYTES)
    digest.update(event or b"")
    is_same = before.get("digest") == digest.hexdigest()
    return {"digest": digest.hexdigest(), "hops": before["hops"] + 1 if is_same else 0}


def stalled(meta: dict[str, Any], limit: int) -> str | None:
    """Why a chain is not continued that comes no further; None where it does.

    Args:
        meta: the members of the next hop's envelope.
        limit: what CARRYON_STALL_HOPS says.
    """
    hops = meta.get("stall", {}).get("hops", 0)
    if not limit or hops < limit:
        return None
    what = [f"{name} of CARRYON_STATE" for name in meta.get("state", {})]
    what += [text for name, text in (("checkpoint", "the checkpoint"), ("each", "the finished items")) if name in meta]
    return (
        f"The chain {meta['chain']} comes no further: {hops} hops in a row have changed nothing of what travels "
        f"({', '.join(what) or 'the event'}). CARRYON_STALL_HOPS=0 switches this check off"
    )
