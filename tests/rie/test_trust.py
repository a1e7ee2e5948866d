"""A process that was interrupted serves on only where nothing was torn; what comes after it is innocent either way."""

import shutil
from pathlib import Path

import pytest

from tests.support.emulator import Emulator
from tests.support.functions import FUNCTIONS, continuing
from tests.support.runtimes import NEWEST, ROOT, RUNTIMES
from tests.support.slow_servers import serve

# One client for each Python: what is looked at are instructions.
PYTHONS = list({runtime.version: runtime for runtime in RUNTIMES}.values())

KEPT = [
    "count",
    "call_own",
    "in_helper",
    "in_method",
    "nested",
    "through_lists_of_list",
    "through_lists_of_dict",
    "with_lock",
    "with_finally",
    "with_manager",
    "with_class_manager",
    "with_work_afterwards",
    "poll",
    "go_through_items",
    "each",
    "by_wrapper",
    "fill_event",
]
# The exception comes where the alarm finds the function: in the middle of something, or where it leaves something out.
TORN = ("interrupted", "left_out")
REPLACED = {
    "left_out_release": TORN,
    "left_out_release_by_helper": TORN,
    "left_out_release_in_caller": TORN,
    "left_out_release_in_other_except": TORN,
    "left_out_release_of_flag": TORN,
    "left_out_release_of_result": TORN,
    "left_out_reset": TORN,
    "left_out_reset_of_list": TORN,
    "left_out_reset_of_class": TORN,
    "left_out_reset_of_turn": TORN,
    "left_out_commit": TORN,
    "left_out_of_generator": TORN,
    "left_out_of_one_of_the_generators": TORN,
    "left_out_of_manager": TORN,
    "left_out_of_class_manager": TORN,
    "left_out_of_made_manager": TORN,
    "left_out_of_stack": TORN,
    "left_out_of_wrapper": TORN,
    "left_out_release_by_map": TORN,
    "left_out_release_by_sorted": TORN,
    "left_out_reset_by_map": TORN,
    "left_out_of_queue": TORN,
    "left_out_of_list": TORN,
    "left_out_of_sum": TORN,
    "left_out_of_rest": TORN,
    "left_out_of_star": TORN,
    "left_out_of_own_class": TORN,
    "left_out_of_operator": TORN,
    "left_out_of_in": TORN,
    "left_out_of_property": TORN,
    "left_out_print": TORN,
    "in_each_turn": TORN,
    "take_jobs": TORN,
    "fill_cache": TORN,
    "fill_by_key": TORN,
    "fill_by_helper": TORN,
    "count_in_global": TORN,
    "read_rows": TORN,
    "read_by_helper": TORN,
    "read_by_bound_method": TORN,
    "read_by_next": TORN,
    "read_by_partial": TORN,
    "called_back_by_sorted": TORN,
    "called_back_by_sub": TORN,
    "called_back_by_operator": TORN,
    "wait": ("interrupted",),
    "wait_in_loop": ("interrupted",),
    "wait_for_event": ("interrupted",),
    "wait_for_queue": ("interrupted",),
    "call_library": ("interrupted",),
    "swallow": ("swallowed",),
    "raise_another": ("another_error",),
    "raise_a_new_one": ("another_error",),
}


@pytest.fixture(params=PYTHONS, ids=str)
def python(request):
    """Each Python."""
    return request.param


def interrupt(function, **event):
    """Run out of time, then invoke two innocent ones; returns the line, and whether the process has stayed."""
    before = function.invoke({"do": "probe"}).json
    stopped = function.invoke({"items": [1], "names": {"a": 1}, **event})
    after = [function.invoke({"do": "probe"}).json for _ in range(2)]
    assert [one["left"] for one in after] == [None, None], stopped
    assert after[0]["pid"] == after[1]["pid"], stopped
    assert stopped.events[0] == "time_is_up", stopped
    return stopped.lines[0]["carryon"], before["pid"] == after[0]["pid"]


def test_a_process_is_kept_only_where_nothing_was_torn(python, layer):
    """Between two turns of an own loop, with nothing left out that others may miss; else another takes its place."""
    with Emulator(python, FUNCTIONS, "torn.handler", layer=layer, timeout_s=1) as function:
        for do in KEPT:
            line, is_same = interrupt(function, do=do)
            assert (do, line["process"], line["process_why"], is_same) == (do, "kept", "boundary", True), line
        for do, reasons in REPLACED.items():
            line, is_same = interrupt(function, do=do)
            assert (do, line["process"], is_same) == (do, "replaced", False), line
            assert line["process_why"] in reasons, line
    assert function.leftovers == []


def test_what_the_state_puts_back_is_no_reason_to_replace_a_process(python, layer, lambda_api):
    """A loop that goes on in the successor may have changed the variables that travel."""
    env = continuing(lambda_api, CARRYON_STATE="counted,totals,sizes")
    with Emulator(python, FUNCTIONS, "torn.handler", layer=layer, timeout_s=1, env=env) as function:
        for do in ("count_in_global", "fill_by_helper", "fill_by_key"):
            line, is_same = interrupt(function, do=do)
            assert (do, line["process"], is_same) == (do, "kept", True), line


