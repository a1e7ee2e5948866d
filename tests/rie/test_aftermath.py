"""After a hand-over nothing of the function's goes on running, and what it keeps for later is still there."""

import http.server
import threading

import pytest

from tests.support.emulator import Emulator
from tests.support.functions import FUNCTIONS, continuing
from tests.support.processes import wait_until
from tests.support.runtimes import ROOT

LEFT = {
    "leave_thread": "thread ",
    "leave_daemon_thread": "thread ",
    "leave_executor": "thread ",
    "leave_process": "process ",
    "leave_orphan": "process ",
    "leave_forked_process": "process ",
    "leave_task": "task ",
}


@pytest.fixture(name="start")
def _start(layer, lambda_api):
    def start(runtime, **settings):
        env = continuing(lambda_api, **settings)
        return Emulator(runtime, FUNCTIONS, "aftermath.handler", layer=layer, env=env)

    return start


@pytest.mark.parametrize("do", LEFT)
def test_what_a_handler_has_left_at_work_is_stopped_before_the_work_goes_on(
    do, edge_runtime, start, lambda_api, tmp_path
):
    """In Lambda it would go on in the next invocation; the process is replaced with it."""
    path = tmp_path / "written"
    with start(edge_runtime) as function:
        before = function.invoke({"do": "run_loop"})
        running = function.begin({"do": do, "path": str(path)})
        lambda_api.wait_for_calls(1)
        written = path.stat().st_size
        stopped = running.result()
        after = function.invoke({"do": "run_loop"})
        wait_until(lambda: len(function.processes()) == 2, 5, "processes are left")

    assert stopped.json["carryon"]["continued"] is True
    assert stopped.events == ["time_is_up", "continued"], stopped
    # Of the loop there are two: the one that runs it until it is done is a library's.
    left = stopped.lines[0]["carryon"]["left_running"]
    assert len(left) == 1 + (do == "leave_task")
    assert all(one.startswith(LEFT[do]) for one in left)
    assert written == path.stat().st_size, "it went on while the successor was started"
    assert before.json["pid"] != after.json["pid"]
    assert len(lambda_api.calls) == 1
    assert function.leftovers == []


def test_a_thread_of_an_executor_from_before_counts_when_it_works(newest_runtime, start, tmp_path):
    """What it does is this invocation's work, however old the thread is."""
    with start(newest_runtime) as function:
        before = function.invoke({"do": "make_executor"})
        stopped = function.invoke({"do": "leave_old_executor", "path": str(tmp_path / "written")})
        after = function.invoke({"do": "echo"})

    assert len(stopped.lines[0]["carryon"]["left_running"]) == 1
    assert before.json["pid"] != after.json["pid"]


@pytest.fixture(name="upload_url")
def _upload_url():
    class Server(http.server.BaseHTTPRequestHandler):
        def do_PUT(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("library", ["boto3", "opentelemetry"])
def test_an_ordinary_hop_keeps_process_clients_caches_and_idle_threads(library, edge_runtime, start, upload_url):
    """The real libraries: threads that wait for the next transfer, and one that exports now and then."""
    packages = str(ROOT / ".cache/packages" / f"py{edge_runtime.version}")
    event = {"library": library, "url": upload_url, "packages": packages}
    with start(edge_runtime) as function:
        before = function.invoke({**event, "do": "keep"}).json
        stopped = function.invoke({**event, "do": "run_out_of_time_with"})
        after = function.invoke({**event, "do": "what_is_kept"}).json

    assert len(before["threads"]) > 1
    assert stopped.events == ["time_is_up", "continued"]
    assert "left_running" not in stopped.lines[0]["carryon"]
    assert before == {**after, "kept": before["kept"]}
    assert [name for name, _ in before["kept"]] == [name for name, _ in after["kept"]]
    different = {name for (name, one), (_, other) in zip(before["kept"], after["kept"], strict=True) if one != other}
    assert different <= {"cache"}


@pytest.mark.parametrize("library", ["boto3", "opentelemetry"])
def test_threads_that_a_library_starts_in_the_invocation_that_ends_are_kept(library, edge_runtime, start, upload_url):
    """They execute nothing of the function's."""
    packages = str(ROOT / ".cache/packages" / f"py{edge_runtime.version}")
    event = {"library": library, "url": upload_url, "packages": packages}
    with start(edge_runtime) as function:
        before = function.invoke({"do": "echo"}).json
        stopped = function.invoke({**event, "do": "run_out_of_time_with"})
        after = function.invoke({**event, "do": "what_is_kept"}).json

    assert "left_running" not in stopped.lines[0]["carryon"], stopped
    assert before["pid"] == after["pid"]
    assert len(after["threads"]) > 1
