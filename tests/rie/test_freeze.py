"""Lambda freezes an environment between invocations: nothing that was due meanwhile may touch the next one."""

import time

import pytest

from tests.support.emulator import Emulator
from tests.support.functions import FUNCTIONS, continuing
from tests.support.processes import wait_until

TIMEOUT_S = 2


@pytest.fixture(name="function")
def _function(edge_runtime, layer, lambda_api):
    env = continuing(lambda_api)
    with Emulator(edge_runtime, FUNCTIONS, "work.handler", layer=layer, env=env, timeout_s=TIMEOUT_S) as function:
        yield function
    assert function.leftovers == []


def freeze_past_deadline(function, began):
    """Stop every process until the deadline of an invocation that began then is over."""
    stopped = function.freeze()
    while time.time() < began + TIMEOUT_S + 0.2:
        time.sleep(0.05)
    return stopped


def test_nothing_fires_for_an_invocation_that_is_over(function, lambda_api):
    """Stopped right after the answer, continued with the next event, which finishes undisturbed."""
    for _ in range(2):
        began = time.time()
        function.invoke({"do": "finish"})
        stopped = freeze_past_deadline(function, began)
        running = function.begin({"do": "finish"})
        function.thaw(stopped)
        result = running.result()

        assert result.json["steps"] == 0
        assert result.log == ""
    assert lambda_api.calls == []


def test_a_courier_that_was_ready_is_gone_with_its_invocation(function, lambda_api):
    """Work that ends after the courier was started: frozen and thawed, the next one is right and has none left over."""
    for _ in range(2):
        began = time.time()
        result = function.invoke({"do": "nap", "seconds": 1.2})
        assert result.json == "rested"
        stopped = freeze_past_deadline(function, began)
        function.thaw(stopped)
        assert function.invoke({"do": "echo"}).json == {"do": "echo"}
        wait_until(lambda: len(function.processes()) == 2, 5, "a courier is left over")
    assert lambda_api.calls == []


def test_the_invocation_after_a_thaw_has_its_own_alarm(function, lambda_api):
    """A supervisor that slept through a deadline still has the courier ready for the next one."""
    began = time.time()
    function.invoke({"do": "finish"})
    stopped = freeze_past_deadline(function, began)
    running = function.begin({"do": "clean_up"})
    function.thaw(stopped)
    result = running.result()

    assert result.events == ["time_is_up", "continued"], result
    assert len(lambda_api.calls) == 1
    assert result.lines[0]["carryon"]["elapsed_ms"] > 1_000 * TIMEOUT_S / 2


def test_a_freeze_in_the_middle_of_a_hand_over_ends_in_one_outcome(function, lambda_api):
    """Frozen while the courier waits for an answer: in doubt or accepted, and never sent twice."""
    lambda_api.delay(0.2, times=1)
    running = function.begin({"do": "clean_up"})
    lambda_api.wait_for_calls(1)
    stopped = function.freeze()
    time.sleep(0.05)
    function.thaw(stopped)
    result = running.result()

    assert result.events[-1] in ("continued", "delivery_failed")
    assert len(lambda_api.calls) == 1
    assert function.invoke({"do": "echo"}).json == {"do": "echo"}
