"""A function that works in an event loop."""

import asyncio
import os
import time

said = []


def handler(event, context):
    said.clear()
    if event["do"] == "echo":
        return os.getpid()
    return asyncio.run(globals()[event["do"]]())


async def tidy(name, seconds):
    try:
        for _ in range(10**6):
            await asyncio.sleep(seconds)
    finally:
        print("cleaned up", name, flush=True)
        await asyncio.sleep(0.001)
        print("awaited", name, flush=True)


async def many_tasks():
    tasks = [asyncio.create_task(tidy(f"task {number}", 0.01)) for number in range(3)]
    await asyncio.gather(*tasks, tidy("gathered", 60))


async def in_idle_loop():
    task = asyncio.create_task(tidy("task", 60))
    await asyncio.wait([task])


def work():
    time.sleep(0.002)


async def in_busy_task():
    task = asyncio.create_task(tidy("task", 0.01))
    await asyncio.sleep(0)
    while not task.done():
        work()


async def in_busy_callback():
    task = asyncio.create_task(tidy("task", 60))
    asyncio.get_running_loop().call_soon(lambda: [time.sleep(0.002) for _ in range(10**6)])
    await task


async def catching_exceptions():
    task = asyncio.create_task(tidy("task", 0.01))
    while not task.done():
        try:
            await asyncio.sleep(0.01)
        except Exception:
            print("caught", flush=True)
