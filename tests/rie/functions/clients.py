"""A function for each of some libraries, whose clients it keeps from invocation to invocation, as one would.

`event["name"]` is what is asked for; one that has `slow` in it takes longer than the function may. The answer says what
was got, which has to be the same, and by which process.
"""

import concurrent.futures
import importlib
import logging
import logging.handlers
import multiprocessing
import os
import queue
import sys

for folder in os.environ["PACKAGES"].split(":"):
    sys.path.append(folder)

PORTS = {name: int(port) for name, port in (pair.split("=") for pair in os.environ["PORTS"].split(","))}
kept = {}


def handler(event, context):
    do = globals()[event["do"]]
    got = do(event, context)
    return {"asked_for": event["name"], "got": got, "pid": os.getpid()}


def keep(name, make):
    if name not in kept:
        kept[name] = make()
    return kept[name]


def url(name):
    return f"http://127.0.0.1:{PORTS['http']}/{name}"


def pg8000(event, context):
    import pg8000.native

    arguments = {"host": "127.0.0.1", "port": PORTS["postgres"], "password": "x", "ssl_context": False}
    database = keep("pg8000", lambda: pg8000.native.Connection("app", **arguments))
    return database.run(f"select '{event['name']}'")[0][0]


def psycopg(event, context):
    import psycopg

    where = f"host=127.0.0.1 port={PORTS['postgres']} user=app password=x sslmode=disable"
    database = keep("psycopg", lambda: psycopg.connect(where, autocommit=True))
    return database.execute(f"select '{event['name']}'").fetchone()[0]


def sqlalchemy(event, context):
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import StaticPool

    def connect():
        import pg8000.dbapi

        where = {"host": "127.0.0.1", "port": PORTS["postgres"], "password": "x", "ssl_context": False}
        return pg8000.dbapi.connect("app", **where)

    engine = keep("sqlalchemy", lambda: create_engine("postgresql+pg8000://", creator=connect, poolclass=StaticPool))
    if "connection" not in kept:
        engine.dialect.initialize = lambda connection: None
        kept["connection"] = engine.connect()
    return kept["connection"].execute(text(f"select '{event['name']}'")).scalar()


def redis(event, context):
    import redis

    client = keep("redis", lambda: redis.Redis(port=PORTS["redis"], single_connection_client=True))
    return client.get(event["name"]).decode()


def pymemcache(event, context):
    from pymemcache.client.base import Client

    return keep("pymemcache", lambda: Client(("127.0.0.1", PORTS["memcached"]))).get(event["name"]).decode()


def smtplib(event, context):
    import smtplib

    mail = keep("smtplib", lambda: smtplib.SMTP("127.0.0.1", PORTS["smtp"]))
    return mail.docmd(event["name"])[1].decode()


def http_client(event, context):
    import http.client

    web = keep("http.client", lambda: http.client.HTTPConnection("127.0.0.1", PORTS["http"]))
    web.request("GET", f"/{event['name']}")
    return web.getresponse().read().decode()


def requests(event, context):
    import requests

    return keep("requests", requests.Session).get(url(event["name"])).text


def boto3(event, context):
    import boto3
    from botocore.config import Config

    config = Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"})
    s3 = keep("boto3", lambda: boto3.client("s3", endpoint_url=url("").rstrip("/"), config=config))
    return s3.get_object(Bucket="bucket", Key=event["name"])["Body"].read().decode()


def grpc(event, context):
    """A server that never answers: what matters is that the process goes on or is replaced as a whole."""
    if "slow" not in event["name"]:
        return event["name"]
    import grpc

    channel = keep("grpc", lambda: grpc.insecure_channel(f"127.0.0.1:{PORTS['smtp']}"))
    call = channel.unary_unary("/a/b", request_serializer=bytes, response_deserializer=bytes)
    return call(b"", wait_for_ready=True)


def numpy(event, context):
    if "slow" in event["name"]:
        drag()
    import numpy as np

    return event["name"] if np.arange(3).sum() == 3 else None


def drag():
    """Let the import of numpy take longer than there is, as it does on a thousandth of a core."""
    import time

    class Slow:
        def find_spec(self, name, path, target=None):
            if name.startswith("numpy."):
                time.sleep(0.02)

    sys.meta_path.insert(0, Slow())


def thread_pool(event, context):
    import urllib.request

    pool = keep("pool", lambda: concurrent.futures.ThreadPoolExecutor(2))
    jobs = [pool.submit(urllib.request.urlopen, url(event["name"])) for _ in range(6)]
    return [job.result().read().decode() for job in jobs][-1]


def boto3_in_pool(event, context):
    import boto3
    from botocore.config import Config

    config = Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"})
    s3 = keep("boto3", lambda: boto3.client("s3", endpoint_url=url("").rstrip("/"), config=config))
    pool = keep("pool", lambda: concurrent.futures.ThreadPoolExecutor(2))
    jobs = [pool.submit(s3.put_object, Bucket="b", Key=f"{event['name']}/{n}", Body=b"x") for n in range(6)]
    concurrent.futures.wait(jobs)
    return event["name"]


def processes(event, context):
    pool = keep("processes", lambda: multiprocessing.get_context("fork").Pool(1))
    return pool.map(importlib.import_module("clients").sleep_if_slow, [event["name"]])[0]


def sleep_if_slow(name):
    import time

    if "slow" in name:
        time.sleep(30)
    return name


def queue_listener(event, context):
    """Its thread waits for the next record: it is idle, and it is gone in a process that was replaced."""
    if "listener" not in kept:
        records = queue.Queue()
        kept["listener"] = logging.handlers.QueueListener(records, logging.NullHandler())
        kept["listener"].start()
        logging.getLogger("listened").addHandler(logging.handlers.QueueHandler(records))
    logging.getLogger("listened").warning("record")
    number = 0
    while "slow" in event["name"]:
        number += 1
    return event["name"]


def mangum(event, context):
    return keep("mangum", make_mangum)(as_http(event["name"]), context)["body"]


def make_mangum():
    import asyncio

    from fastapi import FastAPI
    from fastapi.responses import PlainTextResponse
    from mangum import Mangum

    app = FastAPI()

    @app.get("/{name}")
    async def read(name: str):
        if "slow" in name:
            await asyncio.sleep(30)
        return PlainTextResponse(name)

    return Mangum(app, lifespan="off")


def as_http(name):
    http = {"method": "GET", "path": f"/{name}", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "t"}
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": f"/{name}",
        "rawQueryString": "",
        "headers": {"host": "localhost"},
        "requestContext": {"http": http, "domainName": "localhost", "stage": "$default"},
        "isBase64Encoded": False,
    }


def powertools_batch(event, context):
    from aws_lambda_powertools.utilities.batch import AsyncBatchProcessor, EventType, async_process_partial_response

    processor = keep("processor", lambda: AsyncBatchProcessor(event_type=EventType.SQS))
    batch = {"Records": [{"messageId": str(n), "body": event["name"], "eventSource": "aws:sqs"} for n in range(2)]}
    finished = kept["finished"] = []

    async def work(record):
        import asyncio

        if "slow" in record.body:
            await asyncio.sleep(2)
        finished.append(record.body)

    async_process_partial_response(event=batch, record_handler=work, processor=processor, context=context)
    return "+".join(sorted(set(finished)))
