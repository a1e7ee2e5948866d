"""Programs of many shapes end, however often they are interrupted, with the result of one long run.

Each writes two variables or more that have to agree: so many numbers, and their checksum. With a handler that copies
them wherever the alarm finds the function, nearly every chain ends with a wrong one.
"""

import json
import os
import random
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest

import carryon
from tests.support.emulator import Emulator
from tests.support.functions import FUNCTIONS, continuing
from tests.support.lambda_api import LambdaApi
from tests.support.plain import Chain
from tests.support.runtimes import ROOT, RUNTIMES

SHAPES = FUNCTIONS / "shapes"
HOPS_MAX = 20
# As often as Lambda itself tries again.
RETRIES = 2
PLAIN_CHAINS_MAX = 20


class Group(NamedTuple):
    """Shapes of one file, which take turns in one environment, or have one each."""

    file: str
    settings: dict[str, str]
    shapes: tuple[str, ...]
    alone: bool = False


COUNTED = {"CARRYON_STATE": "done,checksum"}
GROUPS = {
    "loops": Group(
        "loops",
        {"CARRYON_STATE": "done,checksum,phase"},
        (
            "while_loop",
            "for_over_a_range",
            "for_over_a_list",
            "for_over_an_iterator",
            "nested_loops",
            "loops_in_sequence",
            "state_around_loops",
        ),
    ),
    "more loops": Group(
        "loops",
        {"CARRYON_STATE": "phase,done,checksum"},
        (
            "while_true",
            "for_else",
            "match_in_a_loop",
            "walrus",
            "early_return",
            "long_iterations",
            "very_short_iterations",
        ),
    ),
    "blocks": Group(
        "blocks",
        {"CARRYON_STATE": "done,checksum,attempts"},
        ("finally_around", "finally_inside", "with_around", "with_inside", "exceptions"),
    ),
    "calls": Group("calls", COUNTED, ("two_helpers", "mapped", "recursion", "closure")),
    "frames": Group(
        "calls",
        COUNTED,
        ("comprehension", "comprehensions_in_a_loop", "exhausted_generator"),
    ),
    "containers": Group("containers", {"CARRYON_STATE": "progress,seen"}, ("in_place", "aliases", "replaced")),
    "elsewhere": Group(
        "elsewhere", {"CARRYON_STATE": "ledger:done,ledger:checksum"}, ("by_functions", "by_attributes")
    ),
    "beside": Group(
        "beside",
        COUNTED,
        (
            "thread",
            "threads_in_a_loop",
            "suspended_coroutine",
            "async_for",
            "writing_generator",
            "generator_between_writes",
            "walrus",
        ),
        True,
    ),
    "event": Group("events", {**COUNTED, "CARRYON_STATE_INTO": "event"}, ("from_event",)),
    "locals": Group(
        "events", {"CARRYON_STATE": "with_locals().position=POSITION,with_locals().total=TOTAL"}, ("with_locals",)
    ),
    "current event": Group("events", {"CARRYON_EVENT": "current"}, ("in_event",)),
    "calls of carryon": Group("said", {"CARRYON_STATE": "checksum"}, ("checkpoints", "each_with_state")),
}
# Numbers a second.
RATE = {"very_short_iterations": 1_600_000, "long_iterations": 3}
USUAL_RATE = 50

PYTHONS = list({runtime.version: runtime for runtime in RUNTIMES}.values())
SOAK = os.environ.get("CARRYON_SOAK") == "1"
# Each shape on every Python, or on one of them.
PLACES = [
    pytest.param(name, python, id=f"{name}-{python}")
    for number, name in enumerate(GROUPS)
    for python in (PYTHONS if SOAK else PYTHONS[number % len(PYTHONS) :][:1])
]


class Ended(NamedTuple):
    """A chain's last result, what was known of the state in each hop that has handed over, and what was left open."""

    seed: str
    shape: str
    result: object
    states: list[str]
    left_open: list[str]


