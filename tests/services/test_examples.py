"""Each example's whole chain, with the settings that its README gives."""

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support import examples
from tests.support.pace import pace
from tests.support.runtimes import ROOT

from .conftest import ROOMY, TIMEOUT_S


@pytest.fixture
def run(services, newest_runtime, make_function):
    """Run an example's chain to its end: `run(name, event, env={})` returns its invocations."""

    def run(name, event=None, *, env=None, **settings):
        example = examples.find(name)
        example.set_up(newest_runtime, services.url)
        env = {"CARRYON_TO": "self", **example.env, **example.packages, **(env or {})}
        function = make_function(example.handler, example.folder, env=env, **settings)
        event = {**example.event, **(event or {})}
        if "pause_s" in event:
            event["pause_s"] *= TIMEOUT_S / 3
        function.send(event)
        return function.wait_for_result()

    return run


def test_the_prime_of_an_event_is_found_over_several_hops(run):
    """Each hop's handler begins with the numbers that its event has, beside what the caller has sent."""
    n, prime = primes_of(cpu_s=0.75 * TIMEOUT_S)
    first, *others = run("prime-in-event", {"n": n}, env={"CARRYON_MAX_HOPS": "200"})

    assert others[-1].answer == {"n": n, "prime": prime}
    assert first.event == {"n": n}
    assert [hop.event["carryon"]["state"].keys() for hop in others] == [{"count", "candidate"}] * len(others)


def primes_of(cpu_s):
    """How many primes the example's search finds uninterrupted in so much CPU time, and the last of them."""
    path = examples.find("prime-in-event").folder / "app.py"
    spec = importlib.util.spec_from_file_location("primes", path)
    app = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(app)
    until, count, number, last = time.process_time() + cpu_s, 0, 1, 0
    while time.process_time() < until:
        number += 1
        if app.is_prime(number):
            count, last = count + 1, number
    return count, last


def test_a_graceful_function_says_how_far_it_came_and_leaves_nothing_behind(run, tmp_path):
    """Every hop but the last warns as JSON; every hop removes its scratch folder; the documents are all packed."""
    hops = run("graceful", {"pause_s": 0.015}, env={"TMPDIR": str(tmp_path)})

    logged = [[json.loads(line) for line in hop.log.splitlines() if '"service":"archive"' in line] for hop in hops]
    assert hops[-1].answer["documents"] == 200
    assert len(hops) > 1
    for records, hop in zip(logged, hops, strict=True):
        *warnings, removed = records
        assert removed["message"] == "scratch folder removed"
        assert not os.path.exists(removed["folder"])
        assert [record["message"] for record in warnings] == ([] if hop is hops[-1] else ["time is up"])
        assert all(record["function_request_id"] == hop.request_id for record in records)
    done = [records[0]["documents_done"] for records in logged[:-1]]
    assert done == sorted(done)
    assert list(tmp_path.iterdir()) == []


def test_every_object_under_a_prefix_is_read_once(run):
    """Over more than one page of keys: the counts are those of one long run."""
    hops = run("s3-objects")

    assert hops[-1].answer == {"objects": 1_100, "words": 2 * (1_100 - 1)}
    assert len(hops) > 1
    assert "CURRENT_STATE" not in hops[0].event
    assert '"process":"kept"' in hops[0].log


def test_a_table_has_every_reading_once_and_hops_share_a_client(run, services):
    """No state travels; an environment that serves several hops keeps its process and its client."""
    hops = run("database")

    items = services.client("dynamodb").scan(TableName="readings")["Items"]
    assert sorted(int(item["position"]["N"]) for item in items) == list(range(400))
    assert hops[-1].answer["readings"] == 400
    assert all("state" not in hop.event["carryon"] for hop in hops[1:])
    served = [re.search(r"process (\d+) with client (\w+)", hop.log).groups() for hop in hops]
    assert len(served) > 2
    assert len({process for process, _ in served}) == len(set(served)) < len(served)


def test_the_commands_of_the_readmes_run(sample):
    """As they are printed, with a margin that a loaded machine can keep."""
    for name in examples.NAMES[: sample(len(examples.NAMES), 1)]:
        example = examples.find(name)
        command = [Path(sys.executable).with_name("carryon"), *example.arguments]
        for variable, value in {**example.packages, **ROOMY}.items():
            command += ["--env", f"{variable}={value}"]
        ran = subprocess.run(
            command, cwd=example.folder, capture_output=True, text=True, timeout=120 * pace(), check=False
        )

        assert ran.returncode == 0, f"{shlex.join(example.arguments)}: {ran.stderr}"
        assert "carries on" in ran.stdout or "CARRYON_BATCH" in example.env


def test_the_readme_names_every_example():
    """With a link to its folder."""
    readme = (ROOT / "README.md").read_text()

    assert [name for name in examples.NAMES if f"(examples/{name})" not in readme] == []
