"""Parts of a JSON text as they were written: what is sent again is to be what was received."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLANKS = re.compile(r"[ \t\r\n]*")


def load(text: str) -> Any:
    """Decode a JSON text.

    Raises:
        ValueError: it is none, as Lambda understands it (NaN and Infinity are not JSON), or nested too deeply.
    """
    try:
        return _DECODER.decode(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def members(text: str) -> dict[str, str]:
    """Return the texts of an object's members; `text` is known to be the JSON text of an object."""
    found = {}
    at = _after(text, text.index("{") + 1)
    while text[at] != "}":
        name, at = _DECODER.raw_decode(text, at)
        start = _after(text, _after(text, at) + 1)
        _, end = _DECODER.raw_decode(text, start)
        found[name] = text[start:end]
        at = _past_comma(text, end)
    return found


def elements(text: str) -> Iterator[str]:
    """Yield the texts of an array's elements; `text` is known to be the JSON text of an array."""
    at = _after(text, text.index("[") + 1)
    while text[at] != "]":
        _, end = _DECODER.raw_decode(text, at)
        yield text[at:end]
        at = _past_comma(text, end)


def _past_comma(text: str, at: int) -> int:
    at = _after(text, at)
    return _after(text, at + 1) if text[at] == "," else at


def _after(text: str, at: int) -> int:
    match = _BLANKS.match(text, at)
    assert match
    return match.end()


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
