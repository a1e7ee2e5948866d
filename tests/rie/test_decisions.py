"""How the handler ended decides: every cell of the table, on the real runtime."""

import pytest

from tests.support.emulator import Emulator
from tests.support.functions import FUNCTIONS, continuing

LAYER = "/python/carryon/"


@pytest.fixture(name="run")
def _run(newest_runtime, layer, lambda_api):
    """Invoke one behaviour once and return the result; whatever came of it, no stack trace has a frame of ours."""

    def run(do, env, **event):
        with Emulator(newest_runtime, FUNCTIONS, "work.handler", layer=layer, env=env) as function:
            result = function.invoke({"do": do, **event})
            following = function.invoke({"do": "echo"})
        assert following.json == {"do": "echo"}
        assert function.leftovers == []
        assert LAYER not in result.log
        stack = result.json.get("stackTrace", []) if isinstance(result.json, dict) else []
        assert [line for line in stack if LAYER in line] == []
        return result

    return run


@pytest.mark.parametrize("do", ["clean_up", "fail_while_handling", "fail_after_handling", "exit_while_handling"])
def test_without_a_target_an_unfinished_invocation_fails(do, run):
    """`Carryon.TimeIsUp` after clean-up, with the function's own stack; an error of the clean-up's own is named."""
    result = run(do, {})

    assert result.error_type == "Carryon.TimeIsUp"
    assert "work.py" in result.json["errorMessage"]
    assert "in work" in "".join(result.json["stackTrace"])
    assert result.events == ["time_is_up"]
    named = {"clean_up": None, "exit_while_handling": "SystemExit"}.get(do, "ValueError")
    assert result.lines[0]["carryon"].get("error") == named


@pytest.mark.parametrize("do", ["clean_up", "fail_while_handling", "fail_after_handling", "exit_while_handling"])
def test_with_a_target_an_unfinished_invocation_is_continued(do, run, lambda_api):
    """Whatever the clean-up raised, the work goes on once."""
    result = run(do, continuing(lambda_api))

    assert result.json["carryon"]["continued"] is True
    assert len(lambda_api.calls) == 1
    assert result.lines[0]["carryon"]["handler_returned"] is False


def test_without_a_target_a_returned_value_goes_through(run):
    """A handler that catches the alarm and answers has its answer."""
    result = run("catch", {})

    assert result.json == "TimeIsUp"
    assert result.lines[0]["carryon"]["handler_returned"] is True


def test_with_a_target_a_returned_value_is_not_the_end(run, lambda_api):
    """The work is unfinished although the handler returned, so it goes on, and the log says so."""
    result = run("catch", continuing(lambda_api))

    assert result.json["carryon"]["continued"] is True
    assert len(lambda_api.calls) == 1
    assert result.lines[0]["carryon"]["handler_returned"] is True


@pytest.mark.parametrize("target", [False, True])
@pytest.mark.parametrize(
    ("do", "answer"),
    [("complete_and_return", "all done"), ("complete_and_run_on", None), ("complete_and_get_stuck", None)],
)
def test_completed_work_is_not_continued(do, answer, target, run, lambda_api):
    """After `carryon.complete()` the value is the answer, also where there is none because the alarm took it."""
    result = run(do, continuing(lambda_api) if target else {})

    assert result.json == answer
    assert lambda_api.calls == []


def test_an_error_after_complete_is_the_functions_own(run, lambda_api):
    """The work is done and something else failed: its error, untouched, and no continuation."""
    result = run("complete_and_fail", continuing(lambda_api))

    assert (result.error_type, result.json["errorMessage"]) == ("KeyError", "'after all'")
    assert lambda_api.calls == []


def test_a_death_after_complete_is_reported_and_not_continued(run, lambda_api):
    """Whatever `CARRYON_ON_CRASH` says, there is nothing to carry on."""
    result = run("complete_and_die", continuing(lambda_api, CARRYON_ON_CRASH="continue"))

    assert result.error_type == "Runtime.ExitError"
    assert lambda_api.calls == []


def test_an_error_before_the_alarm_is_untouched(run, lambda_api):
    """No line, no continuation, the runtime's own report."""
    result = run("fail_early", continuing(lambda_api))

    assert (result.error_type, result.json["errorMessage"]) == ("RuntimeError", "an ordinary error")
    assert result.events == []
    assert lambda_api.calls == []


def test_an_error_of_a_public_call_is_raised_where_it_is_called(run):
    """Its stack ends in the function's own line."""
    result = run("checkpoint_no_json", {})

    assert result.error_type == "TypeError"
    assert "in checkpoint_no_json" in result.json["stackTrace"][-1]


@pytest.mark.parametrize("state", ["steps", "nowhere"])
def test_an_alarm_that_was_put_off_is_raised_where_the_function_is(state, run):
    """While the state is searched for a place, much of the layer is between the function and the runtime."""
    result = run("clean_up", {"CARRYON_STATE": state})

    assert result.error_type == "Carryon.TimeIsUp"
    assert "in work" in result.json["stackTrace"][-1]


def test_the_alarm_can_be_a_timeout_error(run):
    """`CARRYON_RAISE=TimeoutError`: caught by code that knows only TimeoutError, and a TimeIsUp all the same."""
    result = run("catch_timeout_error", {"CARRYON_RAISE": "TimeoutError"})

    assert result.json[:3] == ["TimeIsUpTimeoutError", "TimeIsUp", "TimeoutError"]


def test_zero_hops_mean_no_continuation(run, lambda_api):
    """`CARRYON_MAX_HOPS=0` stops gracefully, as if there were no target."""
    result = run("clean_up", continuing(lambda_api, CARRYON_MAX_HOPS="0"))

    assert result.error_type == "Carryon.TimeIsUp"
    assert lambda_api.calls == []
