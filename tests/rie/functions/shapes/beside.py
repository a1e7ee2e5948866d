"""Writers in other threads, in coroutines and generators, and in conditions: in some of these no state can be proved whole.

What they have fetched is cached for the hops to come, so that the work ends even where no state can be proved whole.
"""

import asyncio
import itertools
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import steps
from steps import fetch, fetch_later, mix

done = 0
checksum = 0
folder = ""


def handler(event, context):
    global folder
    folder = event["folder"]
    os.makedirs(folder, exist_ok=True)
    steps.pace_s = event["pace_s"]
    return globals()[event["shape"]](event["items"])


def is_cached(number):
    return os.path.exists(f"{folder}/{number}")


def cache(number):
    open(f"{folder}/{number}", "w").close()


def fetch_cached(number):
    if is_cached(number):
        return fetch(number, times=0)
    value = fetch(number)
    cache(number)
    return value


def count_in_thread(items):
    global done, checksum
    while done < items:
        done += 1
        value = fetch_cached(done)
        checksum = mix(checksum, value)


def thread(items):
    """The main thread waits in join."""
    worker = threading.Thread(target=count_in_thread, args=(items,), daemon=True)
    worker.start()
    worker.join()
    return [done, checksum]


def counted(items):
    global done
    while done < items:
        done += 1
        yield done


def writing_generator(items):
    """It counts, its user sums up."""
    global checksum
    for number in counted(items):
        value = fetch_cached(number)
        checksum = mix(checksum, value)
    return [done, checksum]


def both_writes(number):
    global done, checksum
    done = number
    yield
    checksum = mix(checksum, number)
    yield


def generator_between_writes(items):
    """It is suspended after the first of its two writes, and after the second."""
    while done < items:
        book = both_writes(done + 1)
        next(book)
        fetch_cached(done)
        next(book)
    return [done, checksum]


def walrus(items):
    """Its condition writes, and is no part of the turn that it begins."""
    global done, checksum
    while (done := done + 1) <= items:
        value = fetch_cached(done)
        checksum = mix(checksum, value)
    return checksum


def count_one(number):
    global done, checksum
    done += 1
    value = fetch_cached(number)
    checksum = mix(checksum, value)


def threads_in_a_loop(items):
    """One pool for all, one number at a time."""
    with ThreadPoolExecutor(1) as pool:
        while done < items:
            pool.submit(count_one, done + 1).result()
    return [done, checksum]


async def count_in_task(items):
    global done, checksum
    while done < items:
        done += 1
        value = 0 if is_cached(done) else await fetch_later(done)
        cache(done)
        checksum = mix(checksum, value or await fetch_now(done))


async def fetch_now(number):
    return fetch(number, times=0)


async def tick():
    for _ in itertools.count():
        await asyncio.sleep(0.001)


async def beside_a_ticker(items):
    ticker = asyncio.create_task(tick())
    await asyncio.create_task(count_in_task(items))
    ticker.cancel()


def suspended_coroutine(items):
    """It waits between two writes while the event loop runs another."""
    asyncio.run(beside_a_ticker(items))
    return [done, checksum]


async def numbers(first, items):
    for number in range(first, items):
        if not is_cached(number):
            await fetch_later(number)
        yield number


async def consume(items):
    global done, checksum
    async for number in numbers(done, items):
        done = number + 1
        value = fetch_cached(number)
        checksum = mix(checksum, value)


def async_for(items):
    asyncio.run(consume(items))
    return [done, checksum]
