"""A function whose event and state nobody else is to know; `event["do"]` says how it behaves."""

import os
import signal
import time

kept = None


def handler(event, context):
    global kept
    kept = event["state"]
    return globals()[event["do"]](event)


def wait(event):
    while True:
        time.sleep(0.005)


def swallow(event):
    while True:
        try:
            wait(event)
        except BaseException:
            pass


def fail(event):
    try:
        wait(event)
    finally:
        raise ValueError(event["secret"], kept)


def keep(event):
    import carryon

    carryon.checkpoint({"secret": event["secret"]})
    wait(event)


def keep_what_is_no_json(event):
    global kept
    kept = {event["secret"]: {event["secret"]}}
    wait(event)


def die(event):
    os.kill(os.getpid(), signal.SIGSEGV)


def leave_child(event):
    """A child that uses what there is, says how that went, and stays."""
    import carryon

    carryon.checkpoint("before")
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        status = b"failed"
        try:
            carryon.checkpoint("in the child")
            with carryon.shield():
                list(carryon.each([1, 2]))
            carryon.complete()
            carryon.remaining_ms()
            status = b"unharmed"
        finally:
            os.write(writing, status)
            os.close(writing)
            signal.pause()
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        return {"pid": os.getpid(), "child": child, "says": pipe.read().decode(), "kept": carryon.restore()}


def leave_thread(event):
    import threading

    threading.Thread(target=wait, args=(event,), name="worker", daemon=True).start()
    wait(event)
