"""Whatever fails in the supervisor concerns one invocation: the next one is watched over again."""

import contextlib
import os
import random
import resource
import shutil
from pathlib import Path

import pytest

from tests.support.emulator import Emulator
from tests.support.functions import continuing
from tests.support.log_schema import validated
from tests.support.processes import wait_until

FOLDER = Path(__file__).parent / "faulty_supervisor"
TIMEOUT_S = 2


@pytest.fixture(name="plan")
def _plan(tmp_path):
    """The file by which calls of the supervisor fail."""
    return tmp_path / "plan"


@pytest.fixture(name="function")
def _function(newest_runtime, layer, lambda_api, plan):
    env = continuing(lambda_api, CARRYON_MARGIN="50%", CARRYON_EVENT="current", PYTHONPATH=str(FOLDER), PLAN=str(plan))
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

    for point in random.sample(every, min(sample(1_000, 1), len(every))):
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


@pytest.fixture(name="pids")
def _pids():
    """A control group in which the number of processes can be limited; whoever is in it at the end is let go."""
    root = Path("/sys/fs/cgroup/pids")
    if os.geteuid() or not (root / "cgroup.procs").exists():
        pytest.skip("needs root and the pids controller of cgroup version 1")
    group = root / f"carryon-{os.getpid()}"
    group.mkdir()
    yield group
    for pid in (group / "cgroup.procs").read_text().split():
        with contextlib.suppress(ProcessLookupError):
            (root / "cgroup.procs").write_text(pid)
    group.rmdir()


def missing(result):
    """The helpers that the supervisor could not have."""
    validated(result)
    return {line["carryon"]["helper"] for line in result.lines if line["carryon"]["event"] == "helper_missing"}


def test_at_a_limit_of_processes_the_function_fails_with_a_reason_and_goes_on(function, pids, lambda_api):
    """No courier and no standby; the process that is stuck makes room for its successor, and later all is well."""
    function.invoke({"do": "echo"})
    for pid in function.processes():
        (pids / "cgroup.procs").write_text(str(pid))
    running = function.begin({"do": "stuck"})
    function.wait_for_log("stuck")
    (pids / "pids.max").write_text((pids / "pids.current").read_text())
    function.wait_for_log('"helper":"successor"')
    # The runtime client needs a thread.
    (pids / "pids.max").write_text("max")
    stuck = running.result()

    assert missing(stuck) == {"courier", "standby", "successor"}
    assert stuck.error_type == "Carryon.DeliveryFailed", stuck
    assert "no courier could be started" in stuck.json["errorMessage"]
    assert lambda_api.calls == []
    assert_watched_over(function, lambda_api)


def test_without_descriptors_there_is_no_standby_but_a_successor(function, lambda_api):
    """Those of the process that was stuck are free for it."""
    function.invoke({"do": "echo"})
    supervisor, _ = function.processes()
    taken = set(map(int, os.listdir(f"/proc/{supervisor}/fd")))
    # A standby needs four for a moment, a look at /proc one.
    third_free = sorted(set(range(len(taken) + 3)) - taken)[2]
    before = resource.prlimit(supervisor, resource.RLIMIT_NOFILE)
    running = function.begin({"do": "stuck"})
    function.wait_for_log("stuck")
    resource.prlimit(supervisor, resource.RLIMIT_NOFILE, (third_free + 1, before[1]))
    function.wait_for_log('"helper":"successor"')
    # The successor has the limit of the process that it was forked from.
    wait_until(lambda: len(function.processes()) >= 2 and running.done(), 5, "no successor")
    for pid in function.processes():
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    stuck = running.result()

    assert missing(stuck) == {"standby", "successor"}
    assert stuck.json["carryon"]["continued"] is True, stuck
    assert len(lambda_api.calls) == 1
    assert_watched_over(function, lambda_api)


def test_at_a_users_limit_of_processes_the_function_goes_on(newest_runtime, layer, lambda_api, tmp_path):
    """RLIMIT_NPROC counts all that a user has; root is not counted, and may read what the function needs."""
    if os.geteuid() or not shutil.which("setpriv"):
        pytest.skip("needs root, who becomes another user by setpriv(1)")
    user = 70_000 + os.getpid() % 10_000
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(
        "#!/bin/sh\n"
        f"exec setpriv --reuid {user} --clear-groups --inh-caps +dac_override,+dac_read_search "
        '--ambient-caps +dac_override,+dac_read_search "$@"\n'
    )
    wrapper.chmod(0o755)
    env = continuing(lambda_api, CARRYON_MARGIN="50%", CARRYON_NEXT_WRAPPER=str(wrapper))
    with Emulator(newest_runtime, FOLDER, layer=layer, timeout_s=TIMEOUT_S, env=env) as function:
        function.invoke({"do": "echo"})
        assert {os.stat(f"/proc/{pid}").st_uid for pid in function.processes()} == {user}
        function.invoke({"do": "limit_supervisor", "limit": "RLIMIT_NPROC", "to": 1})
        stuck = function.invoke({"do": "stuck"})
        assert missing(stuck) >= {"courier", "standby"}
        assert stuck.error_type == "Carryon.DeliveryFailed", stuck
        # Alone, the supervisor may not have a child any more.
        assert function.invoke({"do": "echo"}).json == {"do": "echo"}
        assert_watched_over(function, lambda_api)
