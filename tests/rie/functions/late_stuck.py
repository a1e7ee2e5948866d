"""A function that is stuck in C, where no alarm is heard, after it has worked for most of its time."""

import time

a = b = 0


def handler(event, context):
    global a, b
    if event.get("ask"):
        return [a, b]
    while context.get_remaining_time_in_millis() > event["until_left_ms"]:
        a += 1
        time.sleep(0.002)
        b += 1
    sum(iter(int, 1))
