"""Sign envelopes, and tell those that were signed for this function with one of its keys: HMAC-SHA256.

What is signed is what the JSON says, not how it is written, so that a queue or a bus may write it anew on the way.
"""

from __future__ import annotations

import hashlib
import hmac
import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .keys import Keys

MEMBER = "sig"

_VERSION = "v1"
# So that no other use of the same key makes a signature that is good here.
_PURPOSE = b"carryon envelope v1\n"
_ARN_PARTS = 7  # of a function's, without version or alias


class BadEnvelope(Exception):
    """An envelope that is refused; the text says why and has nothing of it."""


def check(meta: dict[str, Any], event: bytes, function: str, keys: Keys, until_ms: int) -> None:
    """See that an envelope is signed for the function that it has come to.

    Args:
        meta: its members.
        event: what it carries, JSON.
        function: ARN of the function.
        until_ms: wall clock at which nobody waits for a key any longer.

    Raises:
        BadEnvelope: it is not.
        KeyUnavailable: nobody could find out.
    """
    if MEMBER not in meta:
        raise BadEnvelope("it is not signed")
    while not is_signed(meta, event, function, keys.each(until_ms)):
        # It may have been signed with a key that has just come into use.
        if not keys.forget():
            raise BadEnvelope("its signature is not good for this function and this content")


def sign(meta: dict[str, Any], event: bytes, function: str, key: bytes) -> dict[str, Any]:
    """The members of an envelope with its signature among them.

    Args:
        meta: the members.
        event: JSON.
        function: ARN of the function that is meant to open it; whatever version or alias it names, all are meant.

    Raises:
        ValueError: the event is not JSON, or there is no key.
        RecursionError: it is nested too deeply to be read.
    """
    if not key:
        raise ValueError("no key")
    return {**meta, MEMBER: _signature(key, _canonical(meta, event, function)).decode()}


def is_signed(meta: dict[str, Any], event: bytes, function: str, keys: Iterable[bytes]) -> bool:
    """Whether one of the keys has signed this envelope for this function; keys are asked for until one has."""
    given = meta.get(MEMBER)
    if not isinstance(given, str):
        return False
    try:
        content = _canonical(meta, event, function)
    except (ValueError, RecursionError):
        return False
    signature = given.encode("utf-8", "replace")
    return any(hmac.compare_digest(_signature(key, content), signature) for key in keys if key)


def _signature(key: bytes, content: bytes) -> bytes:
    return f"{_VERSION}:{hmac.new(key, content, hashlib.sha256).hexdigest()}".encode()


def _canonical(meta: dict[str, Any], event: bytes, function: str) -> bytes:
    members = {name: value for name, value in meta.items() if name != MEMBER}
    content = {
        "event": _read(event),
        "for": ":".join(function.split(":")[:_ARN_PARTS]),
        "meta": _read(json.dumps(members).encode()),
    }
    return _PURPOSE + json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _read(text: bytes) -> Any:
    # The object that a decoder makes of it: the last of two members of one name, any escape for a character.
    return json.loads(text, parse_float=_number)


def _number(text: str) -> float | int:
    """2.0 is 2: many a writer leaves the point out, and large whole numbers get an exponent."""
    number = float(text)
    return int(number) if number.is_integer() else number
