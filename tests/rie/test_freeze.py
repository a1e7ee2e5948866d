"""Lambda freezes an environment between invocations: nothing that was due meanwhile may touch the next one."""

import random
import signal
import time

import pytest

from tests.support import processes
from tests.support.emulator import Emulator
from tests.support.functions import FUNCTIONS, continuing
from tests.support.processes import wait_until
from tests.support.stalls import Stalls

TIMEOUT_S = 2
# Of the last quarter of a second, in which a delivery and an answer have to be done, what a machine may take away.
STALL_S = 0.06


@pytest.fixture(name="settings")
def _settings():
    return {}


@pytest.fixture(name="function")
def _function(edge_runtime, layer, lambda_api, settings):
    env = continuing(lambda_api, **settings)
    # So small that the helpers start 1.1 s before the alarm, which is three quarters of the time until it.
    options = {"layer": layer, "env": env, "timeout_s": TIMEOUT_S, "memory_mb": 442}
    with Emulator(edge_runtime, FUNCTIONS, "work.handler", **options) as function:
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
        result = function.invoke({"do": "nap", "seconds": 0.95})
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


def stopped_past_deadline(function, who, event):
    """Run an invocation whose supervisor or runtime is stopped from its start until after its deadline."""
    supervisor, runtime = function.processes()
    running = function.begin(event)
    function.wait_for_log(event["do"])
    pid = {"supervisor": supervisor, "runtime": runtime}[who]
    processes.send([pid], signal.SIGSTOP)
    try:
        result = running.result()
        time.sleep(max(0, TIMEOUT_S + 0.5 - result.seconds))
    finally:
        processes.send([pid], signal.SIGCONT)
    return result


@pytest.mark.parametrize("settings", [{"CARRYON_PROCESS": "keep"}], ids=["kept"])
def test_a_supervisor_that_is_late_harms_nobody(function, lambda_api):
    """Descheduled for seconds, past the deadline: what it finds is over, and the process that did its work lives on."""
    before = function.invoke({"do": "finish"}).json
    result = stopped_past_deadline(function, "supervisor", {"do": "catch_and_say"})

    # Nobody could deliver, so Lambda keeps the event.
    assert result.error_type == "Carryon.DeliveryFailed"
    for _ in range(3):
        assert function.invoke({"do": "finish"}).json["pid"] == before["pid"]
    assert lambda_api.calls == []


def test_a_supervisor_that_is_late_for_a_healthy_invocation_leaves_it_alone(function):
    """It wakes when the next invocation is running, whose time has not come."""
    before = function.invoke({"do": "finish"}).json
    supervisor, _ = function.processes()
    processes.send([supervisor], signal.SIGSTOP)
    try:
        assert function.invoke({"do": "nap", "seconds": TIMEOUT_S * 0.7}).json == "rested"
        time.sleep(TIMEOUT_S * 0.5)
        running = function.begin({"do": "nap", "seconds": TIMEOUT_S * 0.6})
    finally:
        processes.send([supervisor], signal.SIGCONT)

    assert running.result().json == "rested"
    assert function.invoke({"do": "finish"}).json["pid"] == before["pid"]


def test_a_runtime_that_is_stopped_is_taken_over_from(function, lambda_api):
    """Whoever stopped it: the work goes on, and a new process serves the next invocation."""
    before = function.invoke({"do": "finish"}).json
    result = stopped_past_deadline(function, "runtime", {"do": "catch_and_say"})

    assert result.events == ["rescued", "continued"], result
    assert result.seconds < TIMEOUT_S
    assert function.invoke({"do": "finish"}).json["pid"] != before["pid"]
    assert len(lambda_api.calls) == 1


@pytest.mark.parametrize("who", ["supervisor", "runtime", "both"])
def test_whoever_is_stopped_for_a_moment_at_any_point_one_outcome_is_left(who, function, lambda_api, sample):
    """Stopped for a tenth of a second at a random time of a hand-over; the next invocation is never touched."""
    dice = random.Random(who)
    count = sample(20, 4)
    function.invoke({"do": "finish"})
    for number in range(count):
        calls = len(lambda_api.calls)
        supervisor, runtime = function.processes()
        at = TIMEOUT_S - dice.uniform(0.1, 0.6)
        pids = {"supervisor": [supervisor], "runtime": [runtime], "both": [supervisor, runtime]}[who]
        with Stalls() as stalls:
            began = time.time()
            running = function.begin({"do": "clean_up"})
            wait_until(lambda began=began, at=at: time.time() >= began + at, TIMEOUT_S, "time stands still")
            processes.send(pids, signal.SIGSTOP)
            time.sleep(0.1)
            processes.send(pids, signal.SIGCONT)
            result = running.result()
        after = function.invoke({"do": "finish"})

        where = f"{number}: stopped at {at:.3f} s: {result}"
        # A stop across the deadline is the platform's time-out, and so is one of the whole machine.
        assert not result.timed_out or at > TIMEOUT_S - 0.25 or stalls.longest_s > STALL_S, where
        assert len(lambda_api.calls) - calls <= 1, where
        if not result.timed_out:
            assert (result.error_type is None) == (len(lambda_api.calls) > calls), where
            wait_until(lambda: len(function.processes()) == 2, 5, where)
        assert after.json["event"] == {"do": "finish"}, where