@pytest.mark.parametrize(
    ("setting", "do", "expected"),
    [
        ("keep", "wait", ("kept", "setting", True)),
        ("keep", "swallow", ("kept", "setting", True)),
        ("fresh", "count", ("replaced", "setting", False)),
    ],
)
def test_the_setting_decides(setting, do, expected, newest_runtime, layer):
    """`keep` and `fresh` ask for no reason."""
    env = {"CARRYON_PROCESS": setting}
    with Emulator(newest_runtime, FUNCTIONS, "torn.handler", layer=layer, timeout_s=1, env=env) as function:
        line, is_same = interrupt(function, do=do)

    assert (line["process"], line["process_why"], is_same) == expected


def test_a_thread_that_the_module_has_started_is_not_left_running(newest_runtime, layer):
    """In the invocation after a replacement too, in which the module is loaded; one of the handler's is."""
    env = {"START_AT_IMPORT": "1"}
    with Emulator(newest_runtime, FUNCTIONS, "torn.handler", layer=layer, timeout_s=1, env=env) as function:
        lines = [
            function.invoke({"do": do}).lines[0]["carryon"]
            for do in ("wait", "count", "start_and_count", "start_and_count", "count")
        ]

    reasons = ["interrupted", "boundary", "left_running", "left_running", "boundary"]
    assert [line["process_why"] for line in lines] == reasons


def test_an_import_is_never_interrupted(python, layer):
    """Some modules cannot be imported again after one: it ends first, or the process does."""
    env = {"IMPORT_S": "0.6", "CARRYON_MARGIN": "500ms"}
    with Emulator(python, FUNCTIONS, "torn.handler", layer=layer, timeout_s=1, env=env) as function:
        line, _ = interrupt(function, do="import_slowly_and_wait")
        assert line["stopped_at"][0].endswith("import_slowly_and_wait")
        assert line["elapsed_ms"] >= 600
        env["IMPORT_S"] = "5"
    with Emulator(python, FUNCTIONS, "torn.handler", layer=layer, timeout_s=1, env=env) as function:
        before = function.invoke({"do": "probe"}).json
        stopped = function.invoke({"do": "import_slowly_and_wait"})
        after = function.invoke({"do": "probe"}).json

    assert stopped.events == ["rescued"]
    assert before["pid"] != after["pid"]


def test_a_process_that_no_other_can_replace_is_kept_and_the_line_says_so(newest_runtime, layer, tmp_path):
    """Without a supervisor, which another part of the layer that is missing stands for."""
    damaged = Path(shutil.copytree(layer, tmp_path / "layer"))
    for part in damaged.rglob("standby.*"):
        part.unlink()
    with Emulator(newest_runtime, FUNCTIONS, "torn.handler", layer=damaged, timeout_s=1) as function:
        line, is_same = interrupt(function, do="wait")

    assert (line["process"], line["process_why"], is_same) == ("kept", "no_supervisor", True)


def test_what_was_printed_and_answered_comes_before_the_end_of_the_process(newest_runtime, layer, lambda_api):
    """The answer is posted, what lies in buffers is written; no code of the function's runs at its exit."""
    env = continuing(lambda_api)
    with Emulator(newest_runtime, FUNCTIONS, "torn.handler", layer=layer, timeout_s=1, env=env) as function:
        function.invoke({"do": "probe"})
        stopped = function.invoke({"do": "print_at_the_end"})
        after = function.invoke({"do": "probe"})

    assert stopped.json["carryon"]["continued"] is True
    assert stopped.events == ["time_is_up", "continued"]
    assert stopped.lines[0]["carryon"]["process"] == "replaced"
    assert "still in the buffer" in function.log
    assert "at exit" not in function.log
    assert after.json["left"] is None
    assert len(lambda_api.calls) == 1


def test_a_standby_that_was_lost_is_forked_after_the_end_of_the_process(newest_runtime, layer):
    """As where there was no memory for two of them before."""
    with Emulator(newest_runtime, FUNCTIONS, "torn.handler", layer=layer, timeout_s=3) as function:
        line, is_same = interrupt(function, do="kill_helpers_and_wait")

    assert (line["process"], is_same) == ("replaced", False)


def test_an_environment_ends_where_no_other_process_can_be_had(newest_runtime, layer, tmp_path):
    """What was torn serves nobody: the platform begins anew, as after a timeout without the layer."""
    refusing = Path(shutil.copytree(layer, tmp_path / "layer"))
    (source,) = refusing.rglob("runtimes.py")
    source.write_text(source.read_text().replace("ends += os.pipe()", "raise OSError('refused')", 1))
    for compiled in refusing.rglob("runtimes.*.pyc"):
        compiled.unlink()
    with Emulator(newest_runtime, FUNCTIONS, "torn.handler", layer=refusing, timeout_s=2) as function:
        before = function.invoke({"do": "parent"}).json
        stopped = function.invoke({"do": "left_out_release"})
        after = [function.invoke({"do": "probe"}).json for _ in range(2)]
        parent = function.invoke({"do": "parent"}).json

    assert stopped.json["errorType"] == "Carryon.TimeIsUp"
    assert [one["left"] for one in after] == [None, None]
    assert before["parent"] != parent["parent"]


