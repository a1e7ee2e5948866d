"""The figures. Each is measured with and without the layer in one run, turn by turn, where there is a without."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from runtime_api import Environment

from tests.support.lambda_api import LambdaApi
from tests.support.runtimes import RUNTIME_FOLDER, Runtime

BOOTSTRAP = RUNTIME_FOLDER / "bootstrap.py"
KB_OF_EVENT = json.dumps({"text": "x" * 1000}).encode()
MB_OF_EVENT = json.dumps({"text": ["word"] * 780_000}).encode()

# Two bare processes already differ by up to 10 us an invocation, for as long as they live.
_PROCESS_PAIRS = 5
_WARM_UP_TURNS = 5


class Figure(NamedTuple):
    """One row: what, the measured value, its unit, the goal if there is one, and what it was made from."""

    name: str
    value: float
    unit: str
    goal: float | None
    detail: dict[str, Any]


def start(runtime: Runtime, layer: Path, count: int) -> list[Figure]:
    """Start of the process to its first GET /next."""
    bare, layered = [], []
    for _ in range(count + 2):
        for target, into in ((None, bare), (layer, layered)):
            with Environment(runtime.python, BOOTSTRAP, target, "app.nothing", {"CARRYON_TO": "self"}) as environment:
                into.append(environment.start() * 1e3)
    return [_paired("added at start", bare[2:], layered[2:], "ms", 8)]


def invocation(runtime: Runtime, layer: Path, count: int) -> list[Figure]:
    """From the event's first byte to the answer's last; and the CPU time of it, which no other load disturbs."""
    figures = []
    env = {"CARRYON_TO": "self"}
    for name, event, turns, unit, scale, goal in (
        ("added per invocation, 1 KB", KB_OF_EVENT, count, "us", 1e6, 15),
        ("added per invocation, 6 MB", MB_OF_EVENT, max(count // 40, 10), "ms", 1e3, 1.5),
    ):
        walls: tuple[list[float], list[float]] = [], []
        cpus: tuple[list[float], list[float]] = [], []
        for _ in range(_PROCESS_PAIRS):
            with (
                Environment(runtime.python, BOOTSTRAP, None, "app.nothing", env) as one,
                Environment(runtime.python, BOOTSTRAP, layer, "app.nothing", env) as other,
            ):
                one.start()
                other.start()
                order = [(one, walls[0], cpus[0]), (other, walls[1], cpus[1])]
                for turn in range(turns // _PROCESS_PAIRS + _WARM_UP_TURNS):
                    for environment, wall, cpu in order:
                        before = environment.cpu_s()
                        wall_s, _ = environment.invoke(event, 60)
                        cpu_s = environment.cpu_s() - before
                        if turn >= _WARM_UP_TURNS:
                            wall.append(wall_s * scale)
                            cpu.append(cpu_s * scale)
                    # Who comes second finds warmer caches.
                    order.reverse()
        for what, taken in (("", walls), (", CPU", cpus)):
            figures.append(_paired(name + what, *taken, unit, goal))
    return figures


def memory(runtime: Runtime, layer: Path, count: int) -> list[Figure]:
    """Proportional set size of the whole tree after 100 invocations."""
    bare, layered = [], []
    for _ in range(count):
        with (
            Environment(runtime.python, BOOTSTRAP, None, "app.nothing", {"CARRYON_TO": "self"}) as one,
            Environment(runtime.python, BOOTSTRAP, layer, "app.nothing", {"CARRYON_TO": "self"}) as other,
        ):
            for environment, into in ((one, bare), (other, layered)):
                environment.start()
                for _ in range(100):
                    environment.invoke(KB_OF_EVENT, 60)
                into.append(environment.pss_kb() / 1024)
    return [_paired("added memory", bare, layered, "MB", 4)]


def alarm(runtime: Runtime, layer: Path, count: int) -> list[Figure]:
    """Raise in the handler minus (deadline - margin)."""
    late_ms = []
    margin_s, timeout_s = 0.1, 0.25
    with Environment(runtime.python, BOOTSTRAP, layer, "app.until_told", {"CARRYON_MARGIN": "100ms"}) as environment:
        environment.start()
        for _ in range(count):
            # The deadline is a whole millisecond, the first one after this.
            due = int((time.time() + timeout_s) * 1000) / 1000 - margin_s
            _, raised_at = environment.invoke(KB_OF_EVENT, timeout_s)
            late_ms.append((raised_at - due) * 1e3)
    late_ms.sort()
    detail = {"median": statistics.median(late_ms), "least": late_ms[0], "count": count}
    return [Figure("alarm, late by (p99)", late_ms[int(count * 0.99) - 1], "ms", 5, detail)]


def hand_over(runtime: Runtime, layer: Path, count: int) -> list[Figure]:
    """Raise in the handler to the continuation's acceptance by a local endpoint, the courier warm."""
    took_ms = []
    with tempfile.TemporaryDirectory() as folder, LambdaApi() as api:
        told_at = Path(folder) / "told-at"
        accepted_at: list[float] = []
        api.on_accept = lambda _: accepted_at.append(time.time())
        env = {"CARRYON_TO": "self", "AWS_ENDPOINT_URL": api.url, "TOLD_AT": str(told_at)}
        with Environment(runtime.python, BOOTSTRAP, layer, "app.until_told_then_on", env) as environment:
            environment.start()
            for _ in range(count):
                environment.invoke(KB_OF_EVENT, 3)
                took_ms.append((accepted_at[-1] - float(told_at.read_text())) * 1e3)
    detail = {"worst": max(took_ms), "count": count}
    return [Figure("raise to continuation accepted", statistics.median(took_ms), "ms", 30, detail)]


def size(archive: Path) -> list[Figure]:
    """The zip."""
    return [Figure("zip", archive.stat().st_size / 1000, "KB", 100, {})]


def _paired(name: str, bare: list[float], layered: list[float], unit: str, goal: float) -> Figure:
    differences = [after - before for before, after in zip(bare, layered, strict=True)]
    detail = {
        "bare": statistics.median(bare),
        "layered": statistics.median(layered),
        "quartiles": statistics.quantiles(differences, n=4) if len(differences) > 1 else differences,
        "count": len(differences),
    }
    return Figure(name, statistics.median(differences), unit, goal, detail)
