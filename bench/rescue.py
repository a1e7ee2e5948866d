"""How long it takes to answer for a handler that is stuck, and until the next process asks for an event."""

from __future__ import annotations

import json
import math
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from figures import BOOTSTRAP, KB_OF_EVENT, Figure
from runtime_api import Environment, Served

from tests.support.lambda_api import LambdaApi
from tests.support.quota import FULL_CORE_MB, NoQuotaError, Quota
from tests.support.runtimes import ROOT, Runtime

sys.path.append(str(ROOT / "layer/python"))
from carryon.shared import margins

ANSWER_GOAL_MS = 150
RESPAWN_GOAL_MS = 60

_WAITING = ("in_c", "swallowing")
_BUSY = ("in_c_busy", "swallowing_busy")


class Case(NamedTuple):
    """Environments that run beside each other, each with a stuck handler and a share of a CPU of its own."""

    memory_mb: int
    timeout_s: int
    handlers: tuple[str, ...]
    share: float  # of the count: an invocation of 30 s is not run as often as one of 3 s


# All that the environments of a case may use together fits onto two cores.
CASES = (
    Case(FULL_CORE_MB, 3, _WAITING * 2, 1),
    Case(512, 30, _WAITING + _BUSY, 0.25),
    Case(128, 30, (_WAITING + _BUSY) * 3, 0.36),
)


class Turn(NamedTuple):
    """One invocation that was taken over: where the time from D - R to GET /next went, in ms, and what was left."""

    handler: str
    stopped: float
    delivered: float
    answered: float
    respawned: float
    spare: float

    @property
    def answer(self) -> float:
        """D - R to the answer accepted."""
        return self.stopped + self.delivered + self.answered


def rescue(runtime: Runtime, layer: Path, count: int) -> list[Figure]:
    """D - R to the answer accepted, the courier warm, and from there to GET /next."""
    figures = []
    for case in CASES:
        rounds = math.ceil(count * case.share / len(case.handlers))
        try:
            turns = measure(runtime, layer, case, rounds)
        except NoQuotaError as error:
            print(f"rescue at {case.memory_mb} MB: left out, {error}", flush=True)
            continue
        for kind, handlers in (("", _WAITING), (", busy", _BUSY)):
            chosen = [turn for turn in turns if turn.handler in handlers]
            if chosen:
                figures += _rows(f"{case.memory_mb} MB{kind}", chosen)
    return figures


def measure(runtime: Runtime, layer: Path, case: Case, rounds: int) -> list[Turn]:
    """Run each of a case's handlers that often.

    Raises:
        NoQuotaError: no share of a CPU can be given.
        RuntimeError: an invocation was not taken over, or not continued exactly once.
    """
    count = len(case.handlers)
    with ThreadPoolExecutor(count) as pool:
        # Not in step: what is measured comes at the end of each invocation.
        jobs = [
            pool.submit(_environment, runtime, layer, case, handler, rounds, case.timeout_s * number / count)
            for number, handler in enumerate(case.handlers)
        ]
        return [turn for job in jobs for turn in job.result()]


def percentile(values: list[float], share: int) -> float:
    """The least value that so many percent of the values do not exceed."""
    return sorted(values)[math.ceil(len(values) * share / 100) - 1]


def _rows(place: str, turns: list[Turn]) -> list[Figure]:
    steps = {name: statistics.median(getattr(turn, name) for turn in turns) for name in Turn._fields[1:]}
    rows = []
    for name, goal, taken in (
        ("D - R to answer", ANSWER_GOAL_MS, [turn.answer for turn in turns]),
        ("answer to GET /next", RESPAWN_GOAL_MS, [turn.respawned for turn in turns]),
    ):
        detail = {"count": len(taken), "worst": max(taken), "medians of the steps": steps}
        rows += [
            Figure(f"{name}, {place}", statistics.median(taken), "ms", goal, detail),
            Figure(f"  p99 of {len(taken)}", percentile(taken, 99), "ms", goal, detail),
        ]
    return rows


def _environment(runtime: Runtime, layer: Path, case: Case, handler: str, rounds: int, after_s: float) -> list[Turn]:
    time.sleep(after_s)
    with ExitStack() as stack:
        quota = _quota(case.memory_mb)
        if quota:
            stack.enter_context(quota)
        api = stack.enter_context(LambdaApi())
        accepted_at: list[float] = []
        api.on_accept = lambda _: accepted_at.append(time.time())
        log = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "log"
        env = {"CARRYON_TO": "self", "AWS_ENDPOINT_URL": api.url}
        environment = stack.enter_context(
            Environment(runtime.python, BOOTSTRAP, layer, f"stuck.{handler}", env, quota, log)
        )
        environment.start()
        turns = []
        for number in range(1, rounds + 1):
            served = environment.serve(KB_OF_EVENT, case.timeout_s)
            rescued = _rescues(log)
            if served.is_error or not len(rescued) == len(accepted_at) == number:
                raise RuntimeError(f"{handler} at {case.memory_mb} MB: {served.answer}, {log.read_text()[-2000:]}")
            turns.append(_turn(handler, case.memory_mb, served, rescued[-1], accepted_at[-1]))
    return turns


def _turn(handler: str, memory_mb: int, served: Served, rescued: dict[str, int], delivered_at: float) -> Turn:
    rescue_ms = margins.rescue_ms(rescued["margin_ms"], {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mb)})
    moments = [
        served.deadline_ms - rescue_ms,
        served.deadline_ms - rescued["remaining_ms"],
        delivered_at * 1000,
        served.answered_at * 1000,
        served.next_at * 1000,
        served.deadline_ms,
    ]
    return Turn(handler, *(after - before for before, after in pairwise(moments)))


def _rescues(log: Path) -> list[dict[str, int]]:
    lines = [json.loads(line)["carryon"] for line in log.read_text().splitlines()]
    return [line for line in lines if line["event"] == "rescued"]


def _quota(memory_mb: int) -> Quota | None:
    """None for a full core where there are no quotas."""
    quota = Quota(memory_mb)
    if memory_mb == FULL_CORE_MB:
        try:
            with quota:
                pass
        except NoQuotaError:
            return None
    return quota
