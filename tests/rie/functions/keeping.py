"""A function that keeps its progress in the ways that functions do; it knows nothing of Carry On but `each`."""

import time

LAST = 70
count = 0


def handler(event, context):
    return globals()[event["do"]](event)


def echo(event):
    return {"event": event, "count": count}


def from_event(event):
    """Its globals are set from the event at entry."""
    global count
    count = event.get("count", 0)
    while count < LAST:
        time.sleep(0.05)
        count += 1
    return count


def from_mapped_event(event):
    global count
    count = event.get("CURRENT_STATE", 0)
    while count < LAST:
        time.sleep(0.05)
        count += 1
    return count


def with_local(event):
    position = event.get("POSITION", 0)
    while position < LAST:
        time.sleep(0.05)
        position += 1
    return position


def in_event(event):
    """Its progress is written into the event."""
    done = event.setdefault("done", [])
    while len(done) < LAST:
        time.sleep(0.05)
        done.append(len(done))
    return done


def spoils_event(event):
    event["handle"] = object()
    time.sleep(60)


def swallow_with_event(event):
    try:
        while True:
            event["done"] = "so far"
            time.sleep(0.01)
    except BaseException:
        time.sleep(60)
