"""How often a small function hands over: at the CPU share of its memory, with a short timeout, by TLS.

The endpoint's certificate is at the end of a bundle as large as the usual one, all of which has to be read: more than
what AWS's own endpoints ask for.
"""

from __future__ import annotations

import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from figures import BOOTSTRAP, KB_OF_EVENT, Figure
from runtime_api import Environment

from tests.support.certificates import Authority
from tests.support.lambda_api import LambdaApi
from tests.support.quota import NoQuotaError, Quota

if TYPE_CHECKING:
    from tests.support.runtimes import Runtime

# Memory in MB and timeout in s, as AWS gives a new function and around it.
CELLS = ((128, 3), (256, 3), (512, 3), (128, 1))
HANDLERS = ("waits", "computes")
# Of a cell, each environment with so many invocations, the first one of a new process.
_INVOCATIONS = 5
# The environments that run at once get no more than that of two cores.
_CORES = 1.0
RESCUES_GOAL = 5
_BUSY = "while True: pass"


class Turn(NamedTuple):
    """One invocation that ran out of time: what became of it, and how long after the alarm it was accepted."""

    outcome: str
    accepted_ms: float | None
    why: str


def small(runtime: Runtime, layer: Path, count: int) -> list[Figure]:
    """Hand-overs of `count` invocations in each cell, by themselves and beside a busy process."""
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(Path(folder))
        (usual,) = runtime.python.parent.parent.glob("lib/python*/site-packages/botocore/cacert.pem")
        authority.bundle.write_bytes(usual.read_bytes() + authority.bundle.read_bytes())
        return _small(runtime, layer, count, authority)


def _small(runtime: Runtime, layer: Path, count: int, authority: Authority) -> list[Figure]:
    figures = []
    for (memory_mb, timeout_s), handler, busy in itertools.product(CELLS, HANDLERS, (False, True)):
        try:
            turns = _beside(
                busy, lambda cell=(memory_mb, timeout_s, handler): _cell(runtime, layer, authority, *cell, count)
            )
        except NoQuotaError as error:
            print(f"left out: {error}", flush=True)
            return figures
        figures += _rows(f"{memory_mb} MB, {timeout_s} s, {handler}{', busy machine' if busy else ''}", turns)
    return figures


def _rows(place: str, turns: list[Turn]) -> list[Figure]:
    outcomes = Counter(turn.outcome for turn in turns)
    times = sorted(turn.accepted_ms for turn in turns if turn.accepted_ms is not None)
    detail: dict[str, Any] = {
        "count": len(turns),
        "outcomes": dict(outcomes),
        "lost to": dict(Counter(turn.why for turn in turns if turn.why)),
        "alarm to accepted, ms": {"median": statistics.median(times), "worst": times[-1]} if times else None,
    }
    rows = [
        Figure(f"{place}: handed over", outcomes["handed over"], f"of {len(turns)}", None, detail),
        Figure("  taken over", outcomes["rescued"], "", RESCUES_GOAL, detail),
    ]
    if times:
        rows += [
            Figure("  alarm to accepted, median", detail["alarm to accepted, ms"]["median"], "ms", None, detail),
            Figure("  alarm to accepted, worst", times[-1], "ms", None, detail),
        ]
    for why, often in detail["lost to"].items():
        print(f"    {often} x {why}", flush=True)
    return rows


def _beside(busy: bool, measure: Any) -> list[Turn]:
    with ExitStack() as stack:
        if busy:
            other = stack.enter_context(subprocess.Popen([sys.executable, "-c", _BUSY]))
            stack.callback(other.kill)
        turns: list[Turn] = measure()
        return turns


def _cell(
    runtime: Runtime, layer: Path, authority: Authority, memory_mb: int, timeout_s: int, handler: str, count: int
) -> list[Turn]:
    environments = max(count // _INVOCATIONS, 1)
    at_once = max(int(_CORES * 1_769 / memory_mb), 1)
    with ThreadPoolExecutor(min(at_once, environments)) as pool:
        jobs = [
            pool.submit(_environment, runtime, layer, authority, memory_mb, timeout_s, handler, number)
            for number in range(environments)
        ]
        return [turn for job in jobs for turn in job.result()]


def _environment(
    runtime: Runtime, layer: Path, authority: Authority, memory_mb: int, timeout_s: int, handler: str, number: int
) -> list[Turn]:
    with ExitStack() as stack:
        quota = stack.enter_context(Quota(memory_mb, full_core_first=True))
        api = stack.enter_context(LambdaApi(authority.context()))
        accepted_at: list[float] = []
        api.on_accept = lambda _: accepted_at.append(time.time())
        log = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "log"
        env = {"CARRYON_TO": "self", "AWS_ENDPOINT_URL": api.url, "AWS_CA_BUNDLE": str(authority.bundle)}
        environment = stack.enter_context(
            Environment(runtime.python, BOOTSTRAP, layer, f"small.{handler}", env, quota, log)
        )
        environment.start()
        quota.limit()
        # Not in step: what is measured comes at the end of each invocation.
        time.sleep(timeout_s * (number % 7) / 7)
        turns = []
        for _ in range(_INVOCATIONS):
            before, accepted = log.stat().st_size, len(accepted_at)
            served = environment.serve(KB_OF_EVENT, timeout_s)
            lines = {line["event"]: line for line in map(_line, log.read_bytes()[before:].splitlines()) if line}
            margin_ms = next((line["margin_ms"] for line in lines.values() if "margin_ms" in line), 0)
            accepted_ms = None
            if len(accepted_at) > accepted:
                accepted_ms = accepted_at[-1] * 1000 - (served.deadline_ms - margin_ms)
            if served.is_error:
                turns.append(Turn("failed", accepted_ms, _why(lines, served.answer)))
            else:
                turns.append(Turn("rescued" if "rescued" in lines else "handed over", accepted_ms, ""))
        return turns


def _line(line: bytes) -> dict[str, Any] | None:
    try:
        said: dict[str, Any] = json.loads(line)["carryon"]
    except (ValueError, KeyError, TypeError):
        return None
    return said


def _why(lines: dict[str, dict[str, Any]], answer: Any) -> str:
    stage = lines.get("rescued", {}).get("stage", "")
    return f"{stage} {answer.get('errorType')}: {str(answer.get('errorMessage'))[-90:]}".strip()
