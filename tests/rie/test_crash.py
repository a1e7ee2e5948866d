"""A process that dies in an invocation: what Lambda would say, and more; the environment and the work live on."""

import json
import signal

import pytest

from tests.support import processes
from tests.support.emulator import Emulator
from tests.support.functions import FUNCTIONS, continuing

DEATHS = {
    "segmentation_fault": ("signal: segmentation fault", {"signal": "SIGSEGV"}),
    "kill": ("signal: killed", {"signal": "SIGKILL"}),
    "abort": ("signal: aborted", {"signal": "SIGABRT"}),
    "exit_3": ("exit status 3", {"exit_status": 3}),
    "system_exit": ("exit status 7", {"exit_status": 7}),
    "interrupt": ("signal: interrupt", {"signal": "SIGINT"}),
    "raise_own": ("exit status 1", {"exit_status": 1}),
}
# Where the process has a say in it, or the kernel tells it first.
WITH_STACK = {"segmentation_fault", "abort", "system_exit", "interrupt", "raise_own"}


@pytest.fixture(name="run")
def _run(newest_runtime, layer, lambda_api):
    """A function `run(do, settings..)`: the first invocation of an environment, and the one after it."""

    def run(do, when="at once", runtime=newest_runtime, **settings):
        with Emulator(runtime, FUNCTIONS, "dying.handler", layer=layer, env=settings) as function:
            first = function.invoke({"do": do, "when": when})
            second = function.invoke({"do": "echo"})
            processes.wait_until(lambda: len(function.processes()) == 2, 5, "processes are left")
        assert second.json == {"do": "echo"}
        assert function.leftovers == []
        return first

    return run


@pytest.mark.parametrize("do", DEATHS)
def test_a_death_is_reported_as_lambda_would_and_the_environment_goes_on(do, edge_runtime, run):
    """Same type and text; beside it the signal or status, where it was, and the most memory it had."""
    text, known = DEATHS[do]
    result = run(do, runtime=edge_runtime)

    assert result.json["errorType"] == "Runtime.ExitError"
    expected = f"RequestId: {result.request_id} Error: Runtime exited with error: {text}"
    assert result.json["errorMessage"].removesuffix(" (core dumped)") == expected
    assert known.items() <= result.json["carryon"].items()
    assert result.json["carryon"]["peak_memory_mb"] > 5
    assert result.events == ["crashed"]
    assert known.items() <= result.lines[0]["carryon"].items()
    if do in WITH_STACK:
        assert f"in {do}" in "".join(result.json["stackTrace"])


def test_a_death_is_carried_on_when_asked_for(run, lambda_api):
    """The successor has the event, and knows why it is there."""
    result = run("kill", **continuing(lambda_api, CARRYON_ON_CRASH="continue"))

    assert result.json["carryon"]["continued"] is True
    assert result.events == ["crashed", "continued"]
    (call,) = lambda_api.calls
    assert {**call.json, "carryon": None} == {"do": "kill", "when": "at once", "carryon": None}
    assert (call.json["carryon"]["cause"], call.json["carryon"]["hop"]) == ("crash", 1)


def test_a_death_is_reported_where_there_is_no_target_to_carry_on(run):
    """Asked for or not."""
    assert run("kill", CARRYON_ON_CRASH="continue").error_type == "Runtime.ExitError"


def test_a_death_in_clean_up_carries_on_from_the_state_of_the_alarm(run, lambda_api):
    """It was on the board when the process died."""
    settings = continuing(lambda_api, CARRYON_ON_CRASH="continue", CARRYON_STATE="progress")
    run("segmentation_fault", "in clean-up", **settings)

    (call,) = lambda_api.calls
    assert call.json["carryon"]["state"]["progress"] > 10


def test_a_state_that_kills_is_carried_on_twice(newest_runtime, layer, lambda_api):
    """Then its death is reported; a state that got further starts counting anew."""
    settings = continuing(lambda_api, CARRYON_ON_CRASH="continue", CARRYON_STATE="progress")
    with Emulator(newest_runtime, FUNCTIONS, "dying.handler", layer=layer, env=settings) as function:
        outcomes = [function.invoke({"do": "kill"})]
        while outcomes[-1].error_type is None and len(outcomes) < 9:
            outcomes.append(function.invoke(lambda_api.calls[-1].payload))
        assert [outcome.error_type for outcome in outcomes] == [None, None, "Runtime.ExitError"]

        second = lambda_api.calls[-1].json
        moved_on = {**second, "when": "in clean-up"}
        function.invoke(json.dumps(moved_on).encode())
    meta = lambda_api.calls[-1].json["carryon"]
    assert (meta["hop"], meta["crashes"]) == (3, 1)


def test_an_environment_that_dies_before_its_first_event_dies_as_without_the_layer(newest_runtime, layer):
    """Whoever starts it hears of it, nothing starts it again in secret."""
    answers = []
    for wrapper in (False, True):
        env = {"DIES_AT_IMPORT": "1"}
        with Emulator(newest_runtime, FUNCTIONS, "dying.handler", layer=layer, wrapper=wrapper, env=env) as function:
            result = function.invoke({"do": "echo"})
            answers.append((result.status, result.body, result.log))
        assert function.leftovers == []

    assert answers[0] == answers[1]


def test_a_process_that_dies_between_two_invocations_ends_the_environment_as_without_the_layer(newest_runtime, layer):
    """There is no invocation to answer for."""
    with Emulator(newest_runtime, FUNCTIONS, "dying.handler", layer=layer) as function:
        processes.send([function.invoke({"do": "pid"}).json], signal.SIGKILL)
        processes.wait_until(lambda: not function.processes(), 5, "the supervisor goes on without a runtime")
