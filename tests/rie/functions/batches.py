"""Handlers of batches, in the ways that functions go through them. A record is `quick`, `slow`, `stuck` or `bad`."""

import base64
import time

import carryon


def handler(event, context):
    return globals()[event["do"]](event)


def one_by_one(event):
    for record in carryon.each(event["Records"]):
        take(record)
    return {"batchItemFailures": []}


def without_each(event):
    for record in event["Records"]:
        take(record)
    return {"batchItemFailures": []}


def quick_ones_first(event):
    for record in carryon.each(sorted(event["Records"], key=text_of)):
        take(record)


def a_second_time(event):
    for record in carryon.each(event["Records"]):
        text_of(record)
    for record in carryon.each(event["Records"]):
        take(record)


def emptying_the_event(event):
    for record in carryon.each(event["Records"]):
        take(record)
        event["Records"].remove(record)


def with_an_end_that_takes_long(event):
    for record in carryon.each(event["Records"]):
        take(record)
    time.sleep(60)


def catching(event):
    """Collect what is bad, and give it back also when time is up."""
    failures = []
    try:
        for record in carryon.each(event["Records"]):
            try:
                take(record)
            except ValueError:
                failures.append({"itemIdentifier": record["messageId"]})
    except carryon.TimeIsUp:
        pass
    return {"batchItemFailures": failures}


def giving_back(event):
    for record in carryon.each(event["Records"]):
        try:
            take(record)
        except ValueError:
            carryon.give_back(record)


def text_of(record):
    if "kinesis" in record:
        return base64.b64decode(record["kinesis"]["data"]).decode()
    return record["body"] if "body" in record else record["dynamodb"]["Keys"]["id"]["S"]


def take(record):
    text = text_of(record)
    if text == "bad":
        raise ValueError("no such order")
    if text == "slow":
        time.sleep(60)
    while text == "stuck":
        try:
            time.sleep(60)
        except BaseException:
            pass


def clearing_the_event(event):
    """What it was invoked with is not to be seen any more when time is up."""
    swallows = event["swallows"]
    event.clear()
    event["turns"] = 0
    while swallows:
        try:
            turn(event)
        except BaseException:
            pass
    while True:
        turn(event)


def turn(event):
    time.sleep(0.01)
    event["turns"] += 1
