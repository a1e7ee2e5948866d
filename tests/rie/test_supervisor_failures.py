"""Whatever fails in the supervisor concerns one invocation: the next one is watched over again."""

import os
import random
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.emulator import Emulator
from tests.support.functions import continuing
from tests.support.log_schema import validated

FOLDER = Path(__file__).parent / "faulty_supervisor"
TIMEOUT_S = 2


@pytest.fixture(name="plan")
def _plan(tmp_path):
    """The file by which calls of the supervisor fail."""
    return tmp_path / "plan"


@pytest.fixture(name="function")
def _function(newest_runtime, layer, lambda_api, plan):
    env = continuing(
        lambda_api, CARRYON_MARGIN="50%", CARRYON_EVENT="current", PYTHONPATH=str(FOLDER), PLAN=str(plan)
    )
    with Emulator(newest_runtime, FOLDER, layer=layer, timeout_s=TIMEOUT_S, env=env) as function:
        yield function
    assert function.leftovers == []


def points(function, plan, do):
    """The calls that the supervisor makes in an invocation."""
    function.invoke({"do": "echo"})
    plan.write_text("record")
    function.invoke({"do": do})
    function.invoke({"do": "echo"})
    plan.unlink()
    recorded = plan.with_name("plan.points")
    found = sorted(set(recorded.read_text().splitlines()))
    recorded.unlink()
    return found


def assert_watched_over(function, lambda_api):
    """One invocation that is in time, and one that has to be rescued."""
    assert function.invoke({"do": "echo"}).json == {"do": "echo"}
    calls = len(lambda_api.calls)
    stuck = function.invoke({"do": "stuck"})
    assert stuck.json["carryon"]["continued"] is True, stuck
    assert [event for event in stuck.events if event != "helper_missing"] == ["rescued", "continued"], stuck
    assert len(lambda_api.calls) == calls + 1
    assert function.invoke({"do": "echo"}).json == {"do": "echo"}


@pytest.mark.parametrize("kind", ["once", "always"])
@pytest.mark.parametrize("do", ["stuck", "clean_up", "leave", "die"])
def test_after_a_failed_call_the_next_invocation_is_watched_over(do, kind, function, plan, lambda_api, sample):
    """Each call that can fail in the supervisor does, once or as long as the invocation runs; two are innocent."""
    every = points(function, plan, do)
    assert len(every) > 20, every

    for point in random.sample(every, min(sample(1_000, 2), len(every))):
        calls = len(lambda_api.calls)
        plan.write_text(f"{kind} {point}")
        failed = function.invoke({"do": do})
        plan.unlink(missing_ok=True)
        said = len(lambda_api.calls) - calls
        assert said <= 1, (point, failed)
        if not failed.timed_out and failed.error_type is None:
            assert (said, failed.json["carryon"]["continued"]) == (1, True), (point, failed)
        try:
            assert_watched_over(function, lambda_api)
        except Exception as error:
            raise AssertionError(f"after {kind} {point}: {failed}") from error
