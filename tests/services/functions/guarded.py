"""A function that says when it works, and ends as its event asks it to."""

import os
import signal
import time

print("imported", flush=True)


def handler(event, context):
    print("working", flush=True)
    return globals()[event["do"]](event)


def finish(event):
    return {"made": event.get("what", "it")}


def wait_for_mark(event):
    while not os.path.exists(event["mark"]):
        time.sleep(0.01)
    return "waited"


def run_on(event):
    while True:
        time.sleep(0.01)


def invoke_itself(event):
    import boto3

    boto3.client("lambda").invoke(
        FunctionName=os.environ["AWS_LAMBDA_FUNCTION_NAME"], InvocationType="Event", Payload=b"{}"
    )
    run_on(event)


def hang(event):
    while True:
        try:
            run_on(event)
        except BaseException:
            pass


def fail(event):
    raise ValueError("not today")


def die(event):
    os.kill(os.getpid(), signal.SIGKILL)


def large(event):
    return "x" * event["size"]
