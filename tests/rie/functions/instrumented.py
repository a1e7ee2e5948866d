"""A function that others set alarms around and inside; `event["do"]` says what it does."""

import signal
import time
import traceback

rung_at = []


def handler(event, context):
    return globals()[event["do"]](event, context)


def echo(event, context):
    return event


def clean_up(event, context):
    try:
        work()
    finally:
        # As far from the deadline as the alarm was, by the runtime client's own clock.
        print(f"cleaned up with {context.get_remaining_time_in_millis()} ms left", flush=True)


def work():
    while True:
        time.sleep(0.005)


def stack(event, context):
    return [frame.filename for frame in traceback.extract_stack()]


def fail(event, context):
    raise ValueError("an ordinary error")


# What takes SIGALRM or its timer away, and then runs until its time is up.


def later_alarm(event, context):
    signal.alarm(60)
    clean_up(event, context)


def no_timer(event, context):
    signal.setitimer(signal.ITIMER_REAL, 0)
    clean_up(event, context)


def no_alarm(event, context):
    signal.alarm(0)
    clean_up(event, context)


def own_handler(event, context):
    signal.signal(signal.SIGALRM, ring)
    clean_up(event, context)


def ignored(event, context):
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    clean_up(event, context)


def blocked(event, context):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    try:
        clean_up(event, context)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])


def decorated_with_timeout_decorator(event, context):
    from timeout_decorator import timeout

    timeout(60)(clean_up)(event, context)


def decorated_with_datadog(event, context):
    from datadog_lambda.wrapper import datadog_lambda_wrapper

    return datadog_lambda_wrapper(globals()[event["inside"]])(event, context)


def decorated_with_lumigo(event, context):
    from lumigo_tracer import lumigo_tracer

    return lumigo_tracer()(globals()[event["inside"]])(event, context)


# Alarms of the function's own that are due before its time is up.


def ring(signum, frame):
    rung_at.append(time.monotonic())


def one_second_alarm(event, context):
    signal.signal(signal.SIGALRM, ring)
    return rings(lambda: signal.alarm(1), 1)


def repeating_timer(event, context):
    signal.signal(signal.SIGALRM, ring)
    try:
        return rings(lambda: signal.setitimer(signal.ITIMER_REAL, 0.3, 0.3), 3)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def rings(start, count):
    """Tenths of a second after which each of so many rang."""
    rung_at.clear()
    began = time.monotonic()
    start()
    while len(rung_at) < count:
        time.sleep(0.005)
    return [round((at - began) * 10) for at in rung_at]


def times_out_in_decorator(event, context):
    import timeout_decorator

    try:
        timeout_decorator.timeout(1)(work)()
    except timeout_decorator.TimeoutError as error:
        return f"{type(error).__name__} {error}"


def set_handler(event, context):
    signal.signal(signal.SIGALRM, ring)


def alarm_for_the_handler_that_is_set(event, context):
    return rings(lambda: signal.alarm(1), 1)


def leave_alarm(event, context):
    """Leave a handler and an alarm that the next invocation is interrupted by."""
    signal.signal(signal.SIGALRM, ring)
    rung_at.clear()
    signal.alarm(1)


def wait_for_alarm(event, context):
    while not rung_at:
        time.sleep(0.005)
    return len(rung_at)
