"""Make an object of 100,000 lines."""

import json

import boto3

s3 = boto3.client("s3")
s3.create_bucket(Bucket="ledger")
lines = "".join(json.dumps({"amount": number % 100}) + "\n" for number in range(100_000))
s3.put_object(Bucket="ledger", Key="2025.jsonl", Body=lines)
print(f"s3://ledger/2025.jsonl has {len(lines):,} bytes")
