"""Functions that take longer than their timeout, in steps of a hundredth of a second or of what STEP_S says."""

import os
import time

STEP_S = float(os.environ["STEP_S"])

steps = 0
ballast = ""


def count(event, context):
    """Take as many steps as the event says, all hops together."""
    global steps
    while steps < event["steps"]:
        time.sleep(STEP_S)
        steps += 1
    return {"steps": steps}


def wordy(event, context):
    """The same, with an answer of that many characters."""
    count(event, context)
    return "x" * event["bytes"]


def patient(event, context):
    """Take too long at the first attempt, and leave a mark that makes the second a short one."""
    if not os.path.exists(event["mark"]):
        open(event["mark"], "w").close()
        time.sleep(60)
    return "second attempt"


def fragile(event, context):
    """Fail in a later hop as long as there is no mark."""
    global steps
    if steps and not os.path.exists(event["mark"]):
        raise ValueError(f"interrupted at step {steps}")
    return count(event, context)


def heavy(event, context):
    """The same with a state of at least that many bytes; fails in a later hop if asked to, as long as there is no mark."""
    global ballast
    if ballast and not os.path.exists(event.get("mark", "/")):
        raise ValueError("interrupted")
    ballast = ballast or "x" * event["bytes"]
    return count(event, context)
