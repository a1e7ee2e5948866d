"""Loops of every kind. `done` and `checksum` belong together: so many numbers are in it."""

import itertools

import steps
from steps import fetch, mix

done = 0
checksum = 0
phase = "new"


def handler(event, context):
    steps.pace_s = event["pace_s"]
    return globals()[event["shape"]](event["items"])


def while_loop(items):
    global done, checksum
    while done < items:
        done += 1
        checksum = mix(checksum, fetch(done))
    return [done, checksum]


def for_over_a_range(items):
    global done, checksum
    for number in range(done, items):
        done = number + 1
        value = fetch(number)
        checksum = mix(checksum, value)
    return [done, checksum]


def for_over_a_list(items):
    global done, checksum
    orders = [{"id": number, "price": number * 7} for number in range(items)]
    for order in orders[done:]:
        checksum = mix(checksum, order["price"])
        checksum = mix(checksum, fetch(order["id"]))
        done += 1
    return [done, checksum]


def for_over_an_iterator(items):
    global done, checksum

    def read():
        yield from range(items)

    for line, number in enumerate(itertools.islice(read(), done, None), start=done + 1):
        done = line
        value = fetch(number)
        checksum = mix(checksum, value)
    return [done, checksum]


def nested_loops(items):
    """Pages of five rows; the page is counted in the outer loop, the rows are summed in the inner one."""
    global done, checksum
    while done < items:
        done += 5
        for row in range(done - 5, done):
            value = fetch(row)
            checksum = mix(checksum, value)
    return [done, checksum]


def loops_in_sequence(items):
    global phase, done, checksum
    while phase == "new" and done < items // 2:
        done += 1
        checksum = mix(checksum, fetch(done))
    phase = "second"
    while done < items:
        checksum = mix(checksum, -done)
        value = fetch(done)
        done += 1
        checksum = mix(checksum, value)
    return [phase, done, checksum]


def state_around_loops(items):
    """It is set before the loop, between two and after the last."""
    global phase, done, checksum
    if phase == "new":
        phase = "read"
        checksum = mix(7, fetch("header", times=10))
    while done < items // 2:
        done += 1
        checksum = mix(checksum, fetch(done))
    if phase == "read":
        phase = "summed"
        checksum = mix(checksum, fetch("middle", times=10))
    while done < items:
        done += 1
        checksum = mix(checksum, fetch(done))
    if phase == "summed":
        phase = "closed"
        checksum = mix(checksum, fetch("footer", times=10))
    return [phase, done, checksum]


def while_true(items):
    global done, checksum
    number = done
    while True:
        number += 1
        if number % 4 == 0:
            done = number
            continue
        value = fetch(number)
        checksum = mix(checksum, value)
        fetch(number)
        done = number
        if number >= items and number % 4:
            break
    return [done, checksum]


def for_else(items):
    global phase, done, checksum
    for number in range(done, items):
        if number > items:
            break
        done = number + 1
        value = fetch(number)
        checksum = mix(checksum, value)
    else:
        phase = "complete"
    return [phase, done, checksum]


def match_in_a_loop(items):
    global done, checksum
    while done < items:
        match divmod(done, 3):
            case (_, 0):
                done += 1
                value = fetch(done)
            case (third, 1 | 2) if third % 2:
                done += 1
                value = fetch(-done)
            case _:
                done += 1
                value = 1
                fetch(done)
        checksum = mix(checksum, value)
    return [done, checksum]


def walrus(items):
    global done, checksum
    while (number := done + 1) <= items:
        checksum = mix(checksum, -number)
        value = fetch(number)
        done = number
        checksum = mix(checksum, value)
    return [done, checksum]


def early_return(items):
    global done, checksum
    for number in range(done, 10**9):
        done = number + 1
        checksum = mix(checksum, fetch(number))
        if done >= items:
            return [done, checksum]
    return None


def long_iterations(items):
    """One takes longer than the time that clean-up has."""
    global done, checksum
    while done < items:
        done += 1
        value = fetch(done, times=20)
        checksum = mix(checksum, value)
    return [done, checksum]


def very_short_iterations(items):
    """Of less than a microsecond; now and then one waits."""
    global done, checksum
    while done < items:
        done += 1
        if done % 10_000 == 0:
            fetch(done, times=0.25)
        checksum = mix(checksum, done)
    return [done, checksum]
