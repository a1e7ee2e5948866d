"""The supervisor answers where the runtime process does not, and stays out of the way where it does."""

import concurrent.futures
import itertools
import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.emulator import Emulator
from tests.support.functions import FUNCTIONS, continuing

TIMEOUT_S = 3
# So small that the helpers start 1.2 s before the alarm.
SOON_MB = 442
MARGIN_MS = 500


@pytest.fixture(name="outer")
def _outer(edge_runtime, layer, lambda_api):
    env = continuing(lambda_api, ELASTICAPM_ORIGINAL_HANDLER="outer.handler")
    with Emulator(edge_runtime, FUNCTIONS, "elasticapm_handler.lambda_handler", layer=layer, env=env) as function:
        yield function
    assert function.leftovers == []


@pytest.mark.parametrize("flush", ["hangs", "dies"])
def test_a_layer_around_the_function_that_does_not_end_loses_no_answer(flush, outer, lambda_api):
    """The work is with its successor already: it is answered for, not delivered again."""
    before = outer.invoke({}).json
    stopped = outer.invoke({"do": "run_out_of_time", "flush": flush})
    after = outer.invoke({}).json

    assert stopped.seconds < TIMEOUT_S
    assert stopped.json["carryon"]["continued"] is True
    assert stopped.events == ["time_is_up", "continued", "rescued", "continued"], stopped
    assert stopped.lines[2]["carryon"]["stage"] == "answer"
    assert len(lambda_api.calls) == 1
    assert before != after


def test_without_a_target_a_stuck_function_fails_with_its_stack(edge_runtime, layer):
    """The error names the line, and what to set to have the work carried on."""
    with Emulator(edge_runtime, FUNCTIONS, "restored.handler", layer=layer) as function:
        before = function.invoke({}).json
        stopped = function.invoke({"do": "swallow"})
        after = function.invoke({}).json

    assert stopped.seconds < TIMEOUT_S
    assert stopped.error_type == "Carryon.TimeIsUp"
    assert "restored.py:" in stopped.json["errorMessage"]
    assert "set CARRYON_TO" in stopped.json["errorMessage"]
    assert "in handler" in "".join(stopped.json["stackTrace"])
    assert stopped.events == ["rescued"]
    assert stopped.lines[0]["carryon"]["stopped_at"][-1].endswith(" handler")
    assert before["pid"] != after["pid"]


def test_no_alarm_interrupts_the_import_of_a_process_that_took_over(edge_runtime, layer, lambda_api, tmp_path):
    """It imports the function within its first invocation; half a module would be left in it for good."""
    env = continuing(lambda_api, CARRYON_MARGIN="50%", SEEN=str(tmp_path / "seen"), IMPORT_S="2.4")
    with Emulator(edge_runtime, FUNCTIONS, "slow_import.handler", layer=layer, env=env, timeout_s=4) as function:
        before = function.invoke({}).json
        function.invoke({"do": "swallow"})
        after = [function.invoke({}) for _ in range(2)]

    # The alarm would have gone off after two seconds.
    assert after[0].seconds > 2.4
    assert [result.json["interrupted"] for result in after] == [None, None]
    assert before["pid"] != after[0].json["pid"] == after[1].json["pid"]
    assert after[0].events == []


def test_a_process_that_took_over_logs_where_the_platform_reads(newest_runtime, layer, lambda_api, tmp_path):
    """It is told the descriptor that the first one was told, and has it open."""
    telemetry = tmp_path / "telemetry"
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(f'#!/bin/sh\nexec 9>>{telemetry}\nexport _LAMBDA_TELEMETRY_LOG_FD=9\nexec "$@"\n')
    wrapper.chmod(0o755)
    env = continuing(lambda_api, CARRYON_NEXT_WRAPPER=str(wrapper))
    with Emulator(newest_runtime, FUNCTIONS, "work.handler", layer=layer, env=env) as function:
        for count in (1, 2):
            function.invoke({"do": "log_much"})
            assert telemetry.read_bytes().count(b"the function's last words") == count
            function.invoke({"do": "complete_and_get_stuck"})


