"""Carry On's own log lines: one JSON document each, written with one write, never over 4 KB."""

from __future__ import annotations

import json
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .invocation import Invocation
    from .settings import Settings

LINE_MAX = 4_096  # a longer write to a pipe may be mixed with others

_NAMESPACE = "CarryOn"
_LEVELS = {"TRACE": 5, "DEBUG": 10, "INFO": 20, "WARN": 30, "ERROR": 40, "FATAL": 50}
_TEXT_STEPS = (512, 256, 128, 64, 32)
_STDOUT = 1


def write(
    event: str,
    level: str,
    message: str,
    fields: dict[str, Any],
    *,
    request_id: str = "",
    metrics: Mapping[str, tuple[float, str]] | None = None,
) -> None:
    """Write a line, unless AWS_LAMBDA_LOG_LEVEL asks for higher levels only. Never raises.

    Args:
        event: what happened, one of the names in docs/log-line.schema.json.
        level: INFO, WARN or ERROR.
        fields: what goes beside `event` under `carryon`; never an event's or a state's content.
        metrics: CloudWatch metrics by name, each a value and a unit.
    """
    least = _LEVELS.get(os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").strip().upper(), 0)
    if _LEVELS[level] < least:
        return
    try:
        # What the function has printed comes first.
        sys.stdout.flush()
    except Exception:
        pass  # the function may have put anything there, or nothing; our line goes past it
    try:
        text = line(event, level, message, fields, request_id, os.environ.get("AWS_LAMBDA_FUNCTION_NAME", ""), metrics)
        os.write(_STDOUT, text)
    except Exception:
        pass  # a log that cannot be written is no reason to fail


def say(
    settings: Settings,
    event: str,
    level: str,
    message: str,
    invocation: Invocation,
    fields: dict[str, Any],
    metrics: Mapping[str, tuple[float, str]] | None = None,
) -> None:
    """Write a line about an invocation, with its chain and hop; otherwise as `write`."""
    where = {"chain": invocation.chain, "hop": invocation.hop}
    asked_for = metrics if settings.metrics else None
    write(event, level, message, {**where, **fields}, request_id=invocation.id, metrics=asked_for)


def line(
    event: str,
    level: str,
    message: str,
    fields: dict[str, Any],
    request_id: str,
    function: str,
    metrics: Mapping[str, tuple[float, str]] | None = None,
) -> bytes:
    """Return the line, at most LINE_MAX bytes: first lists are cut from their middle, then texts at their ends."""
    now = time.time()
    record: dict[str, Any] = {
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z",
        "level": level,
        "message": message,
        "logger": "carryon",
        "requestId": request_id,
        "function": function,
        "carryon": {"event": event, **fields},
    }
    if metrics:
        record["_aws"] = {
            "Timestamp": int(now * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": _NAMESPACE,
                    "Dimensions": [["function"]],
                    "Metrics": [{"Name": name, "Unit": unit} for name, (_, unit) in metrics.items()],
                }
            ],
        }
        record.update((name, value) for name, (value, _) in metrics.items())
    text = _encode(record)
    for name, value in fields.items():
        kept = list(value) if isinstance(value, list) else []
        while len(text) > LINE_MAX and len(kept) > 2:
            del kept[len(kept) // 2]
            record["carryon"][name] = kept
            text = _encode(record)
    for longest in _TEXT_STEPS:
        if len(text) <= LINE_MAX:
            break
        text = _encode(_cut(record, longest))
    return text


def _encode(record: Any) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def _cut(value: Any, longest: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= longest and len(_encode(value)) <= longest + 3 else _shortened(value, longest)
    if isinstance(value, dict):
        return {key: _cut(member, longest) for key, member in value.items()}
    if isinstance(value, list):
        return [_cut(member, longest) for member in value]
    return value


def _shortened(text: str, longest: int) -> str:
    # One character may take twelve bytes.
    text = text[: longest - 3]
    while len(_encode(text)) > longest:
        text = text[: len(text) * 3 // 4]
    return text + "..."
