"""Functions for `carryon local`."""

import os
import signal
import sys
import time
import urllib.request

steps = 0


def count(event, context):
    """Take as many steps as the event says, all hops together, and report each hop's end."""
    global steps
    try:
        while steps < event["steps"]:
            time.sleep(float(os.environ["STEP_S"]))
            steps += 1
    finally:
        print("cleaned up")
    return {"steps": steps}


def look(event, context):
    """Tell what the function was given."""
    return {"event": event, "version": list(sys.version_info[:2]), "names": sorted(os.environ), "folder": os.getcwd()}


def read(event, context):
    """Read an object of the local S3."""
    with urllib.request.urlopen(f"{os.environ['AWS_ENDPOINT_URL']}/{event}") as response:
        return response.read().decode()


def fail(event, context):
    raise ValueError("no such order")


def die(event, context):
    os._exit(7)


def ignore_everything(event, context):
    """Block every signal that can be blocked, and stay past the deadline."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    time.sleep(60)
