"""A function that says how far its work has come."""

import os
import signal
import time

import carryon

NUMBERS = range(60)


def handler(event, context):
    return globals()[event["do"]](event)


def echo(event):
    return {"event": event, "pid": os.getpid(), "checkpoint": carryon.restore("none")}


def count_with_checkpoints(event):
    """The sum of the numbers; each hop adds what it has time for."""
    position, total = carryon.restore([0, 0])
    while position < len(NUMBERS):
        time.sleep(event.get("step_s", 0.05))
        total += NUMBERS[position]
        position += 1
        carryon.checkpoint([position, total])
        if event.get("dies_at") == position:
            os.kill(os.getpid(), signal.SIGKILL)
    return total


def count_with_each(event):
    """The numbers that each hop has finished are its output; together they are all of them."""
    for number in carryon.each(NUMBERS):
        time.sleep(event.get("step_s", 0.05))
        with open(event["path"], "a") as file:
            file.write(f"{number}\n")
    return "done"


def stuck_after_a_checkpoint(event):
    carryon.checkpoint("before it got stuck")
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass


def checkpoint_in_clean_up(event):
    carryon.checkpoint("at first")
    try:
        time.sleep(60)
    finally:
        carryon.checkpoint("in the end")


def shielded(event):
    with carryon.shield():
        time.sleep(carryon.remaining_ms() / 1000 + 0.1)
        print("the second step", flush=True)
    time.sleep(60)


def two_steps(event):
    return carryon.remaining_ms()
