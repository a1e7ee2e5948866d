import collections
import ctypes
import hashlib
import itertools
import re

import app

MUTEX_BYTES = 64


def pbkdf2(event):
    app.at_it()
    return hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 500_000_000).hex()


def regular_expression(event):
    app.at_it()
    return re.match(r"(a+)+$", "a" * 60 + "b") is None


def endless_iterator(event):
    """Spin in C code that never lets go of the interpreter's lock and never looks for signals."""
    app.at_it()
    collections.deque(itertools.repeat(0), maxlen=0)


def deadlock_with_gil(event):
    deadlock(ctypes.PyDLL(None))


def deadlock_without_gil(event):
    deadlock(ctypes.CDLL(None))


def deadlock(library):
    mutex = ctypes.create_string_buffer(MUTEX_BYTES)
    library.pthread_mutex_lock(mutex)
    app.at_it()
    library.pthread_mutex_lock(mutex)
