"""What a lease table adds to the start, the hand-over and the end of a hop; the table is on this machine."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from contextlib import ExitStack
from itertools import count as counter
from pathlib import Path
from typing import TYPE_CHECKING

from figures import BOOTSTRAP, Figure
from rescue import percentile
from runtime_api import Environment

from tests.support.lambda_api import LambdaApi
from tests.support.ministack import Services
from tests.support.quota import FULL_CORE_MB, NoQuotaError, Quota

if TYPE_CHECKING:
    from tests.support.runtimes import Runtime

_MEMORY_MB = (FULL_CORE_MB, 512)
_TIMEOUT_S = 60
# Each has a new environment, or the time of its own timeout.
_FEWER = 5
_HAND_OVER_TIMEOUT_S = 3

# In ms: the start with botocore's import, later starts, the hand-over, the end.
_GOALS = {FULL_CORE_MB: (300, 10, 20, 10), 512: (900, 25, 50, 15)}

_chains = counter()


def table(runtime: Runtime, layer: Path, count: int) -> list[Figure]:
    """Paired, turn by turn: environments of one share of a CPU with the table and without."""
    services = Services()
    try:
        services.table("leases")
        figures = []
        for memory_mb in _MEMORY_MB:
            try:
                figures += _at(memory_mb, runtime, layer, count, services.url)
            except NoQuotaError as error:
                print(f"table at {memory_mb} MB: left out, {error}", flush=True)
        return figures
    finally:
        services.close()


def _at(memory_mb: int, runtime: Runtime, layer: Path, count: int, url: str) -> list[Figure]:
    goals = _GOALS[memory_mb]
    with_table, without = {"CARRYON_TABLE": "leases", "AWS_ENDPOINT_URL": url}, {"AWS_ENDPOINT_URL": url}
    firsts, laters, ends, hand_overs = [], [], [], []
    for _ in range(max(count // _FEWER, 2)):
        pair = [_turns(runtime, layer, memory_mb, env, 1)[0] for env in (with_table, without)]
        firsts.append(pair[0][0] - pair[1][0])
    turns = [_turns(runtime, layer, memory_mb, env, count + 1)[1:] for env in (with_table, without)]
    for (start, end), (start_without, end_without) in zip(*turns, strict=True):
        laters.append(start - start_without)
        ends.append(end - end_without)
    times = [_hand_overs(runtime, layer, memory_mb, env, max(count // 2, 2)) for env in (with_table, without)]
    hand_overs = [with_it - without_it for with_it, without_it in zip(*times, strict=True)]
    return [
        _figure(f"table, first hop, {memory_mb} MB", firsts, goals[0]),
        _figure(f"table, later hops, {memory_mb} MB", laters, goals[1]),
        _figure(f"table, hand-over, {memory_mb} MB", hand_overs, goals[2]),
        _figure(f"table, end, {memory_mb} MB", ends, goals[3]),
    ]


def _turns(runtime: Runtime, layer: Path, memory_mb: int, env: dict[str, str], count: int) -> list[tuple[float, float]]:
    """For each hop of one environment the ms from its event to the handler, and from there to its answer."""
    turns = []
    with ExitStack() as stack:
        quota = stack.enter_context(Quota(memory_mb))
        environment = stack.enter_context(Environment(runtime.python, BOOTSTRAP, layer, "app.when", env, quota))
        environment.start()
        environment.invoke(b"{}", _TIMEOUT_S)
        for _ in range(count):
            seconds, called_at = environment.invoke(_hop(), _TIMEOUT_S)
            answered_at = time.time()
            turns.append(((seconds - (answered_at - called_at)) * 1e3, (answered_at - called_at) * 1e3))
    return turns


def _hand_overs(runtime: Runtime, layer: Path, memory_mb: int, env: dict[str, str], count: int) -> list[float]:
    """For each hop of one environment the ms that its delivery took, by its log line."""
    with ExitStack() as stack:
        api = stack.enter_context(LambdaApi())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        quota = stack.enter_context(Quota(memory_mb))
        env = {
            **env,
            "CARRYON_TO": "self",
            "CARRYON_MARGIN": "1500ms",
            "AWS_ENDPOINT_URL_LAMBDA": api.url,
        }
        log = folder / "log"
        handler = "app.wait_then_on"
        environment = stack.enter_context(Environment(runtime.python, BOOTSTRAP, layer, handler, env, quota, log))
        environment.start()
        for _ in range(count):
            environment.invoke(_hop(), _HAND_OVER_TIMEOUT_S)
        lines = [json.loads(line)["carryon"] for line in log.read_text().splitlines()]
    return [line["delivery_ms"] for line in lines if line["event"] == "continued"]


def _hop() -> bytes:
    meta = {"v": 1, "chain": f"c{next(_chains)}", "hop": 1, "cause": "time", "parent": "p", "started_at_ms": 1}
    return json.dumps({"carryon": meta, "text": "x" * 1000}, separators=(",", ":")).encode()


def _figure(name: str, taken: list[float], goal: float) -> Figure:
    detail = {"count": len(taken), "worst": max(taken), "p90": percentile(taken, 90)}
    return Figure(name, statistics.median(taken), "ms", goal, detail)
