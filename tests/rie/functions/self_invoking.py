"""Functions that carry on by themselves, in the ways that people write today; they know nothing of Carry On."""

import functools
import json
import os
import signal
import threading
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

LAST = 60
LIMIT_S = float(os.environ.get("OWN_LIMIT_S", "1"))
OWN_NAME = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
client = boto3.client("lambda", config=Config(retries={"total_max_attempts": 1}, read_timeout=20))
position = 0
current = {}


def handler(event, context):
    global position
    position = event.get("CURRENT_STATE", 0)
    current.update(event=event)
    return globals()[event["do"]](event, context)


def ready(event, context):
    time.sleep(event.get("seconds", 0))
    return "ready"


def carry_on(**more):
    payload = json.dumps({**current["event"], "CURRENT_STATE": position, **more})
    if current["event"].get("by") == "invoke_async":
        return client.invoke_async(FunctionName=OWN_NAME, InvokeArgs=payload)
    return client.invoke(FunctionName=OWN_NAME, InvocationType="Event", Payload=payload)


def work(goes_on=lambda: True):
    global position
    while position < LAST and goes_on():
        time.sleep(float(os.environ.get("PAUSE_S", "0.05")))
        print(f"item {position}", flush=True)
        position += 1
    return position


def on_alarm(signum, frame):
    carry_on()


# An alarm of its own, set at import, for a time that is known at import or in each invocation.
if os.environ.get("OWN_ALARM"):
    signal.signal(signal.SIGALRM, on_alarm)
    if float(os.environ["OWN_ALARM"]):
        signal.setitimer(signal.ITIMER_REAL, float(os.environ["OWN_ALARM"]))


def with_alarm_at_import(event, context):
    """Its alarm invokes it, and the loop runs on."""
    if not float(os.environ["OWN_ALARM"]):
        signal.setitimer(signal.ITIMER_REAL, max(context.get_remaining_time_in_millis() / 1000 - LIMIT_S, 0.05))
    work()
    signal.setitimer(signal.ITIMER_REAL, 0)
    return position


def with_alarm_at_start(event, context):
    signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, max(context.get_remaining_time_in_millis() / 1000 - LIMIT_S, 0.05))
    work()
    signal.setitimer(signal.ITIMER_REAL, 0)
    return position


def raising_a_limit_before_the_end(function):
    @functools.wraps(function)
    def call(event, context):
        def stop(signum, frame):
            raise TimeoutError

        before = signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, max(context.get_remaining_time_in_millis() / 1000 - LIMIT_S, 0.05))
        try:
            return function(event, context)
        except TimeoutError:
            carry_on()
            return {"goes": "on"}
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    return call


@raising_a_limit_before_the_end
def with_decorator(event, context):
    return work()


def with_clock(event, context):
    """Looks at the time that is left before each step."""
    work(lambda: context.get_remaining_time_in_millis() > LIMIT_S * 1000)
    if position < LAST:
        carry_on()
        return {"goes": "on"}
    return position


def once(event, context):
    """Invokes itself at once, and then does not come to an end; `then` says in which way."""
    if event.get("CURRENT_STATE", 0):
        return position
    work(lambda: position < 1)
    if event.get("in_thread"):
        threading.Thread(target=carry_on, daemon=True).start()
        time.sleep(0.2)
    else:
        try:
            for _ in range(event.get("times", 1)):
                carry_on()
        except ClientError as error:
            print("refused", error.response["Error"]["Code"])
    if event.get("and_waits"):
        client.invoke(FunctionName=OWN_NAME, Payload=b"{}")
    while event["then"] != "return":
        try:
            time.sleep(0.02)
            if event["then"] == "die":
                os.kill(os.getpid(), signal.SIGSEGV)
        except BaseException:
            if event["then"] != "swallow":
                raise
    return "in time"
