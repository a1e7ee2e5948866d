"""Programs whose state is measured. In each two variables have to agree: `total` is the sum of all numbers to `count`.

`import carryon` comes late: the bare runtime has none.
"""

import ctypes
import json
import signal
import time

count = 0
total = 0
# Seconds since the epoch at which the last iteration ended.
ended_at = 0.0


def add():
    global count
    count += 1


def book():
    global total
    total += count


def spin(seconds):
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def computing():
    """Some microseconds in each iteration."""
    global count, total
    while True:
        count += 1
        for _ in range(200):
            pass
        total += count


def waiting():
    global count, total
    while True:
        count += 1
        time.sleep(0.001)
        total += count


def helpers():
    while True:
        add()
        spin(0.0005)
        book()


PROGRAMS = {program.__name__: program for program in (computing, waiting, helpers)}


def interrupted(event, context):
    """Return the state that would travel, None where it is the one that this invocation began with."""
    import carryon

    try:
        PROGRAMS[event["program"]]()
    except carryon.TimeIsUp:
        return json.loads(carryon._current_run().progress() or b"{}").get("state")


class StoppedError(BaseException):
    """A plain signal handler's way to end a handler."""


def interrupted_plainly(event, context):
    """The same without the layer: a signal handler copies the variables."""
    global count, total
    count = total = 0
    copied = {}

    def copy(signum, frame):
        copied.update(count=count, total=total)
        raise StoppedError

    signal.signal(signal.SIGALRM, copy)
    signal.setitimer(signal.ITIMER_REAL, event["after_s"])
    try:
        PROGRAMS[event["program"]]()
    except StoppedError:
        return copied


def told(event, context):
    """Return the wall clock at which the alarm was raised in a program."""
    import carryon

    try:
        PROGRAMS[event["program"]]()
    except carryon.TimeIsUp:
        return time.time()


def checkpoints(event, context):
    """Return how many seconds each checkpoint of that size took."""
    import carryon

    state = {"position": 7, "text": "x" * event["size"]}
    taken = []
    for _ in range(event["count"]):
        began = time.perf_counter()
        carryon.checkpoint(state)
        taken.append(time.perf_counter() - began)
    return taken


def gaps(event, context):
    """Return the share of its CPU time in which a loop did not go on as usual, and the longest such time in seconds.

    CPU time, of which other processes take nothing.
    """
    global count, total
    clock, usual = time.thread_time, event["usual_s"]
    began = time.perf_counter()
    lost = longest = 0.0
    first = last = 0.0
    while True:
        count += 1
        total += count
        now = clock()
        if now - last > usual and first:
            lost += now - last
            longest = max(longest, now - last)
        last = now
        if count % 1000 == 0:
            elapsed = time.perf_counter() - began
            if elapsed > event["to_s"]:
                return [lost / (last - first), longest]
            if not first and elapsed > event["from_s"]:
                first = last = clock()


def lose(event, context):
    """Work in steps, and after a while, if asked for, be stuck in C code that holds the GIL; say when that was."""
    global count, ended_at
    stuck_at = time.time() + (event["stuck_after_s"] or 1e9)
    try:
        while time.time() < stuck_at:
            time.sleep(event["step_s"])
            count += 1
            ended_at = time.time()
    finally:
        with open(event["told_at"], "w") as file:
            file.write(repr(time.time()))
    library = ctypes.PyDLL(None)
    mutex = ctypes.create_string_buffer(64)
    library.pthread_mutex_lock(mutex)
    library.pthread_mutex_lock(mutex)