def test_a_stuck_process_that_has_answered_meanwhile_is_left_alone(edge_runtime, layer, lambda_api, sample):
    """Whenever the handler ends around the supervisor's turn: one outcome, and the next invocation is served."""
    # Twice the default, as a machine that is kept busy may not run anybody for a tenth of a second.
    env = continuing(lambda_api, CARRYON_MARGIN="1s")
    outcomes = set()
    with Emulator(edge_runtime, FUNCTIONS, "work.handler", layer=layer, env=env) as function:
        function.invoke({"do": "echo"})
        for seconds in range(450, 550, 100 // sample(20, 4)):
            calls = len(lambda_api.calls)
            result = function.invoke({"do": "clean_up_for", "seconds": seconds / 1000})
            outcomes.add(tuple(result.events))
            assert not result.timed_out, result
            assert result.json["carryon"]["continued"] is True, result
            assert len(lambda_api.calls) == calls + 1
            assert function.invoke({"do": "echo"}).json == {"do": "echo"}
        processes.wait_until(lambda: len(function.processes()) == 2, 5, "processes are left")
    assert function.leftovers == []


def test_a_runtime_that_is_told_to_end_is_not_replaced(newest_runtime, layer):
    """It has its grace time, its own handler, and nobody comes after it."""
    with Emulator(newest_runtime, FUNCTIONS, "work.handler", layer=layer) as function:
        function.invoke({"do": "echo"})
        supervisor, _ = function.processes()
        running = function.begin({"do": "end_in_a_moment"})
        function.wait_for_log("ready")
        processes.send([supervisor], signal.SIGTERM)
        result = running.result()
        processes.wait_until(lambda: supervisor not in function.processes(), 5, "the supervisor goes on")

    assert "cleaned up in time" in result.log
    assert result.error_type == "Runtime.ExitError"
    assert "exit status 5" in result.json["errorMessage"]


def attendants(function):
    """The process ids of courier and standby, once both are there."""
    processes.wait_until(lambda: len(function.processes()) == 4, TIMEOUT_S, "no courier and standby")
    return function.processes()[2:]


def test_helpers_are_the_first_to_go_when_memory_is_short_and_gone_with_the_invocation(
    newest_runtime, layer, lambda_api
):
    """The OOM killer takes the courier before the function."""
    options = {"layer": layer, "env": continuing(lambda_api), "memory_mb": SOON_MB}
    with Emulator(newest_runtime, FUNCTIONS, "work.handler", **options) as function:
        function.invoke({"do": "echo"})
        running = function.begin({"do": "nap", "seconds": 2.2})
        helpers = attendants(function)
        processes.wait_until(lambda: max(map(oom_score, helpers)) == 1_000, 5, "no helper offers itself")
        assert all(oom_score(pid) < 1_000 for pid in function.processes()[:2])
        assert running.result().json == "rested"
        processes.wait_until(lambda: len(function.processes()) == 2, 5, "helpers are left")

    assert lambda_api.calls == []


def oom_score(pid):
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may show a function another /proc/meminfo")
@pytest.mark.parametrize(("available_mb", "started"), [(21, 2), (19, 1), (11, 0)])
def test_helpers_are_not_started_when_memory_is_short(
    available_mb, started, newest_runtime, layer, lambda_api, tmp_path
):
    """No standby where there is room for little more than the function, and below that no courier."""
    (tmp_path / "meminfo").write_text(f"MemTotal: 131072 kB\nMemAvailable: {available_mb << 10} kB\n")
    mount = f'mount --bind {tmp_path}/meminfo /proc/meminfo && exec "$0" "$@"'
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(f"#!/bin/sh\nexec unshare --mount sh -c '{mount}' \"$@\"\n")
    wrapper.chmod(0o755)
    env = continuing(lambda_api, CARRYON_NEXT_WRAPPER=str(wrapper))
    with Emulator(newest_runtime, FUNCTIONS, "work.handler", layer=layer, env=env, memory_mb=SOON_MB) as function:
        function.invoke({"do": "echo"})
        running = function.begin({"do": "nap", "seconds": 2.2})
        most = 0
        while not running.done():
            most = max(most, len(function.processes()))
            time.sleep(0.01)
        stopped = function.invoke({"do": "clean_up"})
        after = function.invoke({"do": "echo"})

    assert most == 2 + started
    # It is started in the end where there is something to deliver.
    assert "carryon" in stopped.json or stopped.error_type == "Carryon.DeliveryFailed"
    assert after.json == {"do": "echo"}


def test_no_process_that_takes_over_is_killed_by_its_start(newest_runtime, layer, sample):
    """Rescues in a row, in several environments at once: each process serves one invocation, and is replaced in it."""
    env = {"CARRYON_MARGIN": "50%"}

    def replace(count):
        with Emulator(newest_runtime, FUNCTIONS, "aftermath.handler", layer=layer, timeout_s=1, env=env) as function:
            for _ in range(count):
                replaced = function.invoke({"do": "leave_daemon_thread", "path": os.devnull})
                assert replaced.error_type == "Carryon.TimeIsUp", replaced
                assert "left_running" in replaced.lines[0]["carryon"], replaced
            pids = re.findall(r"pid=(\d+)", function.log)
        assert len(pids) == count
        assert all(pid != before for before, pid in itertools.pairwise(pids))

    environments = sample(10, 2)
    each = sample(5_000, 10) // environments
    with concurrent.futures.ThreadPoolExecutor(environments) as pool:
        for _ in pool.map(replace, [each] * environments):
            pass
