import ctypes
import os
import resource
import signal
import sys

import app

REGEX_BYTES = 4096
EXTENDED = 1


def segmentation_fault(event):
    app.at_it()
    ctypes.string_at(0)


def killed(event):
    app.at_it()
    os.kill(os.getpid(), signal.SIGKILL)


def os_exit(event):
    app.at_it()
    os._exit(3)


def sys_exit(event):
    app.at_it()
    sys.exit()


def keyboard_interrupt(event):
    app.at_it()
    raise KeyboardInterrupt


def abort(event):
    app.at_it()
    os.abort()


def out_of_memory(event):
    """Have a C++ library need more memory than there is."""
    new = ctypes.CDLL("libstdc++.so.6")._Znwm
    new.argtypes = [ctypes.c_size_t]
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
    app.at_it()
    new(2 << 30)


def stack_overflow(event):
    """Have a C library recurse deeper than the stack is large."""
    app.at_it()
    ctypes.CDLL(None).regcomp(ctypes.create_string_buffer(REGEX_BYTES), b"(" * 1_000_000, EXTENDED)
