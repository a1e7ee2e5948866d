"""Functions with a state of two variables, `a` and `b`, that belong together: shapes of programs.

A line `# boundary` stands where an iteration has ended; what the variables are there, before the start and at the
return are the states that a hop may hand on.
"""

PRELUDE = """
import asyncio
import contextlib
import threading
import time

LAST = 500
a = b = 0
opened = closed = 0


def burn():
    for _ in range(1_500):
        pass


class Resource:
    def __enter__(self):
        global opened
        opened += 1

    def __exit__(self, *error):
        global closed
        closed += 1

"""

SHAPES = {
    "while": """
def handler(event, context):
    global a, b
    while a < LAST:
        a += 1
        burn()
        b += 1
        burn()
        # boundary
""",
    "while_true": """
def handler(event, context):
    global a, b
    while True:
        a += 1
        burn()
        b += 1
        if b == LAST:
            break
        # boundary
""",
    "for": """
def handler(event, context):
    global a, b
    for number in range(LAST):
        a = number
        burn()
        b = number
        burn()
        # boundary
""",
    "for_with_continue": """
def handler(event, context):
    global a, b
    for number in range(LAST):
        burn()
        if number % 3:
            # boundary
            continue
        a = number
        burn()
        b = number
        # boundary
""",
    "while_with_continue": """
def handler(event, context):
    global a, b
    number = 0
    while number < LAST:
        number += 1
        burn()
        if number % 3:
            # boundary
            continue
        a = number
        burn()
        b = number
        # boundary
""",
    "with_else_and_break": """
def handler(event, context):
    global a, b
    for number in range(LAST):
        a += 1
        burn()
        if number == LAST - 1:
            break
        burn()
        b += 1
        # boundary
    else:
        a = b = 0
    b += 1
""",
    "finally_around": """
def handler(event, context):
    global a, b, opened, closed
    opened += 1
    try:
        while a < LAST:
            a += 1
            burn()
            b += 1
            # boundary
    finally:
        closed += 1
""",
    "with_around": """
def handler(event, context):
    global a, b
    with Resource():
        for number in range(LAST):
            a = number
            burn()
            b = number
            # boundary
""",
    "with_within": """
def handler(event, context):
    global a, b
    for number in range(LAST):
        with Resource():
            a = number
            burn()
        b = number
        # boundary
""",
    "errors_within": """
def handler(event, context):
    global a, b
    for number in range(LAST):
        a = number
        try:
            burn()
            if number % 2:
                raise LookupError(number)
            burn()
        except LookupError:
            burn()
            b = number
            # boundary
            continue
        b = number
        # boundary
""",
    "writes_at_two_depths": """
def handler(event, context):
    global a, b
    for row in range(LAST // 4):
        for column in range(4):
            a += 1
            burn()
        b += 4
        burn()
        # boundary
""",
    "writes_in_the_inner_loop": """
def handler(event, context):
    global a, b
    for row in range(LAST // 4):
        burn()
        for column in range(4):
            a += 1
            burn()
            b += 1
            # boundary
        burn()
""",
    "writes_around_an_inner_loop": """
def handler(event, context):
    global a, b
    while a < LAST:
        a += 1
        for _ in range(5):
            burn()
        b += 1
        # boundary
""",
    "nested_while_true": """
def handler(event, context):
    global a, b
    while True:
        while True:
            a += 1
            burn()
            if a % 4 == 0:
                break
        b += 4
        if a >= LAST:
            break
        # boundary
""",
    "nested_while_with_continue": """
def handler(event, context):
    global a, b
    while a < LAST:
        while a < 4 * (b + 1):
            a += 1
            burn()
            if a % 2:
                continue
            burn()
        b += 1
        burn()
        # boundary
""",
    "tight_while_with_continue": """
def handler(event, context):
    global a, b
    while b < 50 * LAST:
        while a < 4 * (b + 1):
            a += 1
            if a % 2:
                continue
        b += 1
        # boundary
""",
    "one_loop_after_another": """
def handler(event, context):
    global a, b
    for number in range(LAST // 2):
        a = number
        burn()
        b = number
        # boundary
    a = b = 1000
    # boundary
    for number in range(LAST // 2):
        a -= 1
        burn()
        b -= 1
        # boundary
""",
    "set_before_and_after": """
def handler(event, context):
    global a, b
    a = 5
    burn()
    b = 5
    # boundary
    while a < LAST:
        a += 1
        burn()
        b += 1
        # boundary
    a = -1
    for _ in range(LAST):
        burn()
    b = -1
""",
    "helper_that_loops": """
def work(start):
    global a, b
    for number in range(start, start + 10):
        a = number
        burn()
        b = number
        # boundary


def handler(event, context):
    for start in range(0, LAST, 10):
        work(start)
        burn()
""",
    "helper_that_loops_within_a_larger_step": """
def work():
    global a
    for _ in range(4):
        a += 1
        burn()


def handler(event, context):
    global b
    while a < LAST:
        work()
        burn()
        b += 4
        # boundary
""",
    "method": """
class Job:
    def first(self):
        global a
        a += 1
        burn()

    def second(self):
        global b
        burn()
        b += 1


def handler(event, context):
    job = Job()
    for _ in range(LAST):
        job.first()
        burn()
        job.second()
        # boundary
""",
    "decorated_helper": """
import functools


def traced(function):
    @functools.wraps(function)
    def call(*args):
        burn()
        return function(*args)

    return call


@traced
def first():
    global a
    a += 1


@traced
def second():
    global b
    b += 1


def handler(event, context):
    for _ in range(LAST):
        first()
        burn()
        second()
        # boundary
""",
    "inner_function": """
def handler(event, context):
    def first():
        global a
        a += 1
        burn()

    second = lambda: globals().__setitem__("b", b + 1)  # noqa: E731
    for _ in range(LAST):
        first()
        burn()
        second()
        # boundary
""",
    "passed_function": """
def first(number):
    global a
    a = number
    burn()


def second(number):
    global b
    burn()
    b = number


def apply(function, number):
    function(number)


def handler(event, context):
    for number in range(LAST):
        apply(first, number)
        burn()
        apply(second, number)
        # boundary
""",
    "mapped_function": """
def step(number):
    global a, b
    a = number
    burn()
    b = number
    return number


def handler(event, context):
    for start in range(0, LAST, 5):
        sum(map(step, range(start, start + 5)))
        # boundary
""",
    "recursion": """
def descend(depth):
    global a, b
    a += 1
    burn()
    if depth:
        descend(depth - 1)
    burn()
    b += 1


def handler(event, context):
    for _ in range(LAST // 4):
        descend(3)
        # boundary
""",
    "comprehension": """
def step(number):
    global a, b
    a = number
    burn()
    b = number
    # boundary


def handler(event, context):
    for start in range(0, LAST, 5):
        [step(number) for number in range(start, start + 5)]
        # boundary
""",
    "generator_expression": """
def first(number):
    global a
    a = number
    burn()
    return number


def handler(event, context):
    global b
    for start in range(0, LAST, 5):
        burn()
        b = sum(first(number) for number in range(start, start + 5)) and a
        # boundary
""",
    "generator_that_only_reads": """
def numbers():
    for number in range(LAST):
        burn()
        yield number


def handler(event, context):
    global a, b
    for number in numbers():
        a = number
        burn()
        b = number
        # boundary
""",
    "condition_that_writes": """
def take():
    global a
    a += 1
    burn()
    return a


def handler(event, context):
    global b
    # boundary
    while take() < LAST:
        burn()
        b += 1
        # boundary
""",
    "condition_of_two_that_writes": """
def take():
    global a
    a += 1
    burn()
    return a


def handler(event, context):
    global b
    # boundary
    while b < LAST and take() < LAST:
        burn()
        b += 1
        burn()
        # boundary
""",
    "several_at_once": """
def handler(event, context):
    global a, b
    for number in range(LAST):
        burn()
        a, b = number, number
        # boundary
""",
    "through_globals": """
def handler(event, context):
    for number in range(LAST):
        globals()["a"] = number
        burn()
        globals().update(b=number)
        # boundary
""",
    "through_the_module": """
import sys


def handler(event, context):
    own = sys.modules[__name__]
    for number in range(LAST):
        own.a = number
        burn()
        setattr(own, "b", number)
        # boundary
""",
    "list_in_place": """
a = []


def handler(event, context):
    global b
    for number in range(LAST):
        a.append(number)
        burn()
        b = number
        # boundary
""",
    "alias_in_a_local": """
a, b = [], []


def handler(event, context):
    first, second = a, b
    while len(first) < LAST:
        first.append(1)
        burn()
        second.append(1)
        # boundary
""",
    "alias_passed_on": """
a, b = [], {}


def add(items, number):
    burn()
    items.append(number)


def mark(marks, number):
    marks[number % 7] = number
    burn()


def handler(event, context):
    for number in range(LAST):
        add(a, number)
        burn()
        mark(b, number)
        # boundary
""",
    "alias_in_an_attribute": """
a, b = [], []


class Worker:
    def __init__(self, items):
        self.items = items

    def work(self):
        burn()
        self.items.append(1)
        burn()


first = Worker(a)


def handler(event, context):
    second = Worker(b)
    for _ in range(LAST):
        first.work()
        burn()
        second.work()
        # boundary
""",
    "inside_of_objects": """
a, b = {"jobs": [{"done": 0}, {"done": 0}]}, [[0]]


def handler(event, context):
    for _ in range(LAST // 2):
        for job in a["jobs"]:
            job["done"] += 1
            burn()
        row = b[0]
        row[0] += 1
        burn()
        # boundary
""",
    "returned_object": """
a, b = {"x": []}, []


def items():
    return a["x"]


def handler(event, context):
    found = items()
    for number in range(LAST):
        found.append(number)
        burn()
        b.append(number)
        # boundary
""",
    "async_for": """
async def numbers():
    for number in range(LAST):
        await asyncio.sleep(0)
        burn()
        yield number


async def main():
    global a, b
    async for number in numbers():
        a = number
        burn()
        b = number
        # boundary


def handler(event, context):
    asyncio.run(main())
""",
    "coroutine": """
async def main():
    global a, b
    async with contextlib.AsyncExitStack():
        while a < LAST:
            a += 1
            burn()
            b += 1
            # boundary


def handler(event, context):
    asyncio.run(main())
""",
    "two_helpers": """
def add(number):
    global a
    a = number


def mark(number):
    global b
    b = number


def handler(event, context):
    for number in range(LAST):
        add(number)
        burn()
        mark(number)
        # boundary
""",
    "coroutine_suspended_between_writes": """
async def write():
    global a, b
    while a < LAST:
        a += 1
        await asyncio.sleep(0)
        b += 1
        # boundary
        await asyncio.sleep(0)


async def main():
    task = asyncio.create_task(write())
    while not task.done():
        burn()
        await asyncio.sleep(0)


def handler(event, context):
    asyncio.run(main())
""",
    "thread_with_main_in_join": """
def write():
    global a, b
    for number in range(LAST):
        a = number
        time.sleep(0.0001)
        b = number
        # boundary


def handler(event, context):
    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    thread.join()
""",
    "generator_between_writes": """
def numbers():
    global a, b
    for number in range(LAST):
        a = number
        yield number
        b = number
        # boundary


def handler(event, context):
    for number in numbers():
        burn()
""",
    "generator_and_its_consumer": """
def numbers():
    global a
    while a < LAST:
        yield a
        a += 1
        # boundary


def handler(event, context):
    global b
    for number in numbers():
        burn()
        b += 1
        burn()
""",
}

# Loops in which nearly every instruction at which Python can be interrupted is the jump back.
TIGHT = {
    "tight_finally": """
def handler(event, context):
    global opened, closed
    number = 0
    opened += 1
    try:
        while number < 1_000_000:
            number += 1
    finally:
        closed += 1
""",
    "tight_with": """
def handler(event, context):
    with Resource():
        for number in range(1_000_000):
            pass
""",
    "tight_with_within": """
def handler(event, context):
    for _ in range(100):
        with Resource():
            for number in range(10_000):
                pass
""",
}

# Where nothing can be proved, or what is proved says that too little was done.
UNPROVED = {
    "coroutine_suspended_between_writes",
    "generator_and_its_consumer",
    "thread_with_main_in_join",
}
COUNTER_EXAMPLES = [
    "two_helpers",
    "coroutine_suspended_between_writes",
    "thread_with_main_in_join",
    "generator_between_writes",
]
