"""Interrupt programs again and again at random instants, as the shim does; a line of JSON each says what came of it.

Run by each Python: `interrupt.py FOLDER COUNT SEED MARGIN_MS STATE MODULE...`, with MODULE.py in the folder, and beside
it MODULE_noted.py, which calls `note()` at its boundaries. COUNT alarms are raised in each. With TRACED=1 somebody
traces the program meanwhile.
"""

import asyncio
import importlib
import json
import os
import random
import sys
import time
from collections import Counter

import carryon
from carryon.runtime import alarm, watchdog
from carryon.runtime.finding import Finding
from carryon.runtime.state import State
from carryon.shared import settings

folder, count, seed, margin_ms, state_names = sys.argv[1], *map(int, sys.argv[2:5]), sys.argv[5]
sys.path.insert(0, folder)


def values(module):
    return json.dumps({"a": module.a, "b": module.b}, sort_keys=True)


def states_at_boundaries(name):
    """Of a run that nothing interrupts, and how long it takes."""
    module = importlib.import_module(f"{name}_noted")
    seen = {values(module)}
    module.note = lambda: seen.add(values(module))
    module.handler({}, None)
    del sys.modules[module.__name__]
    return seen | {values(module)}


class Shim:
    """As much of the shim as an alarm needs."""

    def __init__(self, name):
        self.name = name
        self.settings = settings.parse({"CARRYON_STATE": state_names})
        self.state = State(self.settings.state, name) if state_names else None
        self.event = self.batch = self.board = None
        self.board_is_used = False
        self.found = Finding(None)
        self.margin_ms = margin_ms
        self.raw = None
        self.watchdog = watchdog.Watchdog(
            lambda in_event_loop: carryon.TimeIsUpInEventLoop() if in_event_loop else carryon.TimeIsUp(),
            self.settle,
            lambda: None,
            put_off=self.put_off,
            call_off=self.call_off,
        )
        self.alarm = alarm.Alarm(self)

    def call_off(self):
        self.alarm.stop()

    def put_off(self, frame, is_first):
        if is_first:
            self.raw = values(sys.modules[self.name])
            self.rang_at = time.perf_counter()
        return self.alarm.put_off(frame, is_first)

    def settle(self, frame):
        self.known = self.alarm.settle(frame)
        self.raised_at = time.perf_counter()


def call(shim, handler, after_s):
    """Call a handler as the shim does; whether it was interrupted."""
    dog = shim.watchdog
    assert dog.arm(sys._getframe(), time.time(), time.time() + after_s)
    dog.phase = watchdog.CALLING
    try:
        handler({}, None)
    except carryon.TimeIsUp:
        return True
    except asyncio.CancelledError:
        assert dog.fired is not None
    finally:
        dog.phase = watchdog.OFF
        dog.disarm()
    return dog.fired is not None


def fresh(name):
    """The program's module, imported anew: no object is left of what was interrupted before."""
    sys.modules.pop(name, None)
    return importlib.import_module(name)


def interrupt(name):
    """What comes of a program that is interrupted COUNT times."""
    whole = states_at_boundaries(name)
    began = time.perf_counter()
    fresh(name).handler({}, None)
    takes_s = time.perf_counter() - began
    shim = Shim(name)
    known, torn, delays = Counter(), [], []
    raw_torn = unclean = finished = 0
    trace = sys.gettrace()
    while sum(known.values()) < count and finished < 4 * count + 20:
        module = fresh(name)
        carryon._run = None
        if not call(shim, module.handler, 0.002 + random.random() * max(takes_s - 0.002, 0.001)):
            finished += 1
            continue
        known[str(shim.known)] += 1
        delays.append((shim.raised_at - shim.rang_at) * 1000)
        raw_torn += shim.raw not in whole
        unclean += module.opened != module.closed
        kept = carryon._run.progress() if carryon._run is not None else None
        state = json.loads(kept).get("state") if kept else None
        if shim.known in (alarm.BOUNDARY, alarm.WHOLE) and json.dumps(state, sort_keys=True) not in whole:
            torn.append([shim.known, state])
        assert sys.gettrace() is trace
    del sys.modules[name]
    delays.sort()
    return {
        "name": name,
        "known": known,
        "torn": torn,
        "torn_at_the_alarm": raw_torn,
        "unclean": unclean,
        "finished": finished,
        "delay_ms": [delays[len(delays) // 2], delays[-1]] if delays else None,
    }


def trace_nothing(frame, event, argument):
    """Somebody else's trace function."""
    return trace_nothing


random.seed(seed)
carryon._shim = None
if os.environ.get("TRACED"):
    sys.settrace(trace_nothing)
for module_name in sys.argv[6:]:
    print(json.dumps(interrupt(module_name)), flush=True)
