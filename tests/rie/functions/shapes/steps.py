"""The work of all shapes: a value for each number, which takes a while; numbers are folded into a checksum."""

import asyncio
import time
import zlib

# Seconds that a value takes, and of them the share in which the CPU is busy.
pace_s = 0.0
_BUSY = 0.05


def fetch(number, times=1):
    """Wait, then compute; an alarm finds either."""
    seconds = pace_s * times
    time.sleep(seconds * (1 - _BUSY))
    until = time.monotonic() + seconds * _BUSY
    value = zlib.crc32(str(number).encode())
    while time.monotonic() < until:
        value = zlib.crc32(str(number).encode())
    return value


async def fetch_later(number):
    await asyncio.sleep(pace_s)
    return zlib.crc32(str(number).encode())


def mix(checksum, value):
    """The order of the values counts, and each counts once."""
    return (checksum * 31 + value) % 1_000_003
