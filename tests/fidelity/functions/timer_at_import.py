"""A handler and a timer of the function's own, set at import."""

import signal
import time

heard = []
signal.signal(signal.SIGALRM, lambda number, frame: heard.append(number))
signal.setitimer(signal.ITIMER_REAL, 0.3, 0.3)


def handler(event, context):
    heard.clear()
    end = time.monotonic() + 0.8
    while time.monotonic() < end:
        time.sleep(0.05)
    return len(heard) in (2, 3)


def still_there(event, context):
    return [callable(signal.getsignal(signal.SIGALRM)), 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 0.3]
