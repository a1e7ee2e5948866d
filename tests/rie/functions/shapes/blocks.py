"""Loops in blocks that clean up, and blocks that clean up in loops; every one opens something and has to close it."""

import contextlib

import steps
from steps import fetch, mix

done = 0
checksum = 0
attempts = 0

# No state: what is open in this process.
opened = []


def handler(event, context):
    steps.pace_s = event["pace_s"]
    del opened[:]
    try:
        return globals()[event["shape"]](event["items"])
    finally:
        print(f"left open: {len(opened)}", flush=True)


class Connection:
    def __init__(self):
        opened.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        opened.remove(self)


def finally_around(items):
    """What was counted is forgotten in the end, for whoever comes next."""
    global done, checksum
    connection = Connection()
    try:
        while done < items:
            done += 1
            checksum = mix(checksum, fetch(done))
        return [done, checksum]
    finally:
        connection.close()
        done = checksum = 0


def finally_inside(items):
    global done, checksum
    while done < items:
        connection = Connection()
        try:
            done += 1
            value = fetch(done)
        finally:
            connection.close()
        checksum = mix(checksum, value)
    return [done, checksum]


def with_around(items):
    global done, checksum
    with Connection(), contextlib.suppress(KeyError):
        for number in range(done, items):
            checksum = mix(checksum, fetch(number))
            value = fetch(-number)
            done = number + 1
            checksum = mix(checksum, value)
    return [done, checksum]


@contextlib.contextmanager
def booking():
    """Counts on entry, sums up at the exit."""
    global done, checksum
    done += 1
    with Connection():
        yield
    checksum = mix(checksum, done)


def with_inside(items):
    while done < items:
        with booking():
            fetch(done)
    return [done, checksum]


class BusyError(Exception):
    """The source asks to be asked again."""


def ask(attempt):
    value = fetch(attempt)
    if attempt % 3 == 0:
        raise BusyError
    return value


def exceptions(items):
    """Every third attempt fails, and the end of the work is an exception too."""
    global attempts, done, checksum
    while True:
        attempts += 1
        with Connection():
            try:
                if done >= items:
                    raise StopIteration
                value = ask(attempts)
            except BusyError:
                checksum = mix(checksum, attempts)
                continue
            except StopIteration:
                break
            done += 1
            checksum = mix(checksum, value)
    return [done, checksum]
