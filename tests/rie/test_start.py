"""However the runtime is started, the function runs; where a supervisor can be beside it, it carries on."""

import shutil
import signal
import subprocess
import uuid

import pytest

from tests.support import processes
from tests.support.emulator import Emulator
from tests.support.functions import FUNCTIONS, continuing
from tests.support.runtimes import ROOT

MARK = "STARTED_BY_START_TEST"
# Nothing stands before launch.py that could do without it.
PACKAGE = ROOT / "layer/python/carryon"
MODULES = sorted({str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py")} - {"launch.py"})

OPTIONS = [
    ("-X", "dev"),
    ("-W", "ignore"),
    ("-u",),
    ("-X", "importtime"),
    ("-uW", "ignore"),
    ("-P",),
]

NEXT_WRAPPERS = {
    "sets a variable": '#!/bin/sh\nexport OTHER=1\nexec "$@"\n',
    "inserts options as AWS's example does": (
        "#!/bin/bash\n"
        "export OTHER=1\n"
        'args=("$@")\n'
        'args=("${args[@]:0:$#-1}" "-X" "importtime" "${args[@]: -1}")\n'
        'exec "${args[@]}"\n'
    ),
    "inserts options after the interpreter": (
        '#!/bin/sh\nexport OTHER=1\npython=$1\nshift\nexec "$python" -X importtime "$@"\n'
    ),
    "changes the handler and starts the command through Python": (
        '#!/bin/sh\nexport OTHER=1\nexport ORIG_HANDLER="$_HANDLER" _HANDLER=start.inner\n'
        'exec "$1" -c \'import os, sys; os.execv(sys.argv[1], sys.argv[1:])\' "$@"\n'
    ),
    "stays as the parent": '#!/bin/sh\nexport OTHER=1\n"$@"\n',
}


@pytest.fixture
def start(layer, newest_runtime, tmp_path):
    """A function that runs Python code as the command of the wrapper; none of its processes is left afterwards."""
    mark = uuid.uuid4().hex
    started = []

    def start(code, wrapper=layer / "carryon", **env):
        # The supervisor is made where the runtime client loads the handler.
        begin = "from awslambdaric import bootstrap\nbootstrap._get_handler('json.dumps')\n"
        (tmp_path / "program.py").write_text(begin + code)
        process = subprocess.Popen(
            [wrapper, newest_runtime.python, tmp_path / "program.py"],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", MARK: mark, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    try:
        processes.wait_until(
            lambda: (
                not set(processes.marked(MARK, mark)) - {process.pid for process in started if process.poll() is None}
            ),
            5,
            "processes are left",
        )
    finally:
        processes.end_marked(MARK, mark)
        for process in started:
            process.communicate()


def executable(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def assert_carries_on(function, lambda_api):
    """Run out of time once: cleaned up, continued once, and the next invocation is served."""
    stopped = function.invoke({"do": "work"})
    assert stopped.json["carryon"]["continued"] is True
    assert "cleaned up" in stopped.log
    (call,) = lambda_api.calls
    assert call.json["carryon"]["chain"] == stopped.request_id
    assert "flags" in function.invoke().json


@pytest.mark.parametrize("flavour", ["platform", "module"])
@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
def test_a_function_started_with_interpreter_options_keeps_them_and_carries_on(
    options, flavour, layer, newest_runtime, lambda_api
):
    """Flags, warning options and unbuffered output are as without the layer."""
    if options == ("-P",) and newest_runtime.version == "3.10":
        pytest.skip("-P came with Python 3.11")
    told = []
    for wrapper in (False, True):
        with Emulator(
            newest_runtime,
            FUNCTIONS,
            "start.handler",
            layer=layer,
            wrapper=wrapper,
            flavour=flavour,
            timeout_s=2,
            env=continuing(lambda_api, PYTHONPATH=f"{layer / 'python'}:{FUNCTIONS}"),
            options=options,
        ) as function:
            told.append(function.invoke().json)
            if wrapper:
                assert_carries_on(function, lambda_api)
        assert function.leftovers == []

    for names in told:
        del names["environ"]
    assert told[1] == told[0]


@pytest.mark.parametrize("kind", ["-m in one word with an option", "no space before the value"])
def test_options_written_together_are_understood(kind, layer, newest_runtime, lambda_api):
    """`-um module` and `-Wignore` are what `-u -m module` and `-W ignore` are."""
    options = ("-Wignore", "-Xdev") if kind == "no space before the value" else ("-um", "awslambdaric", "start.handler")
    with Emulator(
        newest_runtime,
        FUNCTIONS,
        "start.handler",
        layer=layer,
        timeout_s=2,
        env=continuing(lambda_api),
        options=options,
    ) as function:
        assert "flags" in function.invoke().json
        assert_carries_on(function, lambda_api)


@pytest.mark.parametrize(
    ("kind", "flavour"),
    [
        (kind, flavour)
        for kind in NEXT_WRAPPERS
        for flavour in ("platform", "module")
        # The last word is then the handler, which the options would come before even without the layer.
        if (kind, flavour) != ("inserts options as AWS's example does", "module")
    ],
)
def test_a_function_started_through_another_wrapper_keeps_what_that_set_and_carries_on(
    kind, flavour, layer, newest_runtime, lambda_api, tmp_path
):
    """The other wrapper runs first, whatever it does with the command, and `import carryon` is the layer's."""
    other = executable(tmp_path / "other wrapper", NEXT_WRAPPERS[kind])
    env = continuing(lambda_api, CARRYON_NEXT_WRAPPER=other)
    with Emulator(
        newest_runtime, FUNCTIONS, "start.handler", layer=layer, flavour=flavour, timeout_s=2, env=env
    ) as function:
        told = function.invoke().json
        assert_carries_on(function, lambda_api)

    assert told["environ"]["OTHER"] == "1"
    assert told["carryon"] == str(layer / "python/carryon/__init__.py")
    assert ("importtime" in told["xoptions"]) == ("options" in kind)
    if "handler" in kind:
        assert told["environ"]["ORIG_HANDLER"] == "start.handler"
        assert told["environ"]["_HANDLER"] == "start.inner"
    assert function.leftovers == []


@pytest.mark.parametrize("kind", ["missing", "not executable", "itself"])
def test_a_function_whose_other_wrapper_cannot_run_carries_on(kind, layer, newest_runtime, lambda_api, tmp_path):
    """A setting that is wrong is reported at most; it takes nothing away."""
    (tmp_path / "not executable").write_text("exit 9\n")
    other = str(layer / "carryon" if kind == "itself" else tmp_path / kind)
    env = continuing(lambda_api, CARRYON_NEXT_WRAPPER=other)
    with Emulator(newest_runtime, FUNCTIONS, "start.handler", layer=layer, timeout_s=2, env=env) as function:
        assert_carries_on(function, lambda_api)

    assert ("bad_setting" in function.log) == (kind != "itself")


@pytest.mark.parametrize("disabled", ["1", "true", "Yes", "ON"])
def test_disabled_the_runtime_has_no_supervisor_and_no_alarm(disabled, layer, newest_runtime, lambda_api):
    """One process, nothing of the layer's in its environment, and the platform ends it at its deadline."""
    env = continuing(lambda_api, CARRYON_DISABLED=disabled, CARRYON_NEXT_WRAPPER=str(layer / "carryon"))
    with Emulator(newest_runtime, FUNCTIONS, "start.handler", layer=layer, timeout_s=1, env=env) as function:
        function.invoke()
        running = len(function.processes())
        stopped = function.invoke({"do": "work"})

    assert running == 1
    assert stopped.timed_out
    assert lambda_api.calls == []


def test_a_symlink_that_leads_away_from_the_package_runs_the_command(layer, newest_runtime, tmp_path):
    """The package is looked for beside the link; without it there is no supervisor, but a function, and a word."""
    (tmp_path / "carryon").symlink_to(layer / "carryon")
    command = [tmp_path / "carryon", newest_runtime.python, "-c", "print('runs')"]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout) == (0, "runs\n")
    assert "runs without the layer" in done.stderr


@pytest.mark.parametrize("disabled", ["", "1"])
def test_without_a_command_the_wrapper_ends(disabled, layer):
    """It neither hangs nor starts an interpreter."""
    done = subprocess.run(
        [layer / "carryon"], env={"CARRYON_DISABLED": disabled}, capture_output=True, timeout=60, check=False
    )

    assert done.stdout == b""


def test_another_wrapper_that_starts_this_one_as_its_child_is_no_endless_chain(layer, start, tmp_path):
    """A child has another process id than the wrapper that leads to it."""
    other = executable(
        tmp_path / "other",
        "#!/bin/sh\n"
        "LEVEL=$((${LEVEL:-0} + 1))\n"
        "export LEVEL\n"
        '[ "$LEVEL" -lt 20 ] || exit 9\n'
        f'"{layer}/carryon" "$@"\n',
    )
    process = start("print('runs')", CARRYON_NEXT_WRAPPER=other)

    assert process.communicate(timeout=60)[0] == "runs\n"
    assert process.returncode == 0


def test_an_interpreter_that_adds_options_of_its_own_is_no_endless_loop(layer, newest_runtime, tmp_path):
    """A script named python that starts the real one is found in images that are not AWS's."""
    shim = executable(tmp_path / "python", f'#!/bin/sh\nexec "{newest_runtime.python}" -E "$@"\n')
    (tmp_path / "program.py").write_text("print('runs')")

    done = subprocess.run(
        [layer / "carryon", shim, "-X", "dev", tmp_path / "program.py"],
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "runs\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP], ids=lambda number: number.name)
def test_the_runtime_gets_the_signals_of_its_supervisor(number, start):
    """Its own handler decides what they do, and its exit status is the supervisor's."""
    process = start(
        "import os, signal, sys\n"
        f"signal.signal({number:d}, lambda number, frame: sys.exit(7))\n"
        "print(os.getpid(), flush=True)\n"
        "while True:\n"
        "    signal.sigtimedwait([], 0.05)\n"
    )
    assert int(process.stdout.readline()) != process.pid

    process.send_signal(number)

    assert process.wait(30) == 7


def test_a_runtime_that_is_killed_ends_its_supervisor(start):
    """By the same signal, so that the platform sees what happened."""
    process = start("import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(60)\n")
    runtime = int(process.stdout.readline())
    assert runtime != process.pid

    processes.send([runtime], signal.SIGKILL)

    assert process.wait(30) == -signal.SIGKILL


@pytest.mark.parametrize("module", MODULES)
def test_a_function_runs_with_a_layer_that_is_damaged(module, layer, newest_runtime, tmp_path):
    """Whichever file is broken, an invocation that needs no alarm is answered."""
    damaged = tmp_path / "layer"
    shutil.copytree(layer, damaged)
    for bytecode in damaged.rglob("__pycache__"):
        shutil.rmtree(bytecode)
    (damaged / "python/carryon" / module).write_text("damaged (\n")

    with Emulator(newest_runtime, FUNCTIONS, "work.handler", layer=damaged, timeout_s=3) as function:
        result = function.invoke({"do": "echo"})

    assert result.json == {"do": "echo"}, result.log
    assert function.leftovers == []


def test_a_function_runs_with_a_layer_that_has_lost_its_package(layer, newest_runtime, tmp_path):
    """The wrapper alone is left."""
    shutil.copy(layer / "carryon", tmp_path)

    with Emulator(newest_runtime, FUNCTIONS, "work.handler", layer=tmp_path) as function:
        result = function.invoke({"do": "echo"})

    assert result.json == {"do": "echo"}, result.log
