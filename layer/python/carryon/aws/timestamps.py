"""Times as AWS writes them, read without the modules that know all ways to write one."""

from __future__ import annotations

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def from_iso(text: str) -> int:
    """Seconds since the epoch of 2015-08-30T12:36:00Z, with a fraction or without.

    Raises:
        ValueError: it is written in another way.
    """
    date, _, rest = text.partition("T")
    if not rest.endswith("Z"):
        raise ValueError(f"not a time: {text!r}")
    year, month, day = date.split("-")
    return _seconds(year, int(month), day, rest[:-1].partition(".")[0])


def from_http(text: str) -> int:
    """Seconds since the epoch of Sun, 30 Aug 2015 12:36:00 GMT.

    Raises:
        ValueError: it is written in another way.
    """
    _, day, month, year, time, zone = text.split()
    if zone != "GMT":
        raise ValueError(f"not a time: {text!r}")
    return _seconds(year, _MONTHS.index(month) + 1, day, time)


def _seconds(year: str, month: int, day: str, time: str) -> int:
    # Years begin in March, so that the day that some have more is the last one.
    years, months = (int(year), month - 3) if month > 2 else (int(year) - 1, month + 9)
    days = 365 * years + years // 4 - years // 100 + years // 400 + (153 * months + 2) // 5 + int(day) - 719_469
    hours, minutes, seconds = time.split(":")
    return ((days * 24 + int(hours)) * 60 + int(minutes)) * 60 + int(seconds)
