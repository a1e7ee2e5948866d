"""The event of a continuation: the original event, byte for byte, with one member `carryon` spliced in before it.

{"carryon": {"v": 1, "chain": .., "hop": .., ...}, ...the original's members}
{"carryon": {"event": <the original>, "v": 1, ...}}       where it is no object or has a member `carryon`
"""

from __future__ import annotations

import json
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VERSION = 1

# The members that are a chain's progress: named variables, the last checkpoint, and finished items by loop.
PROGRESS = ("state", "checkpoint", "each")

# What every envelope has within its first bytes, for a reader in a hurry.
MARK = b'{"carryon":{'
MARK_WITHIN = 256

_KEY = "carryon"
_ID_MAX = 128
# What is nested deeper may be decoded in one process and not in the next, which has another stack at that moment.
_LEVELS_MAX = 8
_BLANKS = b" \t\r\n"
_START_WITH_EVENT = '{"carryon":{"event":'
_ANY_SPELLING = (
    rb'"(?:c|\\u0063)(?:a|\\u0061)(?:r|\\u0072)(?:r|\\u0072)(?:y|\\u0079)(?:o|\\u006[fF])(?:n|\\u006[eE])"\s*:'
)
# What follows the members in an envelope that was not encoded anew: nothing else is JSON both with and without them.
_NEXT_MEMBER_OR_END = r',[ \t\r\n]*"|[ \t\r\n]*}'


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse)


def wrap(raw: bytes, meta: dict[str, Any]) -> bytes:
    """Return the envelope for an event, which is never decoded and encoded anew.

    Args:
        raw: the original event, JSON.
        meta: the envelope's members, without `event`.
    """
    members = json.dumps(meta, separators=(",", ":"), allow_nan=False).encode()
    body = raw.lstrip(_BLANKS)
    lead = raw[: len(raw) - len(body)]
    mark_is_seen = len(lead) + len(MARK) <= MARK_WITHIN
    if mark_is_seen and body[:1] == b"{" and not _has_own_key(body):
        rest = body[1:]
        separator = b"" if rest.lstrip(_BLANKS)[:1] == b"}" else b","
        return lead + b'{"carryon":' + members + separator + rest
    return _START_WITH_EVENT.encode() + raw + b"," + members[1:] + b"}"


def _has_own_key(body: bytes) -> bool:
    """Whether the object has a member `carryon`, in any spelling: the later of two is the one that decoders take."""
    if b'"carryon"' not in body and b"\\u00" not in body:
        return False
    # Accented letters are escapes too, so most events that come this far are told apart without decoding megabytes.
    if not re.search(_ANY_SPELLING, body):
        return False
    try:
        return _KEY in json.loads(body)
    except (ValueError, RecursionError):
        return True


def unwrap(raw: bytes) -> tuple[dict[str, Any], bytes] | None:
    """Return (meta, original event) of an envelope that `wrap` made, None for anything else. Never raises.

    The members and the event are as they were given to `wrap`, the event byte for byte.
    """
    if MARK not in raw[:MARK_WITHIN] or not raw.lstrip(_BLANKS).startswith(MARK):
        return None
    try:
        return _unwrap(raw.decode())
    except (ValueError, IndexError, RecursionError):
        return None


def _unwrap(text: str) -> tuple[dict[str, Any], bytes] | None:
    start = text.index("{")
    meta, end = _decoder.raw_decode(text, start + len(MARK) - 1)
    if not _is_good(meta):
        return None
    if text.startswith(_START_WITH_EVENT, start):
        if text[end:] != "}":
            return None
        at = start + len(_START_WITH_EVENT)
        blanks = len(text[at:]) - len(text[at:].lstrip(_BLANKS.decode()))
        _, event_end = _decoder.raw_decode(text, at + blanks)
        comma = text.index(",", event_end)
        del meta["event"]
        return meta, text[at:comma].encode()
    rest = text[end:]
    if "event" in meta or not re.match(_NEXT_MEMBER_OR_END, rest):
        return None
    return meta, (text[:start] + "{" + (rest[1:] if rest[0] == "," else rest)).encode()


def take(event: object) -> tuple[dict[str, Any], Any] | None:
    """Return (meta, original event) of a decoded envelope, for one that was encoded anew on its way; else None."""
    if not isinstance(event, dict) or not _is_good(event.get(_KEY)):
        return None
    rest = {key: value for key, value in event.items() if key != _KEY}
    meta = dict(event[_KEY])
    if "event" not in meta:
        return meta, rest
    return None if rest else (meta, meta.pop("event"))


def _is_good(meta: object) -> bool:
    return (
        isinstance(meta, dict)
        and _is_count(meta.get("v")) and meta["v"] == VERSION
        and _is_id(meta.get("chain"))
        and _is_count(meta.get("hop"))
        and meta.get("cause") in ("time", "crash")
        and _is_id(meta.get("parent"))
        and _is_count(meta.get("started_at_ms"))
        and _is_count(meta.get("crashes", 1))
        and isinstance(meta.get("state", {}), dict)
        and isinstance(meta.get("each", {}), dict) and all(map(_is_count, meta.get("each", {}).values()))
        and _is_spent(meta.get("spent", {"gb_s": 0, "requests": 1}))
        and _is_stall(meta.get("stall", {"digest": "-", "hops": 0}))
        and isinstance(meta.get("parcel", {}), dict)
        and isinstance(meta.get("sig", ""), str)
        and _is_shallow([value for name, value in meta.items() if name not in PROGRESS and name != "event"])
    )  # fmt: skip


def _is_id(value: object) -> bool:
    # It goes into answers, log lines and keys; half a surrogate pair would end the runtime client.
    return isinstance(value, str) and 0 < len(value) <= _ID_MAX and value.isascii() and value.isprintable()


def _is_count(value: object) -> bool:
    return type(value) is int and 0 < value < 1 << 53


def _is_spent(value: object) -> bool:
    if not isinstance(value, dict) or not _is_count(value.get("requests")):
        return False
    gb_s: Any = value.get("gb_s")
    return type(gb_s) in (int, float) and 0 <= gb_s < 1 << 53


def _is_stall(value: object) -> bool:
    if not isinstance(value, dict) or not _is_id(value.get("digest")):
        return False
    hops = value.get("hops")
    return _is_count(hops) or (hops == 0 and type(hops) is int)


def _is_shallow(values: list[Any]) -> bool:
    for _ in range(_LEVELS_MAX):
        values = [
            inner
            for value in values
            if isinstance(value, (dict, list))
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
        if not values:
            return True
    return False
