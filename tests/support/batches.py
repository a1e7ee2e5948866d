"""Events as event source mappings deliver them, in the shapes that AWS documents; record n is known as `mN`."""

from __future__ import annotations

import base64
from typing import Any

_ACCOUNT = "us-east-1:123456789012"


def sqs(bodies: list[str], queue: str = "orders") -> dict[str, Any]:
    """A batch of a standard queue."""
    arn = f"arn:aws:sqs:{_ACCOUNT}:{queue}"
    common = {"eventSource": "aws:sqs", "eventSourceARN": arn, "awsRegion": "us-east-1", "messageAttributes": {}}
    return {
        "Records": [
            {**common, "messageId": f"m{n}", "receiptHandle": f"h{n}", "body": body, "attributes": {"SenderId": "s"}}
            for n, body in enumerate(bodies)
        ]
    }


def fifo(bodies: list[str]) -> dict[str, Any]:
    """A batch of a FIFO queue."""
    event = sqs(bodies, "orders.fifo")
    for record in event["Records"]:
        record["attributes"] |= {"MessageGroupId": "g", "SequenceNumber": record["messageId"]}
    return event


def kinesis(bodies: list[str]) -> dict[str, Any]:
    """A batch of a data stream."""
    common = {"eventSource": "aws:kinesis", "eventVersion": "1.0", "eventName": "aws:kinesis:record"}
    arn = f"arn:aws:kinesis:{_ACCOUNT}:stream/orders"
    return {
        "Records": [
            {
                **common,
                "eventSourceARN": arn,
                "eventID": f"shardId-000000000006:m{n}",
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": "p",
                    "sequenceNumber": f"m{n}",
                    "data": base64.b64encode(body.encode()).decode(),
                    "approximateArrivalTimestamp": 1545084650.987,
                },
            }
            for n, body in enumerate(bodies)
        ]
    }


def dynamodb(bodies: list[str]) -> dict[str, Any]:
    """A batch of a table's stream."""
    common = {"eventSource": "aws:dynamodb", "eventVersion": "1.1", "eventName": "INSERT", "awsRegion": "us-east-1"}
    arn = f"arn:aws:dynamodb:{_ACCOUNT}:table/orders/stream/2026-01-01T00:00:00.000"
    return {
        "Records": [
            {
                **common,
                "eventSourceARN": arn,
                "eventID": f"e{n}",
                "dynamodb": {
                    "Keys": {"id": {"S": body}},
                    "NewImage": {"id": {"S": body}},
                    "SequenceNumber": f"m{n}",
                    "SizeBytes": 26,
                    "StreamViewType": "NEW_IMAGE",
                },
            }
            for n, body in enumerate(bodies)
        ]
    }


SOURCES = {"sqs": sqs, "fifo": fifo, "kinesis": kinesis, "dynamodb": dynamodb}
ORDERED = ("fifo", "kinesis", "dynamodb")
