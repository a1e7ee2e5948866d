"""Handlers that take up their progress from the event."""

import steps
from steps import fetch, mix

done = 0
checksum = 0


def handler(event, context):
    steps.pace_s = event["pace_s"]
    return globals()[event["shape"]](event)


def from_event(event):
    global done, checksum
    done = event.get("done", 0)
    checksum = event.get("checksum", 0)
    while done < event["items"]:
        done += 1
        checksum = mix(checksum, fetch(done))
    return [done, checksum]


def with_locals(event):
    position = event.get("POSITION", 0)
    total = event.get("TOTAL", 0)
    while position < event["items"]:
        position += 1
        total = mix(total, fetch(position))
    return [position, total]


def in_event(event):
    event.setdefault("done", 0)
    event.setdefault("checksum", 0)
    while event["done"] < event["items"]:
        event["done"] += 1
        event["checksum"] = mix(event["checksum"], fetch(event["done"]))
    return [event["done"], event["checksum"]]
