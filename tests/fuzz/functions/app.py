"""A function that says what it has got, and what is not as it was when it was told to remember it."""

import builtins
import json
import os
import sys

import carryon

count = 0
names = ["first"]
place = None
unnamed = "as it was"

_NAMED = ("count", "names", "place")
_PLAIN = (dict, list, str, int, float, bool, type(None))
# The layer's own, of the invocation that is running.
_OF_THE_RUN = ("_run", "_shim")


def handler(event, context):
    """Return all that an event can change."""
    if event == "remember":
        _before.update(_fingerprints())
    # As text: the runtime client itself ends of half a surrogate pair in an answer.
    return json.dumps(_seen(event))


def _seen(event):
    return {
        "event": event,
        "state": {"count": count, "names": names, "place": place},
        "checkpoint": carryon.restore("none"),
        "items": list(carryon.each("abc")),
        "touched": [part for part, now in _fingerprints().items() if now != _before.get(part)],
        "plain": all(type(value) in _PLAIN for value in _everything([event, count, names, place])),
        "pid": os.getpid(),
    }


def _everything(values):
    while values:
        value = values.pop()
        yield value
        if type(value) is dict:
            values += value
            values += value.values()
        elif type(value) is list:
            values += value


def _fingerprints():
    return {
        "module": _members(sys.modules[__name__], {*_NAMED, "_before"}),
        "builtins": _members(builtins, {"_"}),
        "layer": _members(carryon, {*_OF_THE_RUN, *_submodules()}),
        "variables": {name: value for name, value in os.environ.items() if not name.startswith("_X_AMZN")},
        "path": list(sys.path),
        "classes": [(kind.__name__, sorted(vars(kind))) for kind in (type(handler), type(carryon), carryon.TimeIsUp)],
        "modules": sorted(sys.modules),
    }


def _members(module, without):
    return {name: id(value) for name, value in vars(module).items() if name not in without}


def _submodules():
    return {name.rpartition(".")[2] for name in sys.modules if name.startswith("carryon.")}


_before = {}
