"""A function that runs out of time in many ways, and could tell afterwards what was torn."""

import atexit
import contextlib
import functools
import json
import logging
import operator
import os
import queue
import re
import signal
import socket
import sqlite3
import sys
import threading
import time

lock = threading.Lock()
rows = []
rows_of_jobs = []
tenant = None
database = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
database.execute("create table written (row)")
answers = queue.Queue()
far, near = socket.socketpair()
stream = near.makefile("rb")
logger = logging.getLogger("torn")


class Session:
    current = None

    def __lshift__(self, current):
        Session.current = current

    def __contains__(self, current):
        Session.current = None

    @property
    def ended(self):
        Session.current = None

    def work(self, event):
        for number in range(10**12):
            compute(number)
        return number


def handler(event, context):
    do = globals()[event["do"]]
    return do(event)


def probe(event):
    """What an innocent invocation finds."""
    left = "a lock" if not lock.acquire(timeout=0.1) else None
    if left is None:
        lock.release()
    if rows or tenant or Session.current:
        left = "globals"
    if len(rows_of_jobs) > 1:
        left = "a job that is lost"
    if database.in_transaction:
        left = "a transaction"
    near.setblocking(False)
    if stream.peek(1):
        left = "rows"
    near.setblocking(True)
    if not answers.empty():
        left = "an answer"
    return {"left": left, "pid": os.getpid()}


def compute(number):
    return number % 7


# The process may serve on after these.


def count(event):
    number = 0
    while True:
        number += 1


def call_own(event):
    for number in range(10**12):
        compute(number)


def in_helper(event):
    return go_through(event)


def go_through(event):
    found = []
    for number in range(10**12):
        if compute(number) > 6:
            found.append(number)
            found.pop()
    found.sort()
    logger.info("found %d", len(found))
    return {"statusCode": 200, "body": json.dumps({"found": found})}


def in_method(event):
    return Session().work(event)


def nested(event):
    sums = []
    for first in event["items"]:
        total = 0
        for second in range(300):
            total += compute(second)
        sums.append(first + total)
        del sums[:-1]
        event["items"].append(first)
    return sums


def through_lists_of_list(event):
    for group in [[1, 2] * 1_000] * 10**6:
        for number in group:
            compute(number)


def through_lists_of_dict(event):
    groups = [{"all": [1, 2] * 1_000}] * 10**6
    for group in groups:
        for number in group.get("all", ()):
            compute(number)


def with_lock(event):
    with lock:
        for number in range(10**12):
            compute(number)


def with_finally(event):
    lock.acquire()
    try:
        for number in range(10**12):
            compute(number)
    except ValueError:
        number = 0
    finally:
        lock.release()
    return number


def with_class_manager(event):
    with Locked():
        for number in range(10**12):
            compute(number)


class Locked:
    def __enter__(self):
        lock.acquire()
        return self

    def __exit__(self, *error):
        lock.release()


def with_work_afterwards(event):
    """What comes after it is told from what others have by what it works on."""
    names, seen = set(), {}
    try:
        for number in range(10**12):
            names.add(str(compute(number)))
    finally:
        logger.info("so far %d", len(names))
    for name in sorted(names):
        seen[name] = seen.get(name, 0) + 1
    first, *others = sorted(seen.items())
    share = sum(seen.values()) / len(seen)
    body = json.dumps({"first": first, "others": [*others], "share": round(share, 2)}).encode("utf-8")
    print("done", len(body), file=sys.stderr)
    return {"body": body.decode(), "headers": {**event["names"]}, "many": len(body) > 100 and "a" in event["names"]}


def with_manager(event):
    with locked_well():
        for number in range(10**12):
            compute(number)


@contextlib.contextmanager
def locked_well():
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


def in_each_turn(event):
    global tenant
    while True:
        lock.acquire()
        tenant = "somebody"
        compute(5)
        tenant = None
        lock.release()


def take_jobs(event):
    """What is taken in the condition is put back at the end of the turn."""
    if not rows_of_jobs:
        rows_of_jobs.append(5)
    while job := rows_of_jobs.pop():
        compute(job)
        rows_of_jobs.append(job)


def poll(event):
    while True:
        time.sleep(0.001)


def go_through_items(event):
    for turn, (name, value) in enumerate(zip(event["names"], event["names"].items())):
        for number in range(10**12):
            compute(number)


def each(event):
    import carryon

    for number in carryon.each(range(10**12)):
        compute(number)


def by_wrapper(event):
    return wrapped(event)


def logged(function):
    @functools.wraps(function)
    def wrapper(*arguments, **named):
        logger.info("begins")
        result = function(*arguments, **named)
        logger.info("has ended")
        return result

    return wrapper


@logged
def wrapped(event):
    while True:
        compute(3)


