"""The environment variables of Carry On, parsed once. A bad value is reported and its default taken; nothing raises."""

from __future__ import annotations

import json
import keyword
import os
import re
from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeVar

    _Choice = TypeVar("_Choice")

# A variable that cannot be used: its name, its value (cut, or not shown), and what is allowed.
Problem = namedtuple("Problem", "name value allowed")

# A variable that belongs to the state: a global of the module (None: the handler's), or a local of that function; and
# the key under which it goes into the event, None for its own name.
StateName = namedtuple("StateName", "module function name key")

PROCESS = ("safe", "keep", "fresh")
STATE_INTO = ("globals", "event", "both")
BATCH = ("continue", "fail", "report")

Settings = namedtuple(
    "Settings",
    "to fallback_to margin_ms margin_percent state state_into event_as_left batch max_hops stall_hops max_age_ms "
    "raise_timeout_error response response_error continue_on_crash process bucket table table_always signing_keys "
    "next_wrapper metrics problems",
)

MIN_MARGIN_MS = 100
MAX_MARGIN_PERCENT = 50
DEFAULT_MAX_HOPS = 12
DEFAULT_STALL_HOPS = 3
MIN_KEY_LENGTH = 16

# What the signing keys are where the variable cannot be used: there are some, and none of them is good.
NO_GOOD_KEY = ("",)

NOT_SHOWN = "(not shown)"
_VALUE_MAX = 200
# Compiled where one is needed: most functions have few of these.
_MARGIN = r"(\d{1,9}(?:\.\d{1,9})?)\s*(ms|s|%)"
_ACCOUNT_ARN = r"arn:aws(-[a-z]+)*:%s:[a-z]{2}(-[a-z]+)+-\d+:\d{12}:%s"
_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SWITCH = {"on": True, "1": True, "true": True, "yes": True, "off": False, "0": False, "false": False, "no": False}


def parse(environ: Mapping[str, str]) -> Settings:
    """Parse the variables of a function; `problems` lists those that are not usable or do not exist."""
    problems = []

    def read(name: str, convert: Callable[[str], Any], default: Any, allowed: str) -> Any:
        value = environ.get(name, "").strip()
        if not value:
            return default
        try:
            return convert(value)
        except (ValueError, RecursionError):
            problems.append(Problem(name, value[:_VALUE_MAX] if name != "CARRYON_SIGNING_KEY" else NOT_SHOWN, allowed))
            return default

    margin_ms, margin_percent = read(
        "CARRYON_MARGIN",
        _margin,
        (None, None),
        f"a time such as 2s or 1500ms, at least {MIN_MARGIN_MS}ms, or a share such as 5%, at most "
        f"{MAX_MARGIN_PERCENT}%",
    )
    response, response_error = read(
        "CARRYON_RESPONSE", _response, (None, False), "a JSON text to answer with, or the word error"
    )
    read("CARRYON_DISABLED", lambda value: _one_of(_SWITCH)(value.lower()), False, "1 to switch the layer off, or 0")
    signing_keys = read(
        "CARRYON_SIGNING_KEY",
        _signing_keys,
        NO_GOOD_KEY,
        f"keys separated by commas, each of at least {MIN_KEY_LENGTH} characters, or the ARN of an SSM parameter or a "
        "Secrets Manager secret",
    )
    settings = Settings(
        to=read("CARRYON_TO", _target, None, "self, log, or the ARN of a Lambda function"),
        fallback_to=read("CARRYON_FALLBACK_TO", _function, None, "the ARN of a Lambda function"),
        margin_ms=margin_ms,
        margin_percent=margin_percent,
        state=read(
            "CARRYON_STATE",
            _state,
            (),
            "names separated by commas: name or module:name, with =EVENT_KEY or not, or function().name=EVENT_KEY",
        ),
        state_into=read(
            "CARRYON_STATE_INTO", _one_of({word: word for word in STATE_INTO}), "globals", ", ".join(STATE_INTO)
        ),
        event_as_left=read(
            "CARRYON_EVENT", _one_of({"original": False, "current": True}), False, "original or current"
        ),
        batch=read("CARRYON_BATCH", _one_of({word: word for word in BATCH}), None, ", ".join(BATCH)),
        max_hops=read("CARRYON_MAX_HOPS", _count, DEFAULT_MAX_HOPS, "a whole number, 0 or more"),
        stall_hops=read("CARRYON_STALL_HOPS", _count, DEFAULT_STALL_HOPS, "a whole number, 0 or more"),
        max_age_ms=read("CARRYON_MAX_AGE", _age, None, "a time such as 30s, 90m, 6h or 2d, at least 1s"),
        raise_timeout_error=read(
            "CARRYON_RAISE", _one_of({"TimeIsUp": False, "TimeoutError": True}), False, "TimeIsUp or TimeoutError"
        ),
        response=response,
        response_error=response_error,
        continue_on_crash=read(
            "CARRYON_ON_CRASH", _one_of({"report": False, "continue": True}), False, "report or continue"
        ),
        process=read("CARRYON_PROCESS", _one_of({word: word for word in PROCESS}), "safe", ", ".join(PROCESS)),
        bucket=read("CARRYON_BUCKET", _bucket, None, "the name of an S3 bucket"),
        table=read("CARRYON_TABLE", _table, None, "the name or the ARN of a DynamoDB table"),
        table_always=read("CARRYON_TABLE_ALWAYS", _one_of({"0": False, "1": True}), False, "1 or 0"),
        signing_keys=signing_keys if environ.get("CARRYON_SIGNING_KEY", "").strip() else (),
        next_wrapper=read("CARRYON_NEXT_WRAPPER", _executable, None, "the path of an executable file"),
        metrics=read("CARRYON_METRICS", lambda value: _one_of(_SWITCH)(value.lower()), True, "on or off"),
        problems=(),
    )
    for name in environ:
        if name.startswith("CARRYON_") and name not in _NAMES and environ[name].strip():
            allowed = "one of " + ", ".join(_NAMES)
            # It may be a misspelt name of the key's.
            problems.append(Problem(name[:_VALUE_MAX], NOT_SHOWN, allowed))
    return settings._replace(problems=tuple(problems))


