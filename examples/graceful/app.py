"""Compress documents in a scratch folder; when time is up, say how far it came, and remove the folder in any case."""

import gzip
import shutil
import tempfile
import time
from pathlib import Path

from aws_lambda_powertools import Logger

import carryon

logger = Logger(service="archive")


@logger.inject_lambda_context
def handler(event, context):
    """Return the size of the event's number of `documents`, packed."""
    done, packed_bytes = carryon.restore(default=[0, 0])
    scratch = Path(tempfile.mkdtemp(prefix="archive-"))
    try:
        while done < event["documents"]:
            packed_bytes += pack(scratch / f"{done}.gz", f"document {done}\n" * 1000)
            done += 1
            carryon.checkpoint([done, packed_bytes])
            time.sleep(event.get("pause_s", 0))  # stands for an upload
    except carryon.TimeIsUp:
        logger.warning("time is up", documents_done=done, documents_left=event["documents"] - done)
        raise
    finally:
        shutil.rmtree(scratch)
        logger.info("scratch folder removed", folder=str(scratch))
    return {"documents": done, "packed_bytes": packed_bytes}


def pack(path, text):
    """Write the text compressed, and return the file's size."""
    with gzip.GzipFile(path, "wb", mtime=0) as file:
        file.write(text.encode())
    return path.stat().st_size
