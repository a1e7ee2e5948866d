import itertools
import time

import app

STEP_S = 0.01


def base_exception(event):
    app.at_it()
    while True:
        try:
            time.sleep(STEP_S)
        except BaseException:
            pass


def bare_except(event):
    app.at_it()
    while True:
        try:
            time.sleep(60)
        except:
            print("trying again", flush=True)


def long_finally(event):
    app.at_it()
    try:
        time.sleep(60)
    finally:
        time.sleep(60)


def generator(event):
    def numbers():
        for number in itertools.count():
            try:
                time.sleep(STEP_S)
                yield number
            except BaseException:
                yield -1

    app.at_it()
    return sum(numbers())


def destructor(event):
    """Sleep where Python throws every exception away."""

    class Slow:
        def __del__(self):
            time.sleep(STEP_S)

    app.at_it()
    while True:
        Slow()
