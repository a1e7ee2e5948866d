"""Threads that start with the interpreter: the function has them, and a supervisor beside it all the same."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.emulator import Emulator
from tests.support.functions import continuing
from tests.support.runtimes import ROOT

FOLDER = Path(__file__).parent / "threads_at_start"
SITE = FOLDER / "site"
NOWHERE = "127.0.0.1:9"
OPENTELEMETRY = {
    "OTEL_TRACES_EXPORTER": "console",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
}
DATADOG = {
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
    "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    "DD_TRACE_AGENT_URL": f"http://{NOWHERE}",
    "DD_RUNTIME_METRICS_ENABLED": "false",
    "DD_TRACE_STARTUP_LOGS": "false",
}
# How each is started in practice, and whether it has a thread then.
WAYS = {
    "sitecustomize": True,
    "pth": True,
    "opentelemetry": True,
    "opentelemetry outside": True,
    "ddtrace": None,
    "coverage": False,
    # It hides its threads.
    "debugpy": None,
}
# Its adapter is a Python too.
_LISTEN = """
import os
if not os.environ.get("LISTENS"):
    os.environ["LISTENS"] = "1"
    import debugpy
    debugpy.listen(("127.0.0.1", 0))
"""
# What starts with the interpreter may take a second, and several on a machine that is kept busy.
TIMEOUT_S = 6


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)
    return path


class Way:
    """How a function is started with such a tool: `bare` without the layer, or with it."""

    def __init__(self, way, runtime, layer, folder):
        self.way, self.runtime, self.layer, self.folder = way, runtime, layer, folder
        packages = ROOT / ".cache/packages"
        at_start = packages / f"at-start-py{runtime.version}"
        self.env = {"STARTED": str(folder / "started")}
        self.instrument = ""
        own = folder / "own"
        own.mkdir()
        if way == "sitecustomize":
            self.env["PYTHONPATH"] = str(SITE)
        elif way == "pth":
            # Only a folder of the interpreter's own has such files looked at.
            subprocess.run([runtime.python, "-m", "venv", "--without-pip", folder / "venv"], check=True)
            (site,) = (folder / "venv/lib").glob("*/site-packages")
            libraries = runtime.python.parent.parent / f"lib/python{runtime.version}/site-packages"
            (site / "thread.pth").write_text(f"{libraries}\n{SITE}\nimport sitecustomize\n")
            self.runtime = runtime._replace(python=folder / "venv/bin/python")
        elif way.startswith("opentelemetry"):
            self.env |= OPENTELEMETRY
            self.instrument = (
                f'export PYTHONPATH={at_start}\nexec {runtime.python} {at_start}/bin/opentelemetry-instrument "$@"\n'
            )
        elif way == "ddtrace":
            packed = packages / f"py{runtime.version}"
            self.env |= DATADOG | {"PYTHONPATH": f"{packed}/ddtrace/bootstrap:{packed}"}
        elif way == "coverage":
            (own / "rc").write_text(f"[run]\ndata_file = {folder}/data\nparallel = true\n")
            (own / "sitecustomize.py").write_text("import coverage\ncoverage.process_startup()\n")
            self.env |= {"PYTHONPATH": f"{own}:{at_start}", "COVERAGE_PROCESS_START": str(own / "rc")}
        elif way == "debugpy":
            (own / "sitecustomize.py").write_text(_LISTEN)
            self.env["PYTHONPATH"] = f"{own}:{at_start}"
            self.env["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"

    def start(self, *, bare=False, **env):
        """The function's environment, to be closed."""
        layer = self.layer
        env = {**self.env, "OPT_FOLDER": str(layer), **env}
        if bare or self.way == "opentelemetry outside":
            # What stands for the exec wrapper is the tool's.
            layer = self.folder / ("bare" if bare else "outside")
            layer.mkdir(exist_ok=True)
            text = self.instrument or 'exec "$@"\n'
            script(layer / "carryon", text if bare else text.replace('"$@"', f'{self.layer}/carryon "$@"'))
        elif self.instrument:
            env["CARRYON_NEXT_WRAPPER"] = str(script(self.folder / "instrument", self.instrument))
        return Emulator(self.runtime, FOLDER, layer=layer, timeout_s=TIMEOUT_S, env=env)


