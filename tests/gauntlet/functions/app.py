"""A function that gets stuck or dies; `event["do"]` says how, as MODULE.FUNCTION, and "echo" does neither."""

import importlib
import os
import sys

sys.path.append(os.environ["PACKAGES"])


def load(name):
    return importlib.import_module(name.partition(".")[0])


def handler(event, context):
    if event["do"] == "echo":
        # What takes long to import is there when its turn comes.
        load(event["next"])
        return {"echo": event, "pid": os.getpid(), "ppid": os.getppid()}
    return getattr(load(event["do"]), event["do"].partition(".")[2])(event)


def at_it():
    """Tell the test that the next thing to do is the one that never ends."""
    print("at it", flush=True)


if "LOAD_FIRST" in os.environ:
    load(os.environ["LOAD_FIRST"])
