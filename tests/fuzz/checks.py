"""Compare what the layer's readers make of an event with the specification."""

from __future__ import annotations

import json
from typing import Any

import simplejson

from carryon.shared import envelope

from .specification import AmbiguousError, reading


def check_readers(raw: bytes) -> None:
    """See that an event is opened as the specification says, or is not JSON before and after.

    Raises:
        AssertionError: it is not.
    """
    try:
        expected = reading(raw)
    except AmbiguousError:
        envelope.unwrap(raw)
        return
    try:
        event, carried = _opened(raw)
    except (ValueError, RecursionError):
        assert expected is None, raw
        return
    assert expected is not None, raw
    assert as_text(event) == as_text(expected.event)
    assert as_text(carried) == as_text({name: value for name, value in expected.carried.items() if name != "event"})


def as_text(value: Any) -> str:
    """Of JSON, also where it is not a number, and so not equal to itself."""
    return json.dumps(value, sort_keys=True)


def _opened(raw: bytes) -> tuple[Any, dict[str, Any]]:
    """By the reader of bytes, else by the one of what is decoded."""
    found = envelope.unwrap(raw)
    if found is not None:
        carried, inner = found
        return simplejson.loads(inner), carried
    whole = simplejson.loads(raw)
    taken = envelope.take(whole)
    return (whole, {}) if taken is None else (taken[1], taken[0])