@pytest.fixture(name="way", params=WAYS)
def _way(request, newest_runtime, layer, tmp_path):
    return Way(request.param, newest_runtime, layer, tmp_path)


@pytest.fixture(name="threads")
def _threads(edge_runtime, layer, tmp_path):
    return Way("sitecustomize", edge_runtime, layer, tmp_path)


def test_nobody_dies_in_time_or_out_of_time_and_the_threads_are_there(way, lambda_api, sample):
    """What a function sees is what it sees without the layer."""
    # A debugger has whatever is started from there begin with it, which takes its time.
    tell = {"do": "tell", "children": way.way != "debugpy"}
    with way.start(bare=True) as function:
        bare = function.invoke(tell).json
    with way.start(**continuing(lambda_api, CARRYON_MARGIN="50%")) as function:
        told = function.invoke(tell).json
        pids = function.invoke({"do": "pids"}).json
        for number in range(sample(200, 2)):
            # The helpers are there by then.
            nap = {"do": "nap", "seconds": TIMEOUT_S / 2 - 0.2}
            in_time = function.invoke(nap if number % 2 else {"do": "pids"})
            assert in_time.json == ("rested" if number % 2 else pids), in_time
            if number % 4 == 0:
                stopped = function.invoke({"do": "clean_up"})
                assert stopped.json["carryon"]["continued"] is True, stopped
                assert stopped.events == ["time_is_up", "continued"], stopped
        replaced = function.invoke({"do": "stuck"})
        assert replaced.json["carryon"]["continued"] is True, replaced
        after = function.invoke(tell).json
        assert function.invoke({"do": "pids"}).json["parent"] == pids["parent"]

    for one in bare, told, after:
        for name in list(one["environ"]):
            if name.startswith("CARRYON_") or name == "AWS_ENDPOINT_URL_LAMBDA":
                del one["environ"][name]
    assert told == bare
    assert after == bare
    if WAYS[way.way] is not None:
        assert (len(told["threads"]) > 1) == WAYS[way.way]


def test_the_supervisor_has_one_thread_and_the_runtime_its_own_start(threads):
    """Parent and process group are as ever, and nothing starts twice in a runtime process."""
    with threads.start() as function:
        told = function.invoke({"do": "pids"}).json
        supervisor, runtime = function.processes()
        started = [int(line) for line in (threads.folder / "started").read_text().split()]
        assert len(os.listdir(f"/proc/{supervisor}/task")) == 1
        words = Path(f"/proc/{supervisor}/cmdline").read_text().split("\0")

    assert told == {"pid": runtime, "parent": supervisor, "group": os.getpgid(0) and told["group"]}
    # The process that the platform knows has become the supervisor.
    assert started == [supervisor, runtime]
    assert words[1:3] == ["-I", "-S"]
    assert function.leftovers == []


def test_a_thread_that_starts_with_the_functions_folder_is_in_the_runtime_alone(
    edge_runtime, layer, tmp_path, lambda_api
):
    """A `.pth` file there is looked at by the platform's own start, long after the interpreter's."""
    folder = tmp_path / "function"
    shutil.copytree(FOLDER, folder)
    shutil.copy(SITE / "sitecustomize.py", folder / "starts_a_thread.py")
    (folder / "thread.pth").write_text("import starts_a_thread\n")
    env = {"STARTED": str(tmp_path / "started")}
    with Emulator(edge_runtime, folder, layer=layer, wrapper=False, env=env) as function:
        bare = function.invoke({"do": "tell"}).json
    env |= continuing(lambda_api, CARRYON_MARGIN="50%")
    with Emulator(edge_runtime, folder, layer=layer, timeout_s=TIMEOUT_S, env=env) as function:
        told = function.invoke({"do": "tell"}).json
        stopped = function.invoke({"do": "clean_up"})
        after = function.invoke({"do": "tell"}).json
        supervisor, *_ = function.processes()
        assert len(os.listdir(f"/proc/{supervisor}/task")) == 1

    assert stopped.json["carryon"]["continued"] is True, stopped
    assert "exporter" in bare["threads"]
    for one in told, after:
        assert (one["threads"], one["path"], one["argv"]) == (bare["threads"], bare["path"], bare["argv"])
    assert function.leftovers == []


