"""Functions that use SIGALRM and the interval timer themselves."""

import signal
import time

heard = []


def hear(number, frame):
    heard.append(number)


def inside(event, context):
    heard.clear()
    previous = signal.signal(signal.SIGALRM, hear)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    time.sleep(0.2)
    signal.signal(signal.SIGALRM, previous)
    return heard


def left_behind(event, context):
    """The first invocation sets the timer, the next one hears of it."""
    if "set" in event:
        heard.clear()
        signal.signal(signal.SIGALRM, hear)
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        return None
    end = time.monotonic() + 5
    while not heard and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.05)
    return heard


def ignored(event, context):
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    signal.alarm(1)
    time.sleep(1.2)
    return "alive"


def waits(event, context):
    signal.signal(signal.SIGALRM, hear)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    number = signal.sigwait({signal.SIGALRM})
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    return number


def raises(event, context):
    def stop(number, frame):
        raise TimeoutError("the function's own alarm")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(1)
    time.sleep(5)
