"""State that is written by functions, generators and comprehensions that the loop calls."""

import steps
from steps import fetch, mix

done = 0
checksum = 0


def handler(event, context):
    steps.pace_s = event["pace_s"]
    return globals()[event["shape"]](event["items"])


def mark():
    global done
    done += 1


def add(value):
    global checksum
    checksum = mix(checksum, value)


def one(number):
    mark()
    add(fetch(number))
    return number


def two_helpers(items):
    while done < items:
        add(done)
        value = fetch(done)
        mark()
        add(value)
    return [done, checksum]


def comprehension(items):
    numbers = [one(number) for number in range(done, items)]
    print(f"{len(numbers)} in this hop", flush=True)
    return [done, checksum]


def comprehensions_in_a_loop(items):
    while done < items:
        add(-done)
        values = [fetch(number) for number in range(done, done + 5)]
        for value in values:
            mark()
            add(value)
    return [done, checksum]


def mapped(items):
    """C code calls what writes."""
    while done < items:
        add(sum(map(one, range(done, done + 4))))
    return [done, checksum]


def counted():
    mark()
    yield done
    add(-done)


def exhausted_generator(items):
    """It writes before and after what its user does, and has ended by the end of a turn."""
    while done < items:
        for number in counted():
            add(fetch(number))
    return [done, checksum]


def walk(low, high):
    """Both halves, and of one number the number."""
    if high - low == 1:
        if low >= done:
            one(low)
        return
    middle = (low + high) // 2
    walk(low, middle)
    walk(middle, high)


def recursion(items):
    for low in range(0, items, 8):
        walk(low, min(low + 8, items))
    return [done, checksum]


def closure(items):
    def book(number):
        global done, checksum
        done = number + 1
        value = fetch(number)
        checksum = mix(checksum, value)

    for number in range(done, items):
        book(number)
    return [done, checksum]
