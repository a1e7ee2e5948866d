"""Handlers that do not end when their time is up: some keep the CPU that the rescue needs, some do not."""

import ctypes
import itertools
import time
from concurrent.futures import ThreadPoolExecutor


def in_c(event, context):
    """Wait in C code that holds the GIL, for a lock, which no signal ends."""
    library = ctypes.PyDLL(None)
    mutex = ctypes.create_string_buffer(64)
    library.pthread_mutex_lock(mutex)
    library.pthread_mutex_lock(mutex)


def in_c_busy(event, context):
    """Compute in C code that holds the GIL."""
    sum(itertools.repeat(0))


def swallowing(event, context):
    """Swallow every exception, and wait."""
    while True:
        try:
            time.sleep(0.01)
        except BaseException:
            pass


def swallowing_busy(event, context):
    """Swallow every exception, and compute."""
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass


def in_pool(event, context):
    """Wait for a thread that does not end."""
    with ThreadPoolExecutor() as pool:
        pool.submit(time.sleep, 600)


def busy(event, context):
    """Compute; the alarm gets through."""
    while True:
        pass


def waiting(event, context):
    """Wait; the alarm gets through."""
    time.sleep(600)
