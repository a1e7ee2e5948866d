"""A state is captured again and again in a program, which sees nothing of it; JSON says what it has seen.

Run by each Python: `traced.py CASE`, with the layer's own shim and signals that the program sends to itself.
"""

import json
import os
import signal
import sys
import threading
import weakref

import runtime_client

from carryon.runtime import bootstrap
from carryon.shared import settings
from carryon.shared.board import CAPTURE_AFTER_MS, CAPTURE_SIGNAL, NEVER_MS, Board

FUNCTION = '''
import sys
import threading

a = b = 0
capture = None


class Large:
    pass


def turns(count):
    global a, b
    for _ in range(count):
        a += 1
        capture()
        b += 1


def shared(ref, context):
    """Another thread counts in a variable of the frame that is traced."""
    global a, b
    counted = 0
    goes_on = True

    def count():
        nonlocal counted
        expected = 0
        while goes_on:
            counted += 1
            expected += 1
        expected_at_end.append(expected)

    expected_at_end = []
    thread = threading.Thread(target=count)
    thread.start()
    for turn in range(3_000):
        a += 1
        if turn % 20 == 0:
            capture()
        b += 1
    goes_on = False
    thread.join()
    return counted - expected_at_end[0]


def deleted(ref, context):
    """What it deletes is gone, at the latest when a search for a place has ended."""
    global a, b
    lived = 0
    gone = None
    for _ in range(30):
        lived += gone is not None and gone() is not None
        large = Large()
        gone = ref(large)
        a += 1
        capture()
        b += 1
        del large
    return lived


def passed_on(ref, context):
    """The same for what is passed on to a function that is called meanwhile, and for one that goes on."""
    def work(box):
        large = box.pop()
        gone = ref(large)
        del large
        return gone() is not None

    global a, b
    lived = 0
    for _ in range(30):
        a += 1
        capture()
        b += 1
        lived += work([Large()])
    return lived


def tracing(ref, context):
    """It begins to trace while somebody looks for a place."""
    def tracer(*_):
        return None

    capture()
    sys.settrace(tracer)
    turns(20)
    kept = sys.gettrace() is tracer
    sys.settrace(None)
    return kept


def profiling(ref, context):
    """It looks at each call."""
    seen = []
    sys.setprofile(lambda frame, event, _: event == "call" and seen.append(frame.f_code.co_filename))
    turns(20)
    sys.setprofile(None)
    return sum("/carryon/" in file for file in seen)


def locals_kept(ref, context):
    """It has asked for its locals, and put something into what it got."""
    global a, b
    names = locals()
    names["own"] = 1
    for _ in range(20):
        a += 1
        capture()
        b += 1
    return names["own"], "ref" in locals()
'''

function = runtime_client.load_function(FUNCTION)
case = sys.argv[1]
client = runtime_client.make(lambda name: getattr(function, case), lambda handler, body: handler(weakref.ref, None))
board = Board()
shim = bootstrap.Shim(client, settings.parse({"CARRYON_STATE": "a,b"}), lambda: (board, None, ""), None)
shim.install()
sent = 0


def capture():
    """As the supervisor does it, which asks no process that does not want to be asked."""
    global sent
    if board.words[CAPTURE_AFTER_MS] != NEVER_MS:
        sent += 1
        # However seldom it takes part otherwise.
        if shim._alarm is not None and shim._alarm._points is not None:
            shim._alarm._points.spent_s = shim._alarm._spent_before_s = 0.0
        signal.raise_signal(CAPTURE_SIGNAL)


function.capture = capture
answers, kept = [], []
for _ in range(3):
    board.words[CAPTURE_AFTER_MS] = sent = 0
    kept.clear()
    handler = shim._get_handler("function.handler")
    keep = board.put_state
    board.put_state = lambda state, keep=keep, **named: kept.append(state) or keep(state, **named)
    answer = runtime_client.receive_event(shim, handler)
    board.put_state = keep
    answers.append([answer, sent, len(kept)])
tools = [tool for tool in range(6) if sys.monitoring.get_tool(tool)] if hasattr(sys, "monitoring") else []
left = [sys.gettrace() is not None, tools, threading.active_count()]
os.write(1, json.dumps({"answers": answers, "left": left}).encode())
