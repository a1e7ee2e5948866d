"""How many processes serve on after their time was up, and what it costs the next invocation where one was replaced."""

from __future__ import annotations

import json
import random
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from figures import BOOTSTRAP, Figure
from runtime_api import Environment

from tests.support.slow_servers import serve

if TYPE_CHECKING:
    from tests.support.runtimes import Runtime

_PROGRAMS = {"compute": "a loop that computes", "call": "a loop of boto3 calls", "wait": "a single long wait"}
# So that an import of boto3 takes less than half of the time: else the environment would end.
_MARGIN_S = 1.2
_HANDLER = "interrupted.handler"


def kept(runtime: Runtime, layer: Path, count: int) -> list[Figure]:
    """Share of interruptions that keep their process, and the time of the next answer in one kept or replaced."""
    with serve() as ports:
        env = {"S3_URL": f"http://127.0.0.1:{ports['http']}", "CARRYON_MARGIN": f"{int(_MARGIN_S * 1000)}ms"}
        figures = [
            Figure(f"kept: {text}", 100 * _share(runtime, layer, env, do, count), "%", None, {"interruptions": count})
            for do, text in _PROGRAMS.items()
        ]
        for setting, text in (("keep", "kept"), ("fresh", "replaced")):
            turns = max(count // 4, 2)
            next_ms = _next_ms(runtime, layer, {**env, "CARRYON_PROCESS": setting}, turns)
            figures.append(Figure(f"next answer, {text}", next_ms, "ms", None, {"turns": turns, "imports": "boto3"}))
    return figures


def _share(runtime: Runtime, layer: Path, env: dict[str, str], do: str, count: int) -> float:
    chance = random.Random(do)
    with tempfile.NamedTemporaryFile() as log:
        with Environment(runtime.python, BOOTSTRAP, layer, _HANDLER, env, log=Path(log.name)) as environment:
            environment.start()
            for _ in range(count):
                event = json.dumps({"do": do, "keys": ["key"]}).encode()
                environment.serve(event, 2 * _MARGIN_S + chance.uniform(0.01, 0.06))
        lines = [json.loads(line)["carryon"] for line in Path(log.name).read_text().splitlines() if '"carryon"' in line]
    said = [line["process"] for line in lines if line["event"] == "time_is_up"]
    return said.count("kept") / count


def _next_ms(runtime: Runtime, layer: Path, env: dict[str, str], count: int) -> float:
    times = []
    with Environment(runtime.python, BOOTSTRAP, layer, _HANDLER, env) as environment:
        environment.start()
        for _ in range(count):
            environment.serve(json.dumps({"do": "wait"}).encode(), 2 * _MARGIN_S)
            seconds, _ = environment.invoke(json.dumps({"do": "nothing"}).encode(), 30)
            times.append(seconds * 1000)
    return statistics.median(times)
