"""A function that knows nothing of Carry On; it says where it is, so that it can be struck there."""

import os
import time

import trap
from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller

progress = 0
flush_s = 0

print("importing", os.getpid(), flush=True)
time.sleep(float(os.environ.get("IMPORT_S", 0)))


def marshal_response(marshaller, response, marshal=LambdaMarshaller.marshal_response):
    """As an observability layer that sends what it has before the answer goes out."""
    time.sleep(flush_s)
    return marshal(marshaller, response)


LambdaMarshaller.marshal_response = marshal_response


def handler(event, context):
    global flush_s
    flush_s = event.get("flush_s", 0)
    trap.disarm()
    if "trap" in event:
        trap.spring(event["trap"], context.aws_request_id)
    return globals()[event["do"]](event, context)


def work(event, context):
    global progress
    print("working", context.aws_request_id, os.getpid(), flush=True)
    try:
        progress += 1
        # One call: an exception that is raised in a profile function would put an end to it.
        time.sleep(60)
    finally:
        print("cleaning", context.aws_request_id, os.getpid(), flush=True)
        time.sleep(event.get("clean_up_s", 0))


def finish(event, context):
    return {"finished": context.aws_request_id, "pid": os.getpid()}


def die(event, context):
    os.abort()
