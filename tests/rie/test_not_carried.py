"""A state that cannot travel is named, and whatever good there was before goes out in its place."""

import json

import pytest

from tests.support.emulator import Emulator
from tests.support.functions import FUNCTIONS, continuing
from tests.support.log_schema import validated

REASONS = {
    "not_json": "CARRYON_STATE names seen, but a set is not JSON",
    "not_found": "CARRYON_STATE names seen, but module spoiling has no such global",
    "too_large": "more than the 1,048,576 that Lambda accepts; seen alone is 1,10",
}


@pytest.fixture(name="function")
def _function(newest_runtime, layer, lambda_api):
    env = continuing(lambda_api, CARRYON_STATE="total,seen")
    with Emulator(newest_runtime, FUNCTIONS, "spoiling.handler", layer=layer, env=env, timeout_s=2) as function:
        yield function


@pytest.mark.parametrize("swallows", [False, True], ids=["interrupted", "stuck"])
@pytest.mark.parametrize("how", REASONS)
def test_the_last_checkpoint_goes_out_where_there_is_one(how, swallows, function, lambda_api):
    """The line about the alarm says why it is not the state; the next hop has the variables as after the import."""
    result = function.invoke({"how": how, "checkpoint": "good", "swallows": swallows})
    (call,) = lambda_api.calls
    after = function.invoke(json.dumps({**call.json, "how": "echo"}).encode())

    first, second = (line["carryon"] for line in validated(result))
    assert first["event"] == ("rescued" if swallows else "time_is_up")
    assert REASONS[how] in first["not_carried"]
    assert second["event"] == "continued"
    assert call.json["carryon"]["checkpoint"] == "good"
    assert "not_carried" not in call.json["carryon"]
    assert after.json == ["good", [], 0]


@pytest.mark.parametrize("swallows", [False, True], ids=["interrupted", "stuck"])
@pytest.mark.parametrize("how", REASONS)
def test_without_one_the_invocation_fails_so_that_lambda_tries_again(how, swallows, function, lambda_api):
    """The message names the variable, and its type or size and the limit."""
    result = function.invoke({"how": how, "swallows": swallows})

    assert result.error_type == "Carryon.StateNotSerializable"
    assert REASONS[how] in result.json["errorMessage"]
    assert result.events[-1] == "delivery_failed"
    assert lambda_api.calls == []


def test_what_came_with_the_event_does_not_count_as_good(function, lambda_api):
    """It would go round for ever; Lambda's own retries end, and somebody hears of it."""
    function.invoke({"how": "not_json", "checkpoint": "good"})
    (call,) = lambda_api.calls
    result = function.invoke(json.dumps({**call.json, "checkpoint": None}).encode())

    assert result.error_type == "Carryon.StateNotSerializable"
    assert len(lambda_api.calls) == 1
