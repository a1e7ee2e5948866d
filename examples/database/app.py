"""Write readings into a DynamoDB table by their position: what is there already is not computed again."""

import os
import time

import boto3

# Made once in a process, and kept from hop to hop.
dynamodb = boto3.client("dynamodb")
TABLE = os.environ.get("TABLE", "readings")


def handler(event, context):
    """Return how many readings of the event's `series` the table has; the table itself is the progress."""
    position = first = next_position(event["series"])
    print(f"from {first} in process {os.getpid()} with client {id(dynamodb):x}")
    while position < event["readings"]:
        write(event["series"], position)
        position += 1
        time.sleep(event.get("pause_s", 0))
    return {"readings": position, "written_last": position - first}


def next_position(series):
    """The first position that has not been written."""
    newest = dynamodb.query(
        TableName=TABLE,
        KeyConditionExpression="series = :series",
        ExpressionAttributeValues={":series": {"S": series}},
        ScanIndexForward=False,
        Limit=1,
        ConsistentRead=True,
    )["Items"]
    return int(newest[0]["position"]["N"]) + 1 if newest else 0


def write(series, position):
    """Write one reading; again, it changes nothing."""
    value = (position * 7919) % 1000
    item = {"series": {"S": series}, "position": {"N": str(position)}, "value": {"N": str(value)}}
    dynamodb.put_item(TableName=TABLE, Item=item)
