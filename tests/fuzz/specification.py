"""What a handler may see of an event, written down a second time, from the README and not from the reader's code."""

from __future__ import annotations

from typing import Any, NamedTuple

# What the runtime client reads events by. It is stricter than json: no NaN, nothing but UTF-8.
import simplejson

NAMED = {"count": 0, "names": ["first"], "place": None}
CARRYON_STATE = "count,names,place=PLACE"


class AmbiguousError(Exception):
    """There is more than one reading."""


class Reading(NamedTuple):
    """The event that the handler gets, and the members of the envelope that it came in."""

    event: Any
    carried: dict[str, Any]

    @property
    def answer(self) -> dict[str, Any] | None:
        """What the handler of functions/app.py then says; None where its invocation fails."""
        state = {name: value for name, value in self.carried.get("state", {}).items() if name in NAMED}
        event = self.event
        if "place" in state:
            if not isinstance(event, dict):
                return None
            event = {**event, "PLACE": state["place"]}
        return {
            "event": event,
            "state": {**NAMED, **state},
            "checkpoint": self.carried.get("checkpoint", "none"),
            "items": list("abc"[self.carried.get("each", {}).get("0", 0) :]),
        }


def reading(raw: bytes) -> Reading | None:
    """The one reading; None where it is not JSON, so that no handler is called.

    Raises:
        AmbiguousError: a member is there twice, and either may count; or it is a durable function's and is left alone.
    """
    try:
        whole = simplejson.loads(raw, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        return None
    found = _opened(whole)
    if isinstance(found.event, dict) and "DurableExecutionArn" in found.event:
        raise AmbiguousError
    return found


def _opened(whole: Any) -> Reading:
    meta = whole.get("carryon") if isinstance(whole, dict) else None
    if not _is_envelope(meta):
        return Reading(whole, {})
    rest = {name: value for name, value in whole.items() if name != "carryon"}
    if "event" not in meta:
        return Reading(rest, meta)
    return Reading(whole, {}) if rest else Reading(meta["event"], meta)


def _is_envelope(meta: Any) -> bool:
    return (
        isinstance(meta, dict)
        and type(meta.get("v")) is int
        and meta["v"] == 1
        and all(_is_id(meta.get(name)) for name in ("chain", "parent"))
        and all(_is_count(meta.get(name)) for name in ("hop", "started_at_ms"))
        and meta.get("cause") in ("time", "crash")
        and _is_count(meta.get("crashes", 1))
        and ("spent" not in meta or _is_spent(meta["spent"]))
        and ("stall" not in meta or _is_stall(meta["stall"]))
        and isinstance(meta.get("parcel", {}), dict)
        and isinstance(meta.get("sig", ""), str)
        and isinstance(meta.get("state", {}), dict)
        and isinstance(meta.get("each", {}), dict)
        and all(map(_is_count, meta.get("each", {}).values()))
        and all(
            _depth(value) <= 8 for name, value in meta.items() if name not in ("state", "checkpoint", "each", "event")
        )
    )


def _is_spent(spent: Any) -> bool:
    return (
        isinstance(spent, dict)
        and type(spent.get("gb_s")) in (int, float)
        and 0 <= spent["gb_s"] < 2**53
        and _is_count(spent.get("requests"))
    )


def _is_stall(stall: Any) -> bool:
    return (
        isinstance(stall, dict)
        and _is_id(stall.get("digest"))
        and type(stall.get("hops")) is int
        and 0 <= stall["hops"] < 2**53
    )


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0)


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= 128 and all(" " <= letter <= "~" for letter in value)


def _is_count(value: Any) -> bool:
    return type(value) is int and 1 <= value < 2**53


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise AmbiguousError
    return members
