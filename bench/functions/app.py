"""What is measured: a handler that does nothing, and ones that say when their time was up."""

import os
import time


def nothing(event, context):
    return "done"


def until_told(event, context):
    """Return the wall clock at which the alarm was raised here."""
    try:
        while True:
            pass
    except BaseException:
        return time.time()


def until_told_then_on(event, context):
    """Leave that time in a file, and let the alarm through."""
    try:
        while True:
            pass
    except BaseException:
        with open(os.environ["TOLD_AT"], "w") as file:
            file.write(repr(time.time()))
        raise


def when(event, context):
    """Return the wall clock."""
    return time.time()


def wait_then_on(event, context):
    """Use no CPU until the alarm, and let it through."""
    time.sleep(60)
