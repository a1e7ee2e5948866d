import signal
import time

import app


def all_masked(event):
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    app.at_it()
    time.sleep(60)


def alarm_cancelled(event):
    signal.alarm(0)
    app.at_it()
    time.sleep(60)


def timer_cancelled(event):
    signal.setitimer(signal.ITIMER_REAL, 0)
    app.at_it()
    time.sleep(60)


def alarm_ignored(event):
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    app.at_it()
    time.sleep(60)


def timeout_decorator(event):
    from timeout_decorator import timeout

    app.at_it()
    timeout(60)(time.sleep)(60)
