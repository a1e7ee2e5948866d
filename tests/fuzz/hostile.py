"""Events that nobody has sent in good faith: mutations of good envelopes, and values that are chosen to hurt."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from carryon.shared import envelope

META: dict[str, Any] = {
    "v": 1,
    "chain": "8f0e5d1c-0000-4000-8000-000000000001",
    "hop": 3,
    "cause": "time",
    "parent": "8f0e5d1c-0000-4000-8000-000000000002",
    "started_at_ms": 1_700_000_000_000,
}
EVENTS = (
    b"{}",
    b'{"n": 20000}',
    b' {"carryon": 1, "n": 2} ',
    b'{"Records":[{"eventSource":"aws:sqs","messageId":"1","body":"{}"}]}',
    b'{"requestContext":{"http":{"method":"GET"}},"httpMethod":"GET"}',
    b"[1, 2]",
    b'"text"',
    b"null",
)
METAS = (
    META,
    {**META, "state": {"count": 7, "names": ["a", "b"]}},
    {**META, "state": {"count": 7, "place": [1]}, "checkpoint": {"at": 5}, "each": {"0": 2, "0.2.0": 1}},
    {**META, "cause": "crash", "crashes": 1, "checkpoint": None},
    {
        **META,
        "spent": {"gb_s": 1.5, "requests": 3},
        "stall": {"digest": "0a1b", "hops": 0},
        "token": "t",
        "sig": "v1:0",
    },
)
GOOD = tuple(envelope.wrap(event, meta) for event in EVENTS for meta in METAS)

_NAMES = (
    "v", "chain", "hop", "cause", "parent", "started_at_ms", "state", "checkpoint", "each", "event", "carryon",
    "crashes", "spent", "gb_s", "requests", "stall", "digest", "hops", "sig", "token", "records", "count", "names",
    "place", "PLACE", "unnamed", "handler", "__class__", "__dict__", "__builtins__", "__init__", "__reduce__",
    "py/object", "app:count", "os:environ", "a.b", "0", "0.0.0", "", "\n", "\ud800", "DurableExecutionArn",
    "Records", "requestContext",
)  # fmt: skip
_VALUES = (
    None, True, False, 0, 1, 2, -1, 3.0, 1 << 53, (1 << 53) - 1, -(1 << 63), 10**400, 1e308, float("nan"),
    float("inf"), "", "1", "time", "crash", "x" * 129, "\x00", "\n", "\ud800", "{}", [], [[]], {}, {"": {}},
    {"__class__": "dict"}, {"0": 1}, {"0": 1 << 60}, {"0": True}, {"event": 1}, {"carryon": META}, META,
)  # fmt: skip
_TOKENS = (
    b'{"carryon":{', b'"event":', b'"carryon":', b'"v":1,', b'"v":2,', b'"\\u0065vent":1,', b"{", b"}", b"[", b"]",
    b",", b":", b'"', b"\\", b"\\ud800", b"\x00", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"NaN", b"-Infinity",
    b"1e999", b"9" * 5_000, b"[" * 1_200, b'{"a":' * 1_200, b" " * 300, b"\n", b"\xc2\xa0", b"}}", b"null", b"//",
)  # fmt: skip


def nested(depth: int, inner: bytes = b"0") -> bytes:
    """Lists in lists, so many."""
    return b"[" * depth + inner + b"]" * depth


def members(meta: dict[str, Any] = META) -> bytes:
    """The members of an envelope as they stand in one, without its braces."""
    return json.dumps(meta, separators=(",", ":")).encode()[1:-1]


def mutated(chance: random.Random, raw: bytes | None = None) -> bytes:
    """An envelope, by default a good one, with one to three things wrong, or right in another way."""
    raw = chance.choice(GOOD) if raw is None else raw
    for _ in range(chance.randint(1, 3)):
        raw = chance.choice(_MUTATIONS)(raw, chance)
    return raw


def _cut(raw: bytes, chance: random.Random) -> bytes:
    return raw[: chance.randrange(len(raw) + 1)]


def _leave_out(raw: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(raw) + 1)
    return raw[:at] + raw[at + chance.randint(1, 12) :]


def _repeat(raw: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(raw) + 1)
    piece = raw[at : at + chance.randint(1, 60)]
    return raw[:at] + piece + raw[at:]


def _flip(raw: bytes, chance: random.Random) -> bytes:
    if not raw:
        return raw
    at = chance.randrange(len(raw))
    return raw[:at] + bytes([raw[at] ^ 1 << chance.randrange(8)]) + raw[at + 1 :]


def _insert(raw: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(raw) + 1)
    return raw[:at] + chance.choice(_TOKENS) + raw[at:]


def _splice(raw: bytes, chance: random.Random) -> bytes:
    other = chance.choice(GOOD)
    return raw[: chance.randrange(len(raw) + 1)] + other[chance.randrange(len(other)) :]


def _change_members(raw: bytes, chance: random.Random) -> bytes:
    """Put any value under any name, on any level, and write it all in any style."""
    try:
        whole = json.loads(raw)
        objects = [whole] if isinstance(whole, dict) else []
        for one in objects:
            objects += [value for value in one.values() if isinstance(value, dict)]
        if objects:
            chosen = chance.choice(objects)
            name = chance.choice([*chosen, *_NAMES])
            if chosen.pop(name, None) is None or chance.random() < 0.8:
                chosen[name] = chance.choice(_VALUES)
        separators = chance.choice(((",", ":"), (", ", ": "), (" ,", " :")))
        text = json.dumps(whole, separators=separators, ensure_ascii=chance.random() < 0.7)
    except (ValueError, RecursionError):
        return raw
    return text.encode("utf-8", "surrogatepass")


def _encode_otherwise(raw: bytes, chance: random.Random) -> bytes:
    return raw.decode("utf-8", "replace").encode(
        chance.choice(("utf-16", "utf-32-be", "utf-8-sig", "latin-1")), "replace"
    )


# What leaves it JSON goes deeper, so it comes more often.
_MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *[_change_members] * 12, _cut, _leave_out, _repeat, _flip, _insert, _splice, _encode_otherwise,
)  # fmt: skip
