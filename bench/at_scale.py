"""What 100,000 chains a day, and 10,000 at once, come to on Lambda: python bench/at_scale.py [--seed N].

Prints the tables of docs/at-scale.md. What the layer takes is read from dist/bench.json; what Lambda does and what it
costs is what its public documentation says.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from simulation import Function, Outcome, Platform, Simulation

from tests.support.plan import Plan
from tests.support.runtimes import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator


class Constant(NamedTuple):
    """A number that was not chosen here, and where it is from."""

    value: float
    source: str


_QUOTAS = "Lambda Developer Guide: Lambda quotas"
_SCALING = "Lambda Developer Guide: Lambda scaling behavior"
_ASYNC = "Lambda Developer Guide: How Lambda handles errors and retries with asynchronous invocation"
_PRICING = "AWS Lambda Pricing, us-east-1"
CONCURRENCY = Constant(1_000, _QUOTAS)
ENVIRONMENTS = Constant(1_000, f"{_SCALING} (every 10 s, for each function)")
FIRST_RETRY_S = Constant(60, _ASYNC)
SECOND_RETRY_S = Constant(120, _ASYNC)
BACKOFF_S = Constant(1, f"{_ASYNC} (throttled events)")
BACKOFF_MAX_S = Constant(300, f"{_ASYNC} (throttled events)")
MAX_AGE_S = Constant(6 * 3600, _ASYNC)
GB_S_USD = Constant(0.0000133334, f"{_PRICING}, arm64")
REQUEST_USD = Constant(0.20 / 1e6, _PRICING)
_TABLE_PRICING = "Amazon DynamoDB Pricing for On-Demand Capacity, us-east-1"
WRITE_USD = Constant(0.625 / 1e6, _TABLE_PRICING)
READ_USD = Constant(0.125 / 1e6, _TABLE_PRICING)

LAMBDA = Platform(
    concurrency=int(CONCURRENCY.value),
    burst=int(ENVIRONMENTS.value),
    environments_per_s=ENVIRONMENTS.value / 10,
    retry_after_s=(FIRST_RETRY_S.value, SECOND_RETRY_S.value),
    backoff_s=(BACKOFF_S.value, BACKOFF_MAX_S.value),
    max_age_s=MAX_AGE_S.value,
)

# What is chosen: a day's chains, how much work one has, and how often what can go wrong does, of each 100,000.
CHAINS_A_DAY = 100_000
STORM = 10_000
WORK_MEAN_S = 480.0
WORK_SPREAD = 0.8  # sigma of the log-normal distribution
DAY_S = 86_400
SWING = 0.5  # of a day's rate, around its mean
MEMORY_MB = 512
INIT_S = 1.0  # the function's own
INVOKE_FAULTS = {"throttle": 0.002, "fail": 0.0005, "reset": 0.0002, "lost": 0.0001}
INVOCATION_FAULTS = {"crash": 0.001}
EVENT_FAULTS = {"twice": 0.0001}


class Row(NamedTuple):
    """One line of a table: what is different, and what it came to."""

    name: str
    outcome: Outcome
    function: Function


def measured() -> Function:
    """The function, with the figures of dist/bench.json.

    Raises:
        SystemExit: they have not been measured.
    """
    path = ROOT / "dist/bench.json"
    rows = json.loads(path.read_text())["figures"] if path.exists() else []
    figures = {row["name"]: row["value"] / 1e3 for row in rows if row["unit"] == "ms"}
    try:
        return Function(
            timeout_s=300,
            margin_s=5,
            memory_mb=MEMORY_MB,
            init_s=INIT_S + figures["added at start"],
            opening_first_s=figures[f"table, first hop, {MEMORY_MB} MB"],
            opening_s=figures[f"table, later hops, {MEMORY_MB} MB"],
            delivery_s=figures["raise to continuation accepted"],
            max_hops=12,
            table=False,
            end_s=figures[f"table, end, {MEMORY_MB} MB"],
        )
    except KeyError as missing:
        command = "./build.sh bench --only start,hand_over,table"
        raise SystemExit(f"at_scale.py: dist/bench.json has no figure {missing}: {command}") from None


def a_day(seed: int, share: float = 1.0) -> Iterator[tuple[float, float]]:
    """Chains of one day: more by day than by night."""
    chance = random.Random(seed)
    at, most_per_s = 0.0, CHAINS_A_DAY * share / DAY_S * (1 + SWING)
    while (at := at + chance.expovariate(most_per_s)) < DAY_S:
        if chance.random() * (1 + SWING) < 1 - SWING * math.cos(2 * math.pi * at / DAY_S):
            yield at, _work_s(chance)


def a_storm(seed: int) -> Iterator[tuple[float, float]]:
    """Chains that all arrive at once."""
    chance = random.Random(seed)
    for _ in range(STORM):
        yield 0.0, _work_s(chance)


def _work_s(chance: random.Random) -> float:
    return chance.lognormvariate(math.log(WORK_MEAN_S) - WORK_SPREAD**2 / 2, WORK_SPREAD)


def simulate(seed: int, chains: Iterator[tuple[float, float]], platform: Platform, function: Function) -> Outcome:
    """Run chains with what goes wrong at the rates above."""
    plans = (Plan(seed, INVOKE_FAULTS), Plan(seed + 1, INVOCATION_FAULTS), Plan(seed + 2, EVENT_FAULTS))
    numbered = ((number, at, work_s) for number, (at, work_s) in enumerate(chains))
    return Simulation(platform, function, *plans).run(numbered)


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Chains at scale, on a model of Lambda.")
    parser.add_argument("--seed", type=int, default=1, help="another run of the same (default 1)")
    seed = parser.parse_args().seed
    function = measured()
    days = []
    for name, settings in (
        ("timeout 60 s", {"timeout_s": 60}),
        ("timeout 60 s, `CARRYON_MAX_HOPS=60`", {"timeout_s": 60, "max_hops": 60}),
        ("timeout 300 s", {}),
        ("timeout 300 s, `CARRYON_TABLE`", {"table": True}),
        ("timeout 900 s", {"timeout_s": 900}),
    ):
        chosen = replace(function, **settings)
        days.append(Row(name, simulate(seed, a_day(seed), LAMBDA, chosen), chosen))
    _print_table(f"{CHAINS_A_DAY:,} chains a day", days)
    storms = []
    for name, limit, settings in (
        ("concurrency 100", 100, {}),
        ("concurrency 1,000", 1_000, {}),
        ("the same, timeout 60 s, `CARRYON_MAX_HOPS=60`", 1_000, {"timeout_s": 60, "max_hops": 60}),
        ("the same, `CARRYON_TABLE`", 1_000, {"table": True}),
        ("the same, timeout 900 s", 1_000, {"timeout_s": 900}),
        ("concurrency 3,000", 3_000, {}),
        ("concurrency 10,000", 10_000, {}),
    ):
        chosen = replace(function, **settings)
        storms.append(Row(name, simulate(seed, a_storm(seed), replace(LAMBDA, concurrency=limit), chosen), chosen))
    _print_table(f"{STORM:,} chains at once", storms)
    most = max(max(row.outcome.writes_in_s.values(), default=0) for row in [*days, *storms])
    print(f"\nThe table is written to at most {most:,} times a second.")
    return 0


def _print_table(title: str, rows: list[Row]) -> None:
    head = (
        "",
        "finished",
        "kept: failed / too old",
        "hops, median / most",
        "concurrency, mean / peak",
        "throttled",
        "retries",
        "ran twice",
        "done after, median / 99 of 100",
        "USD: compute / requests / table",
    )
    print(f"\n{title}\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(_cells(row))} |", flush=True)


def _cells(row: Row) -> list[str]:
    outcome, counts = row.outcome, row.outcome.counts
    ended = sorted(outcome.ended_after_s)
    hops = sorted(outcome.hops_of_chain.elements())
    compute = outcome.gb_s * GB_S_USD.value
    requests = counts["invocations"] * REQUEST_USD.value
    table = counts["writes"] * WRITE_USD.value + counts["reads"] * READ_USD.value
    return [
        row.name,
        f"{counts['finished']:,}",
        f"{counts['kept']:,} / {counts['too old']:,}",
        f"{hops[len(hops) // 2]} / {hops[-1]}",
        f"{outcome.busy_s / outcome.until_s:,.0f} / {outcome.peak:,}",
        f"{counts['throttled']:,}",
        f"{counts['retries']:,}",
        f"{counts['ended twice']:,}",
        f"{_time(statistics.median(ended))} / {_time(ended[int(len(ended) * 0.99)])}",
        f"{compute:,.2f} / {requests:,.2f} / {table:,.2f}",
    ]


def _time(seconds: float) -> str:
    return f"{seconds / 60:,.0f} min" if seconds < 6_000 else f"{seconds / 3_600:,.1f} h"


if __name__ == "__main__":
    sys.exit(main())
