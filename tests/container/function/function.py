"""The function of Dockerfile.test: sleeps as long as the event says, and tells about the process it runs in.

With `{"computes": true}` it computes without an end, with `{"takes": "all memory"}` it takes more and more memory.
"""

import os
import time

invocations = 0


def handler(event, context):
    global invocations
    invocations += 1
    try:
        if event.get("computes"):
            return compute()
        kept = []
        while event.get("takes") == "all memory":
            # Written to, since what was only asked for is not in use.
            kept.append(b"x" * (1 << 20))
        time.sleep(event.get("seconds", 0))
        return {
            "invocations": invocations,
            "process": os.getpid(),
            "user": os.getuid(),
            "parent": _command(os.getppid()),
            "memfd": _try_memfd(),
        }
    finally:
        print("cleaned up")


def compute():
    number = 0
    while True:
        number += 1


def _command(process):
    try:
        with open(f"/proc/{process}/cmdline") as file:
            return file.read().split("\0")[:-1]
    except FileNotFoundError:
        return []  # process 0, the parent of a container's first process


def _try_memfd():
    try:
        os.close(os.memfd_create("x"))
        return "allowed"
    except OSError as error:
        return error.strerror
