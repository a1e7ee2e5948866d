"""Tells how its process was started; `{"do": "work"}` runs until its time is up."""

import os
import sys
import time

import carryon


def handler(event, context):
    if event.get("do") == "work":
        try:
            while True:
                time.sleep(0.005)
        finally:
            print("cleaned up")
    return {
        "flags": repr(sys.flags),
        "warnoptions": sys.warnoptions,
        "xoptions": sys._xoptions,
        "write_through": sys.stdout.write_through,
        "orig_argv": sys.orig_argv,
        "carryon": carryon.__file__,
        "environ": dict(os.environ),
    }


def inner(event, context):
    """What a wrapper that changes _HANDLER calls, in the place of `handler`."""
    return handler(event, context)
