"""Three functions that run out of time: one computes, one calls AWS again and again, one waits."""

import os
import time

import boto3
from botocore.config import Config

s3 = boto3.client(
    "s3",
    endpoint_url=os.environ["S3_URL"],
    config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}),
)


def handler(event, context):
    do = globals()[event["do"]]
    return do(event)


def nothing(event):
    return "done"


def compute(event):
    found = 0
    for number in range(2, 10**12):
        if is_prime(number):
            found += 1
    return {"found": found}


def is_prime(number):
    divisor = 2
    while divisor * divisor <= number:
        if number % divisor == 0:
            return False
        divisor += 1
    return True


def call(event):
    sizes = []
    for key in event["keys"] * 100_000:
        answer = s3.get_object(Bucket="bucket", Key=key)
        sizes.append(len(answer["Body"].read()))
    return {"bytes": sum(sizes)}


def wait(event):
    time.sleep(60)
