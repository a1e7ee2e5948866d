"""A function of five units of work, one in each hop, that writes down what it does where others can count it.

Nothing in it is idempotent: a unit that is done twice is written down twice. What becomes of an attempt (it dies, gets
stuck, ...) is decided by the seed in its event.
"""

import http.client
import json
import os
import signal
import time
from pathlib import Path
from urllib.parse import urlsplit

import carryon
from tests.support.plan import Plan

UNITS = 5
_NEEDED_MS = 400


def handler(event, context):
    """Do one unit, or the last one and return them all."""
    done = carryon.restore({"units": []})["units"]
    unit = len(done)
    number = event["number"]
    attempt = _count(number, unit)
    print(f"attempt {attempt}", flush=True)
    fate = Plan(event["seed"], event["rates"]).fault("invocation", number, unit, attempt)
    if unit == event.get("poisoned"):
        fate = "dies"
    if fate == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if fate == "is gone":
        # The supervisor, and with it the whole environment.
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    if carryon.remaining_ms() > _NEEDED_MS:
        with carryon.shield():
            _write(number, unit, attempt, context.aws_request_id)
            carryon.checkpoint({"units": [*done, unit], "ballast": "x" * event["ballast"]})
        if unit == UNITS - 1:
            return {"number": number, "units": [*done, unit]}
    if fate == "dies late":
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        time.sleep(60)
    except BaseException:
        if fate == "is stuck":
            time.sleep(60)
        if fate == "loses its helpers":
            for pid in _siblings():
                os.kill(pid, signal.SIGKILL)
        raise


def _count(number, unit):
    """Which attempt at this unit this is, from 0."""
    answer = _dynamodb(
        "UpdateItem",
        Key={"unit": {"S": f"{number}/{unit}"}, "what": {"S": "attempts"}},
        UpdateExpression="ADD #n :one",
        ExpressionAttributeNames={"#n": "count"},
        ExpressionAttributeValues={":one": {"N": "1"}},
        ReturnValues="ALL_NEW",
    )
    return int(answer["Attributes"]["count"]["N"]) - 1


def _write(number, unit, attempt, request_id):
    """The work itself: there is a line more in the book."""
    _dynamodb(
        "UpdateItem",
        Key={"unit": {"S": f"{number}/{unit}"}, "what": {"S": f"done by {request_id} {attempt}"}},
        UpdateExpression="ADD #n :one SET #at = :at",
        ExpressionAttributeNames={"#n": "count", "#at": "at"},
        ExpressionAttributeValues={":one": {"N": "1"}, ":at": {"N": repr(time.monotonic())}},
    )


def _dynamodb(operation, **request):
    """By HTTP alone: boto3 would take most of a short hop, and would try again by itself."""
    connection = http.client.HTTPConnection(urlsplit(os.environ["BOOK_URL"]).netloc, timeout=5)
    try:
        headers = {
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
            "Content-Type": "application/x-amz-json-1.0",
            "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request",
        }
        body = json.dumps({"TableName": os.environ["BOOK"], **request})
        connection.request("POST", "/", body, headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
    finally:
        connection.close()
    if response.status != 200:
        raise RuntimeError(answer)
    return answer


def _siblings():
    parent = os.getppid()
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [pid for pid in map(int, children) if pid != os.getpid()]
