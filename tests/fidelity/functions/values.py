"""What handlers return, good and bad."""

import datetime as dt
import decimal
import enum
import functools
import uuid

calls = 0


class Colour(enum.IntEnum):
    RED = 1


VALUES = {
    "none": None,
    "true": True,
    "int": 3,
    "big int": 10**40,
    "float": 0.1,
    "nan": float("nan"),
    "string": "text",
    "unicode": 'ä€😀\u2028"\\\x00',
    "surrogate": "\ud800",
    "empty list": [],
    "list": [1, [2, {"a": None}]],
    "tuple": (1, 2),
    "object": {"b": 1, "a": {"c": []}},
    "int keys": {2: "a", None: "b", True: "c"},
    "enum": Colour.RED,
    "decimal": decimal.Decimal("1.10"),
    "bytes": b"bytes",
    "object of bytes": {"a": b"bytes"},
    "set": {1},
    "date": dt.datetime(2026, 1, 2, tzinfo=dt.timezone.utc),
    "uuid": uuid.UUID(int=1),
    "function": len,
    "tuple keys": {(1, 2): 3},
}


def handler(event, context):
    global calls
    calls += 1
    return VALUES[event["value"]]


def echo(event, context):
    return event


def large(event, context):
    return {"size": len(event["padding"]), "back": event["padding"]}


def endless(event, context):
    value = []
    value.append(value)
    return value


def of_context(event, context):
    return {
        "names": sorted(name for name in dir(context) if not name.startswith("__")),
        "type": f"{type(context).__module__}.{type(context).__qualname__}",
        "arn": context.invoked_function_arn,
        "log_group": context.log_group_name,
        "memory": context.memory_limit_in_mb,
        "client": repr(context.client_context),
        "time_left": 0 < context.get_remaining_time_in_millis() <= 10_000,
    }


def count(event, context):
    global calls
    calls += 1
    return calls


class Handler:
    def __call__(self, event, context):
        return ["called", event]

    def method(self, event, context):
        return ["method", event]


callable_object = Handler()
method = Handler().method
partial = functools.partial(lambda first, event, context: [first, event], "first")
anonymous = lambda event, context: "anonymous"  # noqa: E731
not_callable = 3


def one_argument(event):
    return event


def three_arguments(event, context, more):
    return event


def generator(event, context):
    yield 1


async def coroutine(event, context):
    return 1


def changes_event(event, context):
    event.clear()
    event["changed"] = True
    return event
