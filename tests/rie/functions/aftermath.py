"""A function that leaves something at work when its time is up, or keeps something from invocation to invocation."""

import asyncio
import concurrent.futures
import multiprocessing
import os
import subprocess
import sys
import threading
import time

kept = {}


def handler(event, context):
    return globals()[event["do"]](event)


def echo(event):
    return {"event": event, "pid": os.getpid()}


def run_out_of_time():
    while True:
        time.sleep(0.005)


def write_for_ever(path):
    with open(path, "a") as file:
        while True:
            file.write("x")
            file.flush()
            time.sleep(0.005)


def leave_thread(event):
    threading.Thread(target=write_for_ever, args=[event["path"]]).start()
    run_out_of_time()


def leave_daemon_thread(event):
    print(f"pid={os.getpid()}", flush=True)
    threading.Thread(target=write_for_ever, args=[event["path"]], daemon=True).start()
    run_out_of_time()


def leave_executor(event):
    kept["executor"] = concurrent.futures.ThreadPoolExecutor(1)
    kept["executor"].submit(write_for_ever, event["path"])
    run_out_of_time()


def leave_old_executor(event):
    """Made by an invocation before, and busy with this one's work."""
    kept["executor"].submit(write_for_ever, event["path"])
    run_out_of_time()


def make_executor(event):
    kept["executor"] = concurrent.futures.ThreadPoolExecutor(1)
    kept["executor"].submit(os.getpid).result()
    return echo(event)


def leave_process(event):
    subprocess.Popen([sys.executable, "-c", WRITER, event["path"]])
    run_out_of_time()


def leave_orphan(event):
    """Its parent has ended, and it is in a session of its own."""
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', *sys.argv[1:]], start_new_session=True)"
    subprocess.run([sys.executable, "-c", code, WRITER, event["path"]], check=True)
    run_out_of_time()


def leave_forked_process(event):
    multiprocessing.get_context("fork").Process(target=write_for_ever, args=[event["path"]], daemon=True).start()
    run_out_of_time()


def leave_task(event):
    loop = kept["loop"] = asyncio.new_event_loop()
    loop.create_task(write_in_loop(event["path"]))
    loop.run_until_complete(asyncio.sleep(60))


def run_loop(event):
    if "loop" in kept:
        kept["loop"].run_until_complete(asyncio.sleep(0.2))
    return echo(event)


async def write_in_loop(path):
    while True:
        append(path)
        await asyncio.sleep(0.005)


def append(path):
    with open(path, "a") as file:
        file.write("x")


WRITER = """
import sys, time
with open(sys.argv[1], "a") as file:
    while True:
        file.write("x")
        file.flush()
        time.sleep(0.005)
"""


def what_is_kept(event):
    return {
        "pid": os.getpid(),
        "kept": sorted((name, id(value)) for name, value in kept.items()),
        "threads": sorted((thread.name, thread.native_id) for thread in threading.enumerate()),
    }


def run_out_of_time_with(event):
    keep(event)
    run_out_of_time()


def keep(event):
    kept["cache"] = {"a": 1}
    globals()["keep_" + event["library"]](event)
    return what_is_kept(event)


def keep_boto3(event):
    if "transfers" in kept:
        return
    import io

    import boto3
    from boto3.s3.transfer import TransferConfig, create_transfer_manager
    from botocore.config import Config

    kept["s3"] = boto3.client("s3", endpoint_url=event["url"], config=Config(retries={"max_attempts": 0}))
    kept["transfers"] = create_transfer_manager(kept["s3"], TransferConfig())
    kept["transfers"].upload(io.BytesIO(b"content"), "bucket", "key").result()


def keep_opentelemetry(event):
    if "exporter" in kept:
        return
    sys.path.append(event["packages"])
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    kept["provider"] = TracerProvider()
    kept["exporter"] = BatchSpanProcessor(InMemorySpanExporter())
    kept["provider"].add_span_processor(kept["exporter"])
    with kept["provider"].get_tracer("tests").start_as_current_span("work"):
        pass
