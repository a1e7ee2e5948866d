"""A function whose state is captured, and that looks whether anybody follows it from one invocation to the next."""

import sys
import time

a = b = 0


def handler(event, context):
    global a, b
    before = {"traced": sys.gettrace() is not None, "monitored": tools()}
    ends_at = time.monotonic() + event["seconds"]
    while time.monotonic() < ends_at:
        a += 1
        time.sleep(0.002)
        b += 1
    return before


def tools():
    monitoring = getattr(sys, "monitoring", None)
    return [tool for tool in range(6) if monitoring.get_tool(tool)] if monitoring else []
