"""Interrupt a program again and again at random instants, as the shim does; one line of JSON says what came of it.

Run by each Python: `interrupt.py FOLDER MODULE COUNT SEED [STATE]`, with MODULE.py in the folder, and beside it
MODULE_noted.py, which calls `note()` at its boundaries. COUNT programs are interrupted by the alarm.
"""

import importlib
import json
import random
import sys
import time
import types
from collections import Counter

import carryon
from carryon import alarm, settings, watchdog
from carryon.state import State

folder, name, count, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
sys.path.insert(0, folder)


def values(module):
    return json.dumps({"a": module.a, "b": module.b}, sort_keys=True)


def states_at_boundaries():
    """Of a run that nothing interrupts, and how long it takes."""
    module = importlib.import_module(f"{name}_noted")
    seen = {values(module)}
    module.note = lambda: seen.add(values(module))
    module.handler({}, None)
    del sys.modules[module.__name__]
    return seen | {values(module)}


class Shim:
    """As much of the shim as an alarm needs."""

    def __init__(self):
        self.settings = settings.parse({"CARRYON_STATE": "a,b"})
        self.state = State(self.settings.state, name)
        self.event = self.batch = self.board = None
        self.board_is_used = False
        self.margin_ms = 20
        self.raw = None
        self.watchdog = watchdog.Watchdog(
            lambda in_event_loop: carryon.TimeIsUpInEventLoop() if in_event_loop else carryon.TimeIsUp(),
            self.settle,
            lambda: None,
            put_off=self.put_off,
            call_off=lambda: self.alarm.stop(),
        )
        self.alarm = alarm.Alarm(self)

    def put_off(self, frame):
        self.raw = values(sys.modules[name])
        self.rang_at = time.perf_counter()
        return self.alarm.put_off(frame)

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
    except BaseException as error:
        # As an event loop may have wrapped it.
        assert dog.fired is not None, error
    finally:
        dog.phase = watchdog.OFF
        dog.disarm()
    return dog.fired is not None


def fresh():
    """The program's module, imported anew: no object is left of what was interrupted before."""
    sys.modules.pop(name, None)
    return importlib.import_module(name)


whole = states_at_boundaries()
shim = Shim()
carryon._shim = None
random.seed(seed)
began = time.perf_counter()
fresh().handler({}, None)
takes_s = time.perf_counter() - began
known, torn, delays = Counter(), [], []
raw_torn = unclean = finished = 0
trace = sys.gettrace()
while sum(known.values()) < count and finished < 4 * count + 20:
    module = fresh()
    carryon._run = None
    if not call(shim, module.handler, 0.002 + random.random() * max(takes_s - 0.002, 0.001)):
        finished += 1
        continue
    known[shim.known] += 1
    delays.append((shim.raised_at - shim.rang_at) * 1000)
    raw_torn += json.dumps(json.loads(shim.raw), sort_keys=True) not in whole
    unclean += module.opened != module.closed
    kept = carryon._run.progress() if carryon._run is not None else None
    state = json.loads(kept).get("state") if kept else None
    if shim.known != "earlier" and json.dumps(state, sort_keys=True) not in whole:
        torn.append([shim.known, state])
    assert sys.gettrace() is trace
delays.sort()
print(
    json.dumps(
        {
            "known": known,
            "torn": torn,
            "torn_at_the_alarm": raw_torn,
            "unclean": unclean,
            "finished": finished,
            "takes_ms": takes_s * 1000,
            "delay_ms": [delays[len(delays) // 2], delays[-1]] if delays else None,
        }
    )
)
