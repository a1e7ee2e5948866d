"""The demo, with fewer hops, and what it says when its chain does not come to an answer."""

import importlib.util
import subprocess
import sys

import pytest

from carryon_cli.chain import Hop, Outcome
from tests.support.runtimes import ROOT

from .conftest import ROOMY

FOLDER = ROOT / "examples/prime"
N, PRIME = 10_000, 104_729
RESULT = f'{{"n": {N}, "prime": {PRIME}}}'


@pytest.fixture
def demo(monkeypatch):
    """The script as a module."""
    monkeypatch.syspath_prepend(FOLDER)
    spec = importlib.util.spec_from_file_location("demo", FOLDER / "demo.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop("app", None)


def hops(count):
    return [Hop(number, str(number), 1, 0.0, 3.0) for number in range(count)]


@pytest.mark.parametrize("becomes", [0.5, 1, 2])
def test_enough_hops_are_planned_on_a_machine_that_changes_its_speed(demo, becomes):
    """Whether it becomes twice as slow or twice as fast, there are four hops, and the limit is far away."""
    searched = 200_000
    n, _ = demo.choose_n(searched)

    limit = demo.sieve(20 * searched)[n - 1]
    needed = demo.cost(limit) / (demo.cost(searched) / demo.CALIBRATION_S * becomes)
    full_hops = needed / (demo.TIMEOUT_S - demo.MARGIN_S)

    assert demo.HOPS_AT_LEAST < full_hops + 1 < demo.HOPS_AT_MOST / 5


@pytest.mark.parametrize(
    ("outcome", "count", "says"),
    [
        (Outcome(ok=True, result=RESULT), 4, None),
        (Outcome(ok=True, result=RESULT), 3, "it took 3 hops and not 4"),
        (Outcome(ok=True, result=RESULT.replace("9", "7")), 4, "the answers differ"),
        (
            Outcome(ok=False, error={"errorType": "Carryon.DeliveryFailed", "errorMessage": "the courier"}),
            3,
            "there is no answer: hop 2 failed with Carryon.DeliveryFailed: the courier\nthe last 0.5 s of a hop",
        ),
        (Outcome(ok=False, error={"errorType": "Carryon.HopLimit"}), 101, "try again without it"),
        (Outcome(ok=False, error={"errorType": "Runtime.ExitError"}), 0, "the start failed with Runtime.ExitError"),
    ],
)
def test_each_end_of_the_chain_is_told_from_the_others(demo, outcome, count, says):
    """No answer is not a wrong one: the hop, the error and what to do are named."""
    complaint = demo.judge(outcome, hops(count), N, PRIME)

    assert complaint is None if says is None else says in complaint


def run(**changes):
    """Run the script with other values for what it has in capitals."""
    program = "import sys, demo\nvars(demo).update(eval(sys.argv[1]))\nsys.exit(demo.main())"
    command = [sys.executable, "-c", program, repr(changes)]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{ROOT / 'cli'}:{FOLDER}"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=150, check=False)


def test_the_demo_ends_well():
    """It measures the machine, and the answer that came over several hops is that of a sieve."""
    ran = run(HOPS_PLANNED=2, HOPS_AT_LEAST=2, VARIABLES={"CARRYON_STATE": "count,candidate", **ROOMY})

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "carries on" in ran.stdout
    assert ran.stdout.rstrip().endswith("and by a sieve")


def test_a_demo_without_an_answer_says_why():
    """What the last hop failed with, and not that two answers differ."""
    ran = run(HOPS_PLANNED=2, VARIABLES={"CARRYON_TO": ""})

    assert ran.returncode == 1
    assert "demo: there is no answer: hop 0 failed with Carryon.TimeIsUp: " in ran.stderr
