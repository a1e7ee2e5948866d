"""The same chains on the model of Lambda that docs/at-scale.md rests on, with the same faults."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from bench.simulation import Function, Platform, Simulation
from tests.support.plan import Plan

from .chaos import ATTEMPTS, INVOKES, MARGIN_MS, RETRY_AFTER_S, TIMEOUT_S, UNITS, Chain, Chaos


class Tally(NamedTuple):
    """What some chains came to, in numbers that the model has too."""

    finished: int
    kept: int
    hops: int
    invocations: int
    retries: int


def tally(chaos: Chaos, chains: Mapping[int, Chain], numbers: Collection[int]) -> Tally:
    """Count what the chains of these numbers have come to."""
    invocations = [one for one in chaos.invocations() if chaos.number(one.event) in numbers]
    return Tally(
        sum(bool(chains[number].finished) for number in numbers),
        sum(not chains[number].finished for number in numbers),
        sum("continued" in one.events and one.ok is True for one in invocations),
        len(invocations),
        len(invocations) - sum(chaos.copies_of(number) for number in numbers),
    )


def modelled(chaos: Chaos, numbers: Collection[int], *, keeps_id: bool) -> Tally:
    """The same by the model of Lambda, for the same faults of the same seed."""
    platform = Platform(
        concurrency=1_000,
        burst=1_000,
        environments_per_s=100,
        retry_after_s=(RETRY_AFTER_S, 2 * RETRY_AFTER_S),
        backoff_s=(1, 300),
        max_age_s=3_600,
        retries_keep_id=keeps_id,
    )
    function = Function(
        timeout_s=TIMEOUT_S,
        margin_s=MARGIN_MS / 1_000,
        memory_mb=1_769,
        init_s=0.3,
        opening_first_s=0,
        opening_s=0,
        delivery_s=0.05,
        max_hops=12,
        table=True,
    )
    plans = Plan(chaos.seed, INVOKES), Plan(chaos.seed, ATTEMPTS), Plan(chaos.seed, {})
    work_s = (UNITS - 0.5) * function.alarm_s
    counts = Simulation(platform, function, *plans).run((number, 0.0, work_s) for number in numbers).counts
    return Tally(counts["finished"], counts["kept"], counts["hops"], counts["invocations"], counts["retries"])
