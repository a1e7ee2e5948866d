"""A function that waits in C code which asks no second time when a signal has interrupted it."""

import ctypes

a = 0
libc = ctypes.PyDLL(None)


def handler(event, context):
    global a
    a += 1
    return WAITS[event["wait"]]()


WAITS = {
    "sleep": lambda: libc.usleep(2_600_000),
    "poll": lambda: libc.poll(None, 0, 2_600),
    "select": lambda: libc.select(1, None, None, None, ctypes.byref((ctypes.c_long * 2)(2, 600_000))),
}
