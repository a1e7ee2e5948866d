"""A function that holds a file lock, an object and its event when its time is up, and says later what is left of them.

There is no collector: what is freed is freed because nobody refers to it any longer.
"""

import asyncio
import fcntl
import gc
import os
import time
import weakref

import carryon

gc.disable()
a = b = 0
left = {}
PATH = os.path.join(os.environ["HOLDING_IN"], "lock")


class Held:
    """What can be referred to weakly."""


class Event(dict):
    """An event that can be."""


def lock():
    file = open(PATH, "w")  # noqa: SIM115  # its end is what counts
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return file


def work(held, file):
    global a, b
    ends_at = time.monotonic() + 20
    while time.monotonic() < ends_at:
        a += 1
        b += 1
    return held, file


def nested(event):
    held = Held()
    left["held"] = weakref.ref(held)
    left["event"] = weakref.ref(event)
    return work(held, lock())


def generated(event):
    yield from [nested(event)]


class Working:
    """Its destructor is where the exception is raised first, and lost."""

    def __del__(self):
        ends_at = time.monotonic() + 0.55
        while time.monotonic() < ends_at:
            pass


def destroyed(event):
    Working()
    return nested(event)


async def awaited(event):
    return nested(event)


def handler(event, context):
    if "how" not in event:
        # As who comes next in this process finds it.
        return {"held": left["held"]() is not None, "event": left["event"]() is not None, "locked": bool(lock())}
    how = event["how"]
    event = Event(event)
    if how == "swallowed":
        try:
            nested(event)
        except BaseException:
            pass
        # Within the handler too, those frames have ended.
        return {"held": left["held"]() is not None, "locked": bool(lock())}
    if how == "replaced":
        try:
            nested(event)
        except BaseException as error:
            raise LookupError("instead") from error
    if how == "generator":
        return list(generated(event))
    if how == "destructor":
        return destroyed(event)
    if how == "event_loop":
        return asyncio.run(awaited(event))
    if how == "each":
        for one in carryon.each([event]):
            nested(one)
    if how == "shield":
        with carryon.shield():
            time.sleep(0.55)
        return nested(event)
    return nested(event)
