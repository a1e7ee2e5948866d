"""A function that knows nothing of Carry On; `event["do"]` says how it behaves when its time is up."""

import json
import logging
import os
import signal
import sys
import time

steps = 0


def handler(event, context):
    if "trace" in event:
        # The emulator keeps the trace header to itself; the runtime client would have set this from it.
        os.environ["_X_AMZN_TRACE_ID"] = event["trace"]
    return globals()[event["do"]](event, context)


def work():
    global steps
    while True:
        steps += 1
        time.sleep(0.005)


def finish(event, context):
    return {"steps": steps, "pid": os.getpid(), "event": event}


def echo(event, context):
    return event


def modules(event, context):
    """Of those that a program may want to be the first to import, which ones are there."""
    wanted = ("_ssl", "ssl", "socket", "hmac", "_hashlib", "hashlib", "http.client", "botocore", "random")
    return {"there": [name for name in wanted if name in sys.modules], "pid": os.getpid()}


def swallow(event, context):
    while True:
        try:
            work()
        except BaseException:
            pass


def clean_up(event, context):
    try:
        work()
    finally:
        print("cleaned up")


def catch(event, context):
    try:
        work()
    except BaseException as error:
        return type(error).__mro__[0].__name__


def catch_and_say(event, context):
    print(event["do"], flush=True)
    return clean_up(event, context)


def catch_timeout_error(event, context):
    try:
        work()
    except TimeoutError as error:
        return [kind.__name__ for kind in type(error).__mro__]


def fail_while_handling(event, context):
    try:
        work()
    finally:
        raise ValueError("clean-up failed")


def fail_after_handling(event, context):
    try:
        work()
    except BaseException:
        pass
    raise ValueError("gave up")


def exit_while_handling(event, context):
    try:
        work()
    except BaseException:
        sys.exit(3)


def complete_and_return(event, context):
    import carryon

    try:
        work()
    except carryon.TimeIsUp:
        carryon.complete()
        return "all done"


def complete_and_run_on(event, context):
    import carryon

    carryon.complete()
    work()


def complete_and_get_stuck(event, context):
    import carryon

    carryon.complete()
    while True:
        try:
            work()
        except BaseException:
            pass


def complete_and_die(event, context):
    import carryon

    carryon.complete()
    os.kill(os.getpid(), signal.SIGKILL)


def complete_and_fail(event, context):
    import carryon

    try:
        work()
    except carryon.TimeIsUp:
        carryon.complete()
        raise KeyError("after all")


def fail_early(event, context):
    raise RuntimeError("an ordinary error")


def checkpoint_no_json(event, context):
    import carryon

    carryon.checkpoint({1, 2, 3})


def log_much(event, context):
    logging.getLogger().setLevel("INFO")
    try:
        work()
    finally:
        logging.getLogger().warning("the function's last words")
        print("printed at the end")


def deep(event, context):
    def down(depth):
        if depth:
            down(depth - 1)
        work()

    down(event["depth"])


def in_library(event, context):
    class Slow:
        def __str__(self):
            time.sleep(30)

    json.dumps([Slow()], default=str)


def own_alarm(event, context):
    """Set a SIGALRM handler and a timer that outlast the invocation."""
    signal.signal(signal.SIGALRM, own_handler)
    signal.setitimer(signal.ITIMER_REAL, 60)


def own_handler(signum, frame):
    print("the function's own alarm")


def what_is_set(event, context):
    remaining, _ = signal.getitimer(signal.ITIMER_REAL)
    return [getattr(signal.getsignal(signal.SIGALRM), "__name__", None), remaining]


def unserialisable(event, context):
    global steps
    steps = {1, 2, 3}
    work_forever()


def work_forever():
    while True:
        time.sleep(0.005)


def nap(event, context):
    time.sleep(event["seconds"])
    return "rested"


def clean_up_for(event, context):
    try:
        work()
    finally:
        time.sleep(event["seconds"])


def end_in_a_moment(event, context):
    def end(signum, frame):
        time.sleep(0.2)
        print("cleaned up in time", flush=True)
        os._exit(5)

    signal.signal(signal.SIGTERM, end)
    print("ready", flush=True)
    work_forever()
