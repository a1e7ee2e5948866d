"""A function that ends its process in time by itself, or resets all its handlers, while its state is captured."""

import atexit
import os
import signal
import sys
import threading
import time

a = b = 0
left_open = []


def spin(seconds):
    global a, b
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        a += 1
        b += 1


def leave(path):
    file = open(path, "w")  # noqa: SIM115  # written when the interpreter has ended all else
    file.write("buffered")
    left_open.append(file)
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    atexit.register(spin, 0.3)
    sys.exit(3)


def reset():
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)


def handler(event, context):
    how = event.get("how")
    if how:
        # Into the second half of the time, in which the state is captured.
        spin(context.get_remaining_time_in_millis() / 2_000 + 0.1)
    if how == "exit":
        leave(event["path"])
    if how == "exec":
        program = "import sys, time; time.sleep(0.3); sys.exit(4)"
        os.execv(sys.executable, [sys.executable, "-c", program])
    if how == "reset":
        reset()
        spin(0.4)
    return how
