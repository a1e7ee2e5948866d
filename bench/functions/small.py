"""Handlers that run out of time in a small function, and let the exception through."""

import time


def waits(event, context):
    """Use no CPU."""
    time.sleep(600)


def computes(event, context):
    """Use all the CPU there is."""
    while True:
        pass