def test_what_a_standby_has_started_ends_with_it(newest_runtime, layer, tmp_path, lambda_api):
    """Its own start is a whole one; nobody else knows of it."""
    way = Way("sitecustomize", newest_runtime, layer, tmp_path)
    (tmp_path / "own/sitecustomize.py").write_text(
        f"exec(open({str(SITE / 'sitecustomize.py')!r}).read())\nimport subprocess\nsubprocess.Popen(['sleep', '60'])\n"
    )
    way.env["PYTHONPATH"] = str(tmp_path / "own")
    with way.start(**continuing(lambda_api, CARRYON_MARGIN="50%")) as function:
        function.invoke({"do": "pids"})
        before = function.processes()
        function.invoke({"do": "nap", "seconds": TIMEOUT_S / 2 - 0.2})
        processes.wait_until(lambda: function.processes() == before, 5, "processes are left")
        started = (tmp_path / "started").read_text().split()
        stuck = function.invoke({"do": "stuck"})
        function.invoke({"do": "pids"})
        processes.wait_until(lambda: len(function.processes()) == 3, 5, "processes are left")

    assert len(started) == 3, "there was no standby"
    assert stuck.json["carryon"]["continued"] is True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_it_ends_with_its_runtime_and_the_runtime_with_it(number, threads):
    """Whichever of the two ends first, and by a signal that is passed on."""
    with threads.start() as function:
        for victim in 0, 1:
            # One that finds its environment ended fails.
            processes.wait_until(lambda: function.invoke({"do": "pids"}).error_type is None, 20, "it does not start")
            pids = function.processes()
            processes.send([pids[victim]], number)
            processes.wait_until(lambda pids=pids: not set(pids) & set(function.processes()), 5, "one goes on")


@pytest.mark.parametrize("by", ["the command", "another wrapper"])
def test_an_interpreter_with_options_keeps_them(by, newest_runtime, layer, tmp_path, lambda_api):
    """Those of the command, and those that another wrapper has put before it."""
    way = Way("sitecustomize", newest_runtime, layer, tmp_path)
    other = script(tmp_path / "other", 'python=$1\nshift\nexec "$python" -X dev -W ignore "$@"\n')
    told = {}
    for bare in True, False:
        env = {**way.env, **continuing(lambda_api)}
        options = ("-X", "dev", "-W", "ignore") if bare or by == "the command" else ()
        if not bare and by == "another wrapper":
            env["CARRYON_NEXT_WRAPPER"] = str(other)
        with Emulator(
            newest_runtime, FOLDER, layer=layer, wrapper=not bare, timeout_s=TIMEOUT_S, env=env, options=options
        ) as function:
            told[bare] = function.invoke({"do": "tell"}).json
            if not bare:
                assert len(function.processes()) == 2

    for name in "threads", "options", "flags", "child", "fork", "argv":
        assert told[True][name] == told[False][name]


@pytest.mark.parametrize("module", ["separate_programs", "shared/board", "shared/standby", "supervisor/supervisor"])
def test_with_a_damaged_layer_the_function_runs(module, newest_runtime, layer, tmp_path):
    """With its threads."""
    damaged = tmp_path / "layer"
    shutil.copytree(layer, damaged)
    for bytecode in damaged.rglob("__pycache__"):
        shutil.rmtree(bytecode)
    (damaged / "python/carryon" / f"{module}.py").write_text("damaged (\n")
    way = Way("sitecustomize", newest_runtime, damaged, tmp_path)
    with way.start() as function:
        told = function.invoke({"do": "tell"})

    assert "exporter" in told.json["threads"], told
    assert re.search("stepped_aside|no supervisor any longer", told.log)
    assert function.leftovers == []