_NAMES = (
    "CARRYON_TO",
    "CARRYON_FALLBACK_TO",
    "CARRYON_MARGIN",
    "CARRYON_STATE",
    "CARRYON_STATE_INTO",
    "CARRYON_EVENT",
    "CARRYON_BATCH",
    "CARRYON_MAX_HOPS",
    "CARRYON_STALL_HOPS",
    "CARRYON_MAX_AGE",
    "CARRYON_RAISE",
    "CARRYON_RESPONSE",
    "CARRYON_ON_CRASH",
    "CARRYON_PROCESS",
    "CARRYON_BUCKET",
    "CARRYON_TABLE",
    "CARRYON_TABLE_ALWAYS",
    "CARRYON_SIGNING_KEY",
    "CARRYON_NEXT_WRAPPER",
    "CARRYON_METRICS",
    "CARRYON_DISABLED",
)


def _target(value: str) -> str:
    return value if value in ("self", "log") else _function(value)


def _function(value: str) -> str:
    return _matching(_ACCOUNT_ARN % ("lambda", r"function:[\w-]{1,140}(:(\$LATEST|[\w-]{1,129}))?"), value)


def _margin(value: str) -> tuple[int | None, float | None]:
    match = re.fullmatch(_MARGIN, value, re.ASCII)
    if not match:
        raise ValueError
    number = float(match[1])
    if match[2] == "%":
        if not 0 < number <= MAX_MARGIN_PERCENT:
            raise ValueError
        return None, number
    margin_ms = round(number * (1000 if match[2] == "s" else 1))
    if margin_ms < MIN_MARGIN_MS:
        raise ValueError
    return margin_ms, None


def _state(value: str) -> tuple[StateName, ...]:
    names: dict[StateName, None] = {}
    for item in value.split(","):
        place, equals, key = item.strip().partition("=")
        key = key.strip()
        module, colon, name = place.strip().rpartition(":")
        function, call, local = name.partition("().")
        words = [*([function, local] if call else [name]), *(module.split(".") if colon else [])]
        if not all(map(_is_name, words)) or (not key if equals or call else False):
            raise ValueError
        names[StateName(module or None, function if call else None, local if call else name, key or None)] = None
    keys = [name.key for name in names if name.key]
    if len(keys) > len(set(keys)):
        raise ValueError
    return tuple(names)


def _is_name(word: str) -> bool:
    return word.isidentifier() and not keyword.iskeyword(word)


def _count(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 9):
        raise ValueError
    return int(value)


def _age(value: str) -> int:
    number = _count(value[:-1].rstrip())
    if not number or value[-1] not in _UNIT_MS:
        raise ValueError
    return number * _UNIT_MS[value[-1]]


def _bucket(value: str) -> str:
    return _matching(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", value)


def _table(value: str) -> str:
    name = r"[\w.-]{3,255}"
    return _matching(_ACCOUNT_ARN % ("dynamodb", f"table/{name}") if value.startswith("arn:") else name, value)


def _signing_keys(value: str) -> tuple[str, ...]:
    return tuple(_signing_key(key.strip()) for key in value.split(","))


def _signing_key(value: str) -> str:
    if value.startswith("arn:"):
        place = _ACCOUNT_ARN % ("(ssm|secretsmanager)", r"(parameter|secret)[/:][\w./+=@!-]{1,2048}")
        return _matching(place, value)
    # What is not UTF-8 cannot be encoded.
    if len(value.encode()) < MIN_KEY_LENGTH:
        raise ValueError
    return value


def _matching(pattern: str, value: str) -> str:
    if not re.fullmatch(pattern, value, re.ASCII):
        raise ValueError
    return value


def _one_of(words: Mapping[str, _Choice]) -> Callable[[str], _Choice]:
    def convert(value: str) -> _Choice:
        if value not in words:
            raise ValueError
        return words[value]

    return convert


def _response(value: str) -> tuple[str | None, bool]:
    if value == "error":
        return None, True
    # What the runtime could not send as an answer (1e999, half a surrogate pair) would fail a hop that has handed over.
    json.dumps(json.loads(value, parse_constant=_refuse), allow_nan=False, ensure_ascii=False).encode()
    return value, False


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _executable(value: str) -> str:
    if not (os.path.isfile(value) and os.access(value, os.X_OK)):
        raise ValueError
    return value
