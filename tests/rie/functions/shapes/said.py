"""Handlers that say how far they are, by the calls of carryon."""

import steps
from steps import fetch, mix

import carryon

checksum = 0


def handler(event, context):
    steps.pace_s = event["pace_s"]
    return globals()[event["shape"]](event["items"])


def checkpoints(items):
    done, total = carryon.restore([0, 0])
    while done < items:
        done += 1
        total = mix(total, fetch(done))
        carryon.checkpoint([done, total])
    return [done, total]


def each_with_state(items):
    """Which numbers are finished is known to `each`, their checksum is a global."""
    global checksum
    for number in carryon.each(range(items)):
        checksum = mix(checksum, number)
        value = fetch(number)
        checksum = mix(checksum, value)
    return checksum