@pytest.mark.parametrize(("name", "python"), PLACES)
def test_a_chain_ends_as_one_long_run_would(name, python, layer, sample, tmp_path):
    """With random margins, timeouts and lengths; what was opened is closed in every hop."""
    group = GROUPS[name]
    seeds = [f"{name} on {python}, chain {number}" for number in range(sample(full=4, short=1))]
    wanted = {
        (seed, shape): uninterrupted(group, event_of(seed, shape, tmp_path / "whole"))
        for seed in seeds
        for shape in group.shapes
    }

    parts = [group._replace(shapes=(shape,)) for shape in group.shapes] if group.alone else [group]
    with ThreadPoolExecutor(2) as pool:
        turns = [(part, seed) for part in parts for seed in seeds]
        chains = pool.map(lambda turn: follow_each(turn[0], python, layer, turn[1], tmp_path), turns)
        ends = [end for chain in chains for end in chain]

    wrong = [
        f"{end.seed}, {end.shape}: {end.result}, not {wanted[end.seed, end.shape]}; states that travelled: {end.states}"
        for end in ends
        if end.result != wanted[end.seed, end.shape] or not end.states or end.left_open
    ]
    assert not wrong, "\n".join(wrong)


def uninterrupted(group, event):
    """The result of one long run, here and without waiting."""
    # What the calls of carryon keep without the layer, they keep for the whole process.
    carryon._run = None
    return Chain(SHAPES, f"{group.file}.handler", {}).run_uninterrupted({**event, "pace_s": 0})


def timeout_of(seed):
    return random.Random(f"{seed}, timeout").choice([2, 3]) if SOAK else 2


def event_of(seed, shape, folder):
    # More than the largest share of a timeout that the margin leaves.
    seconds = random.Random(f"{seed} {shape}").uniform(0.9, 1.3) * timeout_of(seed)
    rate = RATE.get(shape, USUAL_RATE)
    return {"shape": shape, "items": int(seconds * rate), "pace_s": 1 / USUAL_RATE, "folder": str(folder / shape)}


def follow_each(group, python, layer, seed, folder):
    """Run a chain of each shape, one after the other in one environment."""
    chance = random.Random(seed)
    timeout_s = timeout_of(seed)
    settings = {
        **group.settings,
        "CARRYON_MARGIN": f"{chance.randint(400, 900)}ms",
        "CARRYON_MAX_HOPS": str(HOPS_MAX),
    }
    folder = folder / seed
    with LambdaApi() as lambda_api:
        env = continuing(lambda_api, **settings)
        with Emulator(python, SHAPES, f"{group.file}.handler", layer=layer, timeout_s=timeout_s, env=env) as function:
            ends = []
            for shape in group.shapes:
                results = follow(function, lambda_api, event_of(seed, shape, folder))
                alarms = [line["carryon"] for result in results[:-1] for line in result.lines[-2:-1]]
                states = [alarm.get("state", alarm["event"]) for alarm in alarms]
                left_open = [found for result in results for found in re.findall(r"left open: [^0]", result.log)]
                ends.append(Ended(seed, shape, results[-1].json, states, left_open))
            return ends


def follow(function, lambda_api, event):
    """Invoke, and every continuation after it, each again where Lambda would; returns all results."""
    payload = json.dumps(event).encode()
    results = []
    failures = 0
    while len(results) <= HOPS_MAX:
        before = len(lambda_api.accepted)
        results.append(function.invoke(payload))
        if len(lambda_api.accepted) > before:
            payload = lambda_api.accepted[-1].payload
            failures = 0
        elif results[-1].error_type == "Carryon.DeliveryFailed" and failures < RETRIES:
            failures += 1
        else:
            break
    return results


@pytest.mark.parametrize("name", [name for name in GROUPS if name != "calls of carryon"])
def test_with_a_plain_signal_handler_it_would_not(name, sample, tmp_path):
    """At least one of a few chains ends with another result, so each shape can show what is wrong."""
    group = GROUPS[name]
    lucky = []
    for shape in group.shapes[: sample(full=len(group.shapes), short=1)]:
        rate = RATE.get(shape, USUAL_RATE)
        event = {"shape": shape, "items": int(rate * 1.2), "pace_s": 0.15 / USUAL_RATE, "folder": str(tmp_path / shape)}
        wanted = uninterrupted(group, event)
        chains = ({**event, "folder": f"{event['folder']}-{seed}"} for seed in range(PLAIN_CHAINS_MAX))
        if not any(plain(group, chain, seed) != wanted for seed, chain in enumerate(chains)):
            lucky.append(shape)
    assert not lucky


def plain(group, event, seed):
    command = [sys.executable, "-m", "tests.support.plain", SHAPES, f"{group.file}.handler"]
    command += [json.dumps(group.settings), json.dumps(event), str(seed)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])