# After these it is replaced.


def left_out_release(event):
    lock.acquire()
    for number in range(10**12):
        compute(number)
    lock.release()


def left_out_release_by_helper(event):
    lock.acquire()
    for number in range(10**12):
        compute(number)
    let_go()


def let_go():
    lock.release()


def left_out_release_in_caller(event):
    lock.acquire()
    go_through(event)
    lock.release()


def left_out_release_in_other_except(event):
    lock.acquire()
    try:
        for number in range(10**12):
            compute(number)
    except ValueError:
        lock.release()
        raise
    lock.release()


def left_out_release_of_flag(event):
    lock.acquire()
    is_done = False
    try:
        for number in range(10**12):
            compute(number)
        is_done = True
    finally:
        if is_done:
            lock.release()


def left_out_release_of_result(event):
    lock.acquire()
    result = None
    try:
        for number in range(10**12):
            compute(number)
        result = number
    finally:
        let_go_after(result)


def let_go_after(result):
    if result is not None:
        lock.release()


def left_out_reset(event):
    global tenant
    tenant = "somebody"
    for number in range(10**12):
        compute(number)
    tenant = None


def left_out_reset_of_list(event):
    mine = rows
    mine.append(1)
    for number in range(10**12):
        compute(number)
    mine.clear()


def left_out_reset_of_class(event):
    Session.current = "somebody"
    for number in range(10**12):
        compute(number)
    Session.current = None


def left_out_reset_of_turn(event):
    global tenant
    for name in ["somebody"] * 1000:
        tenant = name
        for number in range(10**12):
            compute(number)
        tenant = None


def left_out_commit(event):
    database.execute("begin")
    database.execute("insert into written values (1)")
    for number in range(10**12):
        compute(number)
    database.execute("commit")


def left_out_of_generator(event):
    for number in numbers_with_lock():
        compute(number)


def left_out_of_one_of_the_generators(event):
    groups = [[1], numbers_with_lock()]
    for group in groups:
        for number in group:
            compute(number)


def numbers_with_lock():
    lock.acquire()
    yield from range(10**12)
    lock.release()


def left_out_of_manager(event):
    with locked_badly():
        for number in range(10**12):
            compute(number)


@contextlib.contextmanager
def locked_badly():
    lock.acquire()
    yield
    lock.release()


def left_out_of_class_manager(event):
    with LockedBadly():
        for number in range(10**12):
            compute(number)


class LockedBadly:
    def __enter__(self):
        lock.acquire()

    def __exit__(self, kind, error, trace):
        if kind is None:
            lock.release()


def left_out_of_stack(event):
    with contextlib.ExitStack() as stack:
        stack.enter_context(LockedBadly())
        for number in range(10**12):
            compute(number)


def left_out_of_made_manager(event):
    with made_badly():
        for number in range(10**12):
            compute(number)


def made_badly():
    return LockedBadly()


def left_out_of_wrapper(event):
    return metered(event)


def meter(function):
    def wrapper(event):
        rows.append(event)
        result = function(event)
        rows.clear()
        return result

    return wrapper


@meter
def metered(event):
    while True:
        compute(3)


cache = []
sizes = {}
totals = {"n": 0, "seen": []}


def fill_cache(event):
    if not cache:
        for number in range(10**12):
            compute(number)
            cache.append(number)
    return len(cache)


def fill_by_key(event):
    for number in range(10**12):
        compute(number)
        sizes[str(number % 7)] = 1


def fill_by_helper(event):
    for number in range(10**12):
        remember(number)


def remember(number):
    compute(number)
    totals["seen"].append(number)
    del totals["seen"][:-5]


def count_in_global(event):
    global counted
    while True:
        compute(counted)
        counted += 1


counted = 0


def fill_event(event):
    seen = event["seen"] = {}
    for number in range(10**12):
        compute(number)
        event["names"]["a"] = number
    return seen


def left_out_release_by_map(event):
    lock.acquire()
    for number in range(10**12):
        compute(number)
    list(map(release, [lock]))


def release(one):
    one.release()


def left_out_release_by_sorted(event):
    lock.acquire()
    for number in range(10**12):
        compute(number)
    sorted([lock], key=release)


def left_out_reset_by_map(event):
    rows.append(1)
    for number in range(10**12):
        compute(number)
    list(map(rows.remove, list(rows)))


def left_out_of_queue(event):
    answers_of_turn().put("somebody's")
    for number in range(10**12):
        compute(number)
    answers_of_turn().get()


def answers_of_turn():
    return answers


def left_out_of_list(event):
    numbers = numbers_with_lock_once()
    next(numbers)
    for number in range(10**12):
        compute(number)
    [*numbers]


def left_out_of_sum(event):
    numbers = numbers_with_lock_once()
    next(numbers)
    for number in range(10**12):
        compute(number)
    sum(numbers)


