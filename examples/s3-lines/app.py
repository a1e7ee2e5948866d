"""Add up the amounts of a large object's lines, batch by batch; between hops it is kept in memory and in /tmp."""

import hashlib
import json
import tempfile
import time
from pathlib import Path

import boto3
from botocore.exceptions import ClientError

import carryon

BATCH_LINES = 500

s3 = boto3.client("s3")
in_memory = {}


def handler(event, context):
    """Return the number of lines of s3://bucket/key, and the sum of their amounts."""
    etag, content = load(event["bucket"], event["key"])
    lines = content.splitlines()
    progress = carryon.restore(default=None)
    if progress is None or progress["etag"] != etag:
        # Lines of two versions must not be added up: an object that was replaced meanwhile is begun anew.
        progress = {"etag": etag, "position": 0, "total": 0}
    while progress["position"] < len(lines):
        batch = lines[progress["position"] : progress["position"] + BATCH_LINES]
        total = progress["total"] + sum(json.loads(line)["amount"] for line in batch)
        time.sleep(event.get("pause_s", 0))  # stands for what takes long with every batch
        progress = {"etag": etag, "position": progress["position"] + len(batch), "total": total}
        carryon.checkpoint(progress)
    return {"lines": len(lines), "total": progress["total"]}


def load(bucket, key):
    """Return the object's ETag and content, which cross the network only if this environment has not got them."""
    path = Path(tempfile.gettempdir(), hashlib.sha256(f"{bucket}/{key}".encode()).hexdigest())
    known, place = in_memory.get((bucket, key)), "memory"
    if known is None:
        known, place = read(path), "/tmp"
    try:
        response = s3.get_object(Bucket=bucket, Key=key, **({"IfNoneMatch": known[0]} if known else {}))
    except ClientError as error:
        if error.response["Error"]["Code"] != "304":
            raise
    else:
        known, place = (response["ETag"], response["Body"].read()), "S3"
        write(path, *known)
    in_memory[bucket, key] = known
    print(f"{key} {known[0]} from {place}")
    return known


def read(path):
    """Return the ETag and content that an earlier process of this environment has kept, None where there are none."""
    try:
        etag, _, content = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    return etag.decode(), content


def write(path, etag, content):
    """Keep them; they appear under their name as a whole or not at all, also where /tmp is full."""
    unfinished = path.with_suffix(".part")
    try:
        unfinished.write_bytes(etag.encode() + b"\n" + content)
        unfinished.replace(path)
    except OSError as error:
        print(f"not kept in /tmp: {error}")
        unfinished.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
