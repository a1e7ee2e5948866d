"""A process that is stuck, and hears of no alarm, has captured its state before."""

import json

import pytest

from tests.support.emulator import Emulator
from tests.support.functions import FUNCTIONS, continuing
from tests.support.pace import seconds
from tests.support.runtimes import NEWEST, RUNTIMES
from tests.support.soak import full


def test_a_process_that_is_stuck_in_c_hands_on_the_state_of_an_iteration_before(edge_runtime, layer, lambda_api):
    """From half of the time on it is captured again and again; the iteration that it is of was whole."""
    env = continuing(lambda_api, CARRYON_STATE="a,b")
    timeout_s = seconds(3)
    with Emulator(edge_runtime, FUNCTIONS, "late_stuck.handler", layer=layer, env=env, timeout_s=timeout_s) as function:
        # Well before the alarm, which is half a second before the deadline here.
        result = function.invoke({"until_left_ms": 300 * timeout_s})
        (call,) = lambda_api.calls
        after = function.invoke(json.dumps({**call.json, "ask": True}).encode())

    assert result.events == ["rescued", "continued"]
    assert result.lines[0]["carryon"]["state"] == "earlier"
    state = call.json["carryon"]["state"]
    assert state["a"] == state["b"] > 0
    assert after.json == [state["a"], state["b"]]


def test_a_function_that_is_done_in_time_is_asked_for_nothing_that_it_could_see(edge_runtime, layer, lambda_api):
    """Neither a line nor another result; what the search has begun ends with the handler."""
    env = continuing(lambda_api, CARRYON_STATE="a,b")
    with Emulator(edge_runtime, FUNCTIONS, "tracing.handler", layer=layer, env=env, timeout_s=2) as function:
        results = [function.invoke({"seconds": 1.2}) for _ in range(2)]

    assert [result.json for result in results] == [{"traced": False, "monitored": []}] * 2
    assert [result.lines for result in results] == [[], []]


@pytest.mark.parametrize("wait", ["sleep", "poll", "select"])
def test_no_wait_in_c_of_a_function_in_time_is_cut_short(wait, edge_runtime, layer, lambda_api):
    """An interrupted one says that there was an error."""
    env = continuing(lambda_api, CARRYON_STATE="a")
    with Emulator(edge_runtime, FUNCTIONS, "foreign_waits.handler", layer=layer, env=env, timeout_s=4) as function:
        result = function.invoke({"wait": wait})

    assert result.json == 0
    assert result.lines == []


def test_what_a_function_in_time_has_counted_stays_and_what_a_chain_has_left_goes(edge_runtime, layer, lambda_api):
    """Captures alone put nothing back; after an alarm, and after a hop, the variables are the ones of the import."""
    env = continuing(lambda_api, CARRYON_STATE="count,words,by_shop,places", CARRYON_STALL_HOPS="0")
    with Emulator(edge_runtime, FUNCTIONS, "remembering.handler", layer=layer, env=env, timeout_s=2) as function:
        first = function.invoke({"seconds": 1.3}).json
        second = function.invoke({}).json
        cut_short = function.invoke({"seconds": 60})
        after_alarm = function.invoke({}).json
        hop = function.invoke(json.dumps({**lambda_api.calls[0].json, "seconds": 0}).encode()).json
        after_hop = function.invoke({}).json

    kinds = ["Counter", "defaultdict", "deque", "dict"]
    assert first["count"] > 1
    assert second == first == {**first, "kinds": kinds, "same": True}
    assert "continued" in cut_short.events
    assert hop["count"] == hop["words"]["turns"] > first["count"]
    assert after_alarm == after_hop == {"count": 0, "words": {"start": 1}, "kinds": kinds, "same": True}


@pytest.mark.parametrize("any_runtime", RUNTIMES if full() else [NEWEST], ids=str)
def test_a_process_ends_and_goes_on_as_it_would_while_it_is_captured(any_runtime, layer, lambda_api, tmp_path):
    """By its own exit status, with all that it has buffered; nor does one end that has reset what it handles."""
    kept = tmp_path / "kept"
    env = continuing(lambda_api, CARRYON_STATE="a,b")
    with Emulator(any_runtime, FUNCTIONS, "leaving.handler", layer=layer, env=env, timeout_s=3) as function:
        # The start counts in the first one.
        function.invoke({})
        results = {}
        for how in ("reset", "exit", "exec"):
            results[how] = function.invoke({"how": how, "path": str(kept)})
            assert [function.invoke({}).json for _ in range(2)] == [None, None]

    assert results["reset"].json == "reset"
    assert results["exit"].error_type == results["exec"].error_type == "Runtime.ExitError"
    assert results["exit"].json["errorMessage"].endswith("exit status 3")
    assert results["exec"].json["errorMessage"].endswith("exit status 4")
    assert kept.read_text() == "buffered"