def left_out_of_rest(event):
    numbers = numbers_with_lock_once()
    next(numbers)
    for number in range(10**12):
        compute(number)
    for number in numbers:
        compute(number)


def numbers_with_lock_once():
    lock.acquire()
    yield 1
    lock.release()


def left_out_of_star(event):
    numbers = numbers_with_lock_once()
    next(numbers)
    for number in range(10**12):
        compute(number)
    compute(*numbers)


def left_out_of_own_class(event):
    rows.append(1)
    for number in range(10**12):
        compute(number)
    list(map(Emptied, [rows]))


class Emptied:
    def __init__(self, emptied):
        emptied.clear()


def left_out_of_operator(event):
    session << "somebody"
    for number in range(10**12):
        compute(number)
    session << None


def left_out_of_in(event):
    session << "somebody"
    for number in range(10**12):
        compute(number)
    return 5 in session


def left_out_of_property(event):
    session << "somebody"
    for number in range(10**12):
        compute(number)
    return session.ended


session = Session()


def left_out_print(event):
    print("begins", file=listing)
    for number in range(10**12):
        compute(number)
    print("ends", file=listing)


class Listing:
    def write(self, text):
        if text == "begins":
            rows.append(text)
        if text == "ends":
            rows.clear()


listing = Listing()


def called_back_by_sorted(event):
    sorted([1, 2], key=go_on)


def called_back_by_sub(event):
    re.sub("a", go_on, "aaa")


def called_back_by_operator(event):
    operator.methodcaller("go_on", 1)(Caller())


class Caller:
    def go_on(self, number):
        return go_on(number)


def go_on(_):
    while True:
        compute(3)


def wait(event):
    time.sleep(60)


def wait_in_loop(event):
    while True:
        time.sleep(60)


def wait_for_event(event):
    threading.Event().wait(60)


def wait_for_queue(event):
    queue.Queue().get(timeout=60)


def call_library(event):
    while True:
        json.dumps([Slow()], default=str)


class Slow:
    def __str__(self):
        time.sleep(60)


def read_rows(event):
    """Of a connection that is kept; more of them are on their way."""
    for number in range(2000):
        far.send(b"somebody's\n")
    while row := stream.readline():
        compute(len(row))
        time.sleep(0.001)


def read_by_bound_method(event):
    read_row = stream.readline
    for number in range(2000):
        far.send(b"somebody's\n")
    while row := read_row():
        compute(len(row))
        time.sleep(0.001)


def read_by_next(event):
    for number in range(2000):
        far.send(b"somebody's\n")
    while True:
        compute(len(next(stream)))
        time.sleep(0.001)


def read_by_partial(event):
    read_row = functools.partial(near.recv, 11)
    for number in range(2000):
        far.send(b"somebody's\n")
    while True:
        compute(len(read_row()))
        time.sleep(0.001)


def read_by_helper(event):
    for number in range(2000):
        far.send(b"somebody's\n")
    while True:
        take_row()


def take_row():
    row = stream.readline()
    time.sleep(0.001)
    return row


def swallow(event):
    try:
        count(event)
    except BaseException:
        return "all is well"


def raise_another(event):
    try:
        count(event)
    finally:
        raise ValueError("clean-up failed")


def raise_a_new_one(event):
    try:
        count(event)
    except BaseException as error:
        raise type(error) from None


def import_slowly_and_wait(event):
    import slow_to_import

    time.sleep(60)
    return slow_to_import.count


def print_at_the_end(event):
    atexit.register(os.write, 1, b"at exit\n")
    sys.stdout = open(os.dup(1), "w", buffering=1 << 16)
    try:
        time.sleep(60)
    finally:
        print("still in the buffer")


def kill_helpers_and_wait(event):
    """End whatever the supervisor has forked, as soon as that is there: without a target, the standby."""
    supervisor, killed = os.getppid(), set()
    while True:
        for child in open(f"/proc/{supervisor}/task/{supervisor}/children").read().split():
            if int(child) != os.getpid() and child not in killed:
                killed.add(child)
                os.kill(int(child), signal.SIGKILL)
        if killed:
            time.sleep(60)
        time.sleep(0.01)


def parent(event):
    return {"parent": os.getppid()}


def compute_at_import():
    until = time.process_time() + float(os.environ.get("COMPUTE_AT_IMPORT_S", "0"))
    while time.process_time() < until:
        pass


compute_at_import()


def start_at_import():
    if os.environ.get("START_AT_IMPORT"):
        threading.Thread(target=echo, daemon=True).start()


def echo():
    while row := far.recv(100):
        far.send(row)


def start_and_count(event):
    threading.Thread(target=echo, daemon=True).start()
    count(event)


start_at_import()
