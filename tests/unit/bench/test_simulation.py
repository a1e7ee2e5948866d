"""The model of chains at scale keeps to its own rules."""

import math
from dataclasses import replace

import pytest

from bench.simulation import Function, Platform, Simulation
from tests.support.plan import PASSED, Plan

PLATFORM = Platform(
    concurrency=20, burst=10, environments_per_s=1, retry_after_s=(60, 120), backoff_s=(1, 300), max_age_s=21_600
)
FUNCTION = Function(
    timeout_s=60, margin_s=5, memory_mb=1024, init_s=1, opening_first_s=0.3, opening_s=0.01, delivery_s=0.1,
    max_hops=50, table=False,
)  # fmt: skip
INVOKES = {"throttle": 0.1, "fail": 0.1, "reset": 0.1, "lost": 0.05}
INVOCATIONS = {"crash": 0.05}
EVENTS = {"twice": 0.05}


def run(chains, *, seed=1, platform=PLATFORM, function=FUNCTION, faults=(INVOKES, INVOCATIONS, EVENTS)):
    """The outcome of a run."""
    plans = [Plan(seed + number, rates) for number, rates in enumerate(faults)]
    return Simulation(platform, function, *plans).run((n, at, work_s) for n, (at, work_s) in enumerate(chains))


CHAINS = [(number % 40, 30.0 + 5 * (number % 50)) for number in range(400)]
NONE = ({}, {}, {})


def test_what_goes_wrong_is_a_matter_of_the_seed_alone():
    """The same thing has the same fate whenever it is asked about, and the shares are as they were asked for."""
    plan = Plan(7, {"lost": 0.25, "throttle": 0.25})
    fates = [plan.fault("invoke", number) for number in range(4_000)]

    assert [plan.fault("invoke", number) for number in reversed(range(4_000))] == fates[::-1]
    assert [Plan(8, {"lost": 0.25, "throttle": 0.25}).fault("invoke", number) for number in range(4_000)] != fates
    assert fates.count("lost") == pytest.approx(1_000, rel=0.15)
    assert fates.count(PASSED) == pytest.approx(2_000, rel=0.15)


def test_the_same_seed_gives_the_same_run():
    """And another seed another one."""
    assert run(CHAINS) == run(CHAINS)
    assert run(CHAINS) != run(CHAINS, seed=9)


@pytest.mark.parametrize("table", [False, True])
@pytest.mark.parametrize("keeps_id", [False, True])
def test_every_chain_ends_once(table, keeps_id):
    """Finished or kept, whatever goes wrong; twice only without the table or before its first hand-over."""
    platform = replace(PLATFORM, retries_keep_id=keeps_id)
    outcome = run(CHAINS, platform=platform, function=replace(FUNCTION, table=table))
    counts = outcome.counts

    assert counts["finished"] + counts["kept"] + counts["too old"] == len(CHAINS)
    assert len(outcome.ended_after_s) == counts["finished"]
    assert outcome.peak <= PLATFORM.concurrency
    assert (counts["duplicates"] > 0) is table


def test_hops_are_as_many_as_the_work_needs():
    """Where nothing goes wrong."""
    outcome = run(CHAINS, faults=NONE)

    needed = [math.ceil(work_s / FUNCTION.alarm_s) for _, work_s in CHAINS]
    assert sum(outcome.hops_of_chain.elements()) == sum(needed)
    assert outcome.counts["invocations"] == sum(needed)
    assert outcome.counts["retries"] == outcome.counts["kept"] == 0


def test_time_is_billed_and_waiting_is_not():
    """Of one chain without a fault: an init phase, the hops and the deliveries between."""
    outcome = run([(0.0, 120.0)], faults=NONE)

    assert outcome.gb_s == pytest.approx(1 + 120 + 2 * FUNCTION.delivery_s)


def test_more_than_the_limit_waits_in_the_queue():
    """Nothing starts above the limit or faster than Lambda scales, and all of it is done in the end."""
    outcome = run([(0.0, 50.0)] * 200, faults=NONE)

    assert outcome.peak == PLATFORM.concurrency
    assert outcome.counts["throttled"] > 0
    assert outcome.counts["finished"] == 200
    assert max(outcome.ended_after_s) > 200 / PLATFORM.concurrency * 50
