"""A function inside a layer that flushes for long, and what such a layer looks like: Elastic's is called so."""

import os
import time


def handler(event, context):
    """The function's own."""
    if event.get("do") == "run_out_of_time":
        while True:
            time.sleep(0.005)
    return os.getpid()
