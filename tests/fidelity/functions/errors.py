"""How handlers fail."""

import os
import signal
import sys


class OwnError(Exception):
    def __init__(self, code):
        super().__init__(code)
        self.code = code


class UnprintableError(Exception):
    def __str__(self):
        raise ValueError("no text")


class Ending(BaseException):
    pass


def raise_plain(event, context):
    raise ValueError("plain")


def raise_own(event, context):
    raise OwnError(7)


def raise_without_text(event, context):
    raise KeyError


def raise_unicode(event, context):
    raise ValueError("ä€😀\nsecond line\ttab")


def raise_unprintable(event, context):
    raise UnprintableError


def raise_chained(event, context):
    try:
        raise_plain(event, context)
    except ValueError as error:
        raise OwnError(8) from error


def raise_while_handling(event, context):
    try:
        raise_plain(event, context)
    except ValueError:
        {}["missing"]


def deep(event, context, depth=50):
    if depth == 0:
        raise RuntimeError("deep")
    deep(event, context, depth - 1)


def recurse(event, context):
    return recurse(event, context)


def raise_group(event, context):
    if sys.version_info < (3, 11):
        raise ValueError("no groups")
    raise ExceptionGroup("two", [ValueError("a"), TypeError("b")])  # noqa: F821


def raise_timeout(event, context):
    raise TimeoutError("mine")


def raise_memory(event, context):
    raise MemoryError


def raise_stop(event, context):
    raise StopIteration(3)


def exec_error(event, context):
    exec("1 / 0")


def from_library(event, context):
    import json

    json.loads("{")


def unraisable(event, context):
    class Bad:
        def __del__(self):
            raise ValueError("in a destructor")

    Bad()


def warn(event, context):
    import warnings

    warnings.warn("once", stacklevel=1)


def exit_0(event, context):
    sys.exit()


def exit_3(event, context):
    sys.exit(3)


def exit_text(event, context):
    sys.exit("a reason")


def os_exit(event, context):
    os._exit(5)


def kill_itself(event, context):
    os.kill(os.getpid(), signal.SIGKILL)


def segmentation_fault(event, context):
    os.kill(os.getpid(), signal.SIGSEGV)


def terminate_itself(event, context):
    os.kill(os.getpid(), signal.SIGTERM)
    signal.pause()


def raise_base(event, context):
    raise Ending("the end")


def interrupt(event, context):
    raise KeyboardInterrupt


def close_generator(event, context):
    raise GeneratorExit