def test_an_environment_ends_where_another_import_would_take_half_of_the_time(newest_runtime, layer):
    """The next invocation begins anew, as after a timeout without the layer; a failed one is failed either way."""
    env = {"COMPUTE_AT_IMPORT_S": "0.5", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128"}
    with Emulator(newest_runtime, FUNCTIONS, "torn.handler", layer=layer, timeout_s=3, env=env) as function:
        before = function.invoke({"do": "parent"}).json
        stopped = function.invoke({"do": "wait"})
        after = [function.invoke({"do": "parent"}).json for _ in range(2)]

    assert stopped.json["errorType"] == "Carryon.TimeIsUp"
    assert before["parent"] != after[0]["parent"] == after[1]["parent"]


# In C code that does not look up.
RESCUED = "rescued"
LIBRARIES = {
    "pg8000": "interrupted",
    "psycopg": RESCUED,
    "sqlalchemy": "interrupted",
    "redis": "interrupted",
    "pymemcache": "interrupted",
    "smtplib": "interrupted",
    "http_client": "interrupted",
    "requests": "interrupted",
    "boto3": "interrupted",
    "grpc": RESCUED,
    # The pool of the invocation before, where that ended right before this one began.
    "processes": "left_running or interrupted",
    "thread_pool": "left_running",
    "boto3_in_pool": "left_running",
    "mangum": "left_running",
    "powertools_batch": "interrupted",
    "queue_listener": "boundary",
}


@pytest.fixture(name="servers", scope="module")
def _servers():
    with serve() as ports:
        yield ports


@pytest.mark.parametrize("library", LIBRARIES)
def test_nobody_gets_the_answer_of_an_interrupted_invocation(library, layer, servers):
    """Each of these libraries, in a client that is kept: whoever asks next gets what was asked for."""
    packages = f"{ROOT / '.cache/libraries'}:{ROOT / '.cache/packages' / f'py{NEWEST.version}'}"
    ports = ",".join(f"{name}={port}" for name, port in servers.items())
    env = {"PACKAGES": packages, "PORTS": ports, "CARRYON_MARGIN": "50%"}
    with Emulator(NEWEST, FUNCTIONS, "clients.handler", layer=layer, timeout_s=4, env=env) as function:
        before = function.invoke({"do": library, "name": "ann"})
        stopped = function.invoke({"do": library, "name": "slow-bob"})
        after = [function.invoke({"do": library, "name": name}) for name in ("carol", "dave")]

    assert before.json["got"] == "ann", before
    line = stopped.lines[0]["carryon"]
    assert line.get("process_why", line["event"]) in LIBRARIES[library].split(" or "), stopped
    assert [one.json["got"] for one in after] == ["carol", "dave"], (stopped, after)
    is_kept = before.json["pid"] == after[0].json["pid"]
    assert is_kept == (line.get("process") == "kept")


def test_what_a_pool_has_queued_is_not_done_in_a_later_invocation(layer):
    """A library's function, submitted as it is, is at work all the same: two threads have begun with two of six."""
    puts = []
    with serve(puts) as ports:
        env = {"PACKAGES": "", "PORTS": f"http={ports['http']}", "CARRYON_MARGIN": "50%"}
        with Emulator(NEWEST, FUNCTIONS, "clients.handler", layer=layer, timeout_s=4, env=env) as function:
            stopped = function.invoke({"do": "boto3_in_pool", "name": "slow-bob"})
            after = [function.invoke({"do": "boto3_in_pool", "name": name}) for name in ("carol", "dave")]

    assert stopped.lines[0]["carryon"]["process_why"] == "left_running"
    assert [one.json["got"] for one in after] == ["carol", "dave"]
    assert sum("slow-bob" in path for path in puts) == 2
    assert len(puts) == 2 + 6 + 6


def test_an_import_of_numpy_is_never_interrupted(layer, servers):
    """Interrupted, its C part cannot be loaded again, and every later invocation fails."""
    packages = str(ROOT / ".cache/packages" / f"py{NEWEST.version}")
    env = {"PACKAGES": packages, "PORTS": "http=1"}
    with Emulator(NEWEST, FUNCTIONS, "clients.handler", layer=layer, timeout_s=2, env=env) as function:
        stopped = function.invoke({"do": "numpy", "name": "slow-bob"})
        after = [function.invoke({"do": "numpy", "name": name}) for name in ("carol", "dave")]

    assert stopped.events == ["rescued"], stopped
    assert [one.json["got"] for one in after] == ["carol", "dave"], (stopped, after)
