"""Count the words of every object under a prefix: an existing function, which can be told where to begin."""

import time

import boto3

s3 = boto3.client("s3")
state = {}


def handler(event, context):
    """Return how many objects and words there are; CURRENT_STATE in the event says what has been counted before."""
    global state
    state = event.get("CURRENT_STATE", {"key": "", "objects": 0, "words": 0})
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=event["bucket"], Prefix=event["prefix"], StartAfter=state["key"]
    )
    for page in pages:
        for found in page.get("Contents", ()):
            words = state["words"] + count_words(event["bucket"], found["Key"])
            state = {"key": found["Key"], "objects": state["objects"] + 1, "words": words}
            time.sleep(event.get("pause_s", 0))
    return {"objects": state["objects"], "words": state["words"]}


def count_words(bucket, key):
    """Read an object, and count."""
    return len(s3.get_object(Bucket=bucket, Key=key)["Body"].read().split())
