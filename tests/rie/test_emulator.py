"""The emulator with a bare function: what the other tests take for granted."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.emulator import Emulator, carryon_lines
from tests.support.runtimes import RUNTIME_FOLDER

FOLDER = Path(__file__).parent / "emulator"


@pytest.mark.parametrize("flavour", ["platform", "module"])
def test_a_function_runs_with_the_environment_of_lambda_only(runtime, flavour, monkeypatch):
    """Nothing of the developer's settings reaches the function, and the platform's variables are there."""
    monkeypatch.setenv("AWS_PROFILE", "work")
    monkeypatch.setenv("CARRYON_TO", "self")
    with Emulator(runtime, FOLDER, flavour=flavour, env={"OWN": "1"}) as function:
        result = function.invoke(request_id="11111111-2222-3333-4444-555555555555")

    environment = result.json["environment"]
    assert not {"AWS_PROFILE", "CARRYON_TO"} & set(environment)
    assert environment["OWN"] == "1"
    assert environment["AWS_EXECUTION_ENV"] == f"AWS_Lambda_python{runtime.version}"
    assert environment["LAMBDA_TASK_ROOT"] == str(FOLDER)
    assert result.json["request_id"] == result.request_id == "11111111-2222-3333-4444-555555555555"
    assert result.log == "started\n"


def test_layers_are_on_the_path_unless_pythonpath_is_set(newest_runtime, tmp_path):
    """The platform's script puts the function first and layers next, and leaves them out once PYTHONPATH is set."""
    layers = str(tmp_path / "python")
    with Emulator(newest_runtime, FOLDER, layer=tmp_path, wrapper=False) as function:
        as_usual = function.invoke().json
    with Emulator(newest_runtime, FOLDER, layer=tmp_path, wrapper=False, env={"PYTHONPATH": "/set"}) as function:
        with_own_path = function.invoke().json

    assert as_usual["path"][0] == with_own_path["path"][0] == str(FOLDER)
    assert as_usual["path"].index(layers) < as_usual["path"].index(str(RUNTIME_FOLDER))
    assert as_usual["environment"]["PYTHONPATH"] == str(RUNTIME_FOLDER)
    assert layers not in with_own_path["path"]
    assert "/set" in with_own_path["path"]


def test_a_bare_function_is_killed_at_its_deadline(edge_runtime):
    """The platform gives no warning; the next invocation starts a new process."""
    with Emulator(edge_runtime, FOLDER, timeout_s=1) as function:
        first = function.invoke().json["process"]
        killed = function.invoke({"sleep_s": 30})
        second = function.invoke().json["process"]

    assert killed.timed_out
    assert function.log.count("started") == 3
    assert killed.log == "started\n"
    assert first != second


def test_a_failed_invocation_has_an_error_type(newest_runtime):
    """The status says 200 all the same."""
    with Emulator(newest_runtime, FOLDER, "app.fail") as function:
        result = function.invoke()

    assert (200, "ValueError") == (result.status, result.error_type)


def test_a_function_can_be_frozen_in_the_middle(newest_runtime):
    """Every process stops, and the invocation ends after the thaw."""
    with Emulator(newest_runtime, FOLDER, timeout_s=10) as function:
        running = function.begin({"sleep_s": 0.2})
        function.wait_for_log("started")
        stopped = function.freeze()
        states = [processes.state(pid) for pid in stopped]
        function.thaw(stopped)
        result = running.result(20)

    assert states == ["T"] * len(stopped)
    assert stopped
    assert result.error_type is None


def test_what_outlives_the_emulator_is_named_and_killed(newest_runtime):
    """A child in a session of its own survives the platform's kill, but not the end of the test."""
    function = Emulator(newest_runtime, FOLDER)
    function.invoke({"stray": True})
    pids = function.processes()

    function.close()

    assert len(function.leftovers) == 1
    assert "time.sleep(60)" in function.leftovers[0]
    assert {processes.state(pid) for pid in pids} <= {"X", "Z"}


def test_marked_processes_are_found_in_a_session_of_their_own():
    """The mark is inherited, whatever the process does to its parents."""
    child = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"],
        env={**os.environ, "MARKED_FOR_TEST": "yes"},
        start_new_session=True,
    )
    try:
        processes.wait_until(lambda: processes.marked("MARKED_FOR_TEST", "yes") == [child.pid], 10, "not found")
    finally:
        processes.send([child.pid], signal.SIGKILL)
        child.wait()

    assert processes.marked("MARKED_FOR_TEST", "yes") == []


def test_lines_of_carry_on_are_told_from_the_functions_own():
    """Only JSON objects with our logger's name count."""
    log = 'x\n{"logger": "other", "carryon": 1}\n{"carryon" broken\n{"logger": "carryon", "carryon": {"event": "a"}}\n'

    assert [{"logger": "carryon", "carryon": {"event": "a"}}] == carryon_lines(log)
