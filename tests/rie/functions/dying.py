"""A function whose process dies; `event["do"]` says how, `event["when"]` whether its time is up by then."""

import ctypes
import os
import signal
import sys
import time

progress = 0
if os.environ.get("DIES_AT_IMPORT"):
    os.kill(os.getpid(), signal.SIGKILL)


def handler(event, context):
    global progress
    if event.get("when") != "in clean-up":
        return globals()[event["do"]](event)
    try:
        while True:
            progress += event.get("step", 1)
            time.sleep(0.005)
    finally:
        globals()[event["do"]](event)


def echo(event):
    return event


def pid(event):
    return os.getpid()


def segmentation_fault(event):
    ctypes.string_at(0)


def kill(event):
    os.kill(os.getpid(), signal.SIGKILL)


def abort(event):
    os.abort()


def exit_3(event):
    os._exit(3)


def system_exit(event):
    sys.exit(7)


def interrupt(event):
    raise KeyboardInterrupt


class Own(BaseException):
    """Nobody catches it."""


def raise_own(event):
    raise Own("of my own")


def exhaust_memory(event):
    # Touched, since memory that was only asked for is no memory in use.
    kept = []
    while True:
        kept.append(bytearray(b"x" * (4 << 20)))
