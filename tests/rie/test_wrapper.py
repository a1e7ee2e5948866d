"""The exec wrapper as it ships: what it starts, where it works from, and how it ends."""

import json
import os
import shutil
import signal
import subprocess
import uuid
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.emulator import Emulator

PROGRAMS = Path(__file__).parent / "wrapper"
REPORT = str(PROGRAMS / "report.py")
ENDS = str(PROGRAMS / "ends.py")
MARK = "STARTED_BY_WRAPPER_TEST"


@pytest.fixture
def mark():
    """A mark for every process that a test starts; none of them is left afterwards."""
    value = uuid.uuid4().hex
    yield value
    try:
        processes.wait_until(lambda: not processes.marked(MARK, value), 5, "processes are left")
    finally:
        processes.end_marked(MARK, value)


@pytest.fixture
def python(newest_runtime):
    """The interpreter of the command."""
    return str(newest_runtime.python)


@pytest.fixture
def start(mark):
    """A function that starts a command, with pipes and nothing of the developer's environment."""
    started = []

    def start(*command, cwd=None, **env):
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", MARK: mark, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def run(start):
    """A function that runs a command to its end: exit status, output, errors."""

    def run(*command, **options):
        process = start(*command, **options)
        output, errors = process.communicate(timeout=60)
        return process.returncode, output, errors

    return run


@pytest.fixture
def report(run):
    """A function that runs a command that ends in report.py, and returns what it told."""

    def report(*command, **options):
        status, output, errors = run(*command, **options)
        assert (0, "") == (status, errors)
        # Before it there may be a line about a setting.
        return json.loads(output.splitlines()[-1])

    return report


def supervised(told, launcher):
    """Whether the process that told so has the supervisor as its parent."""
    return launcher.resolve() in [Path(word).resolve() for word in told["parent"][1:-1]]


def script(path, text):
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("place", ["plain", "with spaces and ä", "$HOME", "it's"])
def test_the_layer_works_from_any_folder(place, layer, tmp_path, report, python):
    """The wrapper finds the package beside itself."""
    shutil.copytree(layer, tmp_path / place)

    told = report(str(tmp_path / place / "carryon"), python, REPORT)

    assert supervised(told, tmp_path / place / "python/carryon/launch.py")


def test_the_layer_works_through_a_relative_path_and_a_symlink_to_its_folder(layer, tmp_path, report, python):
    """The name it is called by leads to the package."""
    (tmp_path / "link").symlink_to(layer)

    relative = report("link/carryon", python, REPORT, cwd=tmp_path)
    through_link = report(str(tmp_path / "link/carryon"), python, REPORT)

    assert supervised(through_link, layer / "python/carryon/launch.py")
    assert len(relative["parent"]) == len(through_link["parent"])
    assert relative["argv"] == through_link["argv"] == [REPORT]


def test_disabled_it_execs_the_command_untouched(layer, start, python):
    """No supervisor, the same process, the same words."""
    process = start(str(layer / "carryon"), python, REPORT, "a b", CARRYON_DISABLED="1")
    told = json.loads(process.communicate(timeout=60)[0])

    assert told["pid"] == process.pid
    assert told["orig_argv"] == [python, REPORT, "a b"]


def test_a_command_that_is_not_python_is_run_as_it_is(layer, run):
    """Words, output and exit status are the command's."""
    status, output, errors = run(str(layer / "carryon"), "/bin/sh", "-c", 'printf "%s|" "$@"; exit 5', "sh", "a b", "")

    assert (status, output, errors) == (5, "a b||", "")


@pytest.mark.parametrize(
    "options",
    [
        [REPORT],
        [REPORT, "a b", "", "-X"],
        ["-X", "dev", REPORT],
        ["-Xdev", REPORT],
        ["-W", "ignore", REPORT],
        ["-u", REPORT],
        ["-u", "-W", "ignore", "-X", "utf8", REPORT, "x"],
        ["-I", REPORT],
        ["-E", "-s", "-B", REPORT],
        ["-m", "package", "a b"],
        ["-u", "-m", "package"],
        ["-c", "import runpy; runpy.run_path('report.py')", "x"],
    ],
    ids=lambda options: " ".join(option.rpartition("/")[2] for option in options),
)
def test_options_of_the_interpreter_reach_it(options, layer, edge_runtime, report):
    """All that a program can see of its own start is as without the layer."""
    command = [str(edge_runtime.python), *options]

    bare = report(*command, cwd=PROGRAMS)
    with_layer = report(str(layer / "carryon"), *command, cwd=PROGRAMS)

    for told in (bare, with_layer):
        del told["pid"], told["parent"]
        # Shells differ in whether they export these.
        for name in ("PWD", "OLDPWD", "_", "SHLVL"):
            told["environ"].pop(name, None)
    assert with_layer == bare


def test_the_interpreter_is_the_commands_and_not_the_one_on_path(layer, tmp_path, report, python):
    """A `python3` that comes first on PATH is never called."""
    for name in ("python", "python3"):
        script(tmp_path / name, "echo wrong interpreter; exit 9\n")

    told = report(str(layer / "carryon"), python, REPORT, PATH=f"{tmp_path}:/usr/bin:/bin")

    assert told["executable"] == python
    assert told["parent"][0] == python


def test_another_wrapper_keeps_what_it_sets(layer, tmp_path, report, python):
    """It gets the command, and the supervisor comes after it."""
    other = script(tmp_path / "other wrapper", 'export OTHER="was here"\nexec "$@"\n')

    told = report(str(layer / "carryon"), python, REPORT, "a b", CARRYON_NEXT_WRAPPER=other)

    assert told["environ"]["OTHER"] == "was here"
    assert told["argv"] == [REPORT, "a b"]
    assert told["orig_argv"] == [python, REPORT, "a b"]
    assert supervised(told, layer / "python/carryon/launch.py")


def test_another_wrapper_can_insert_options_before_the_last_word(layer, tmp_path, report, python):
    """As the example in Lambda's documentation does."""
    other = tmp_path / "importtime"
    other.write_text(
        "#!/bin/bash\n"
        'args=("$@")\n'
        'extra_args=("-X" "dev")\n'
        'args=("${args[@]:0:$#-1}" "${extra_args[@]}" "${args[@]: -1}")\n'
        'exec "${args[@]}"\n'
    )
    other.chmod(0o755)

    told = report(str(layer / "carryon"), python, REPORT, CARRYON_NEXT_WRAPPER=str(other))

    assert told["xoptions"] == {"dev": True}
    assert "dev_mode=True" in told["flags"]
    assert told["argv"] == [REPORT]
    assert supervised(told, layer / "python/carryon/launch.py")


@pytest.mark.parametrize("kind", ["missing", "not executable", "a folder", "empty"])
def test_a_next_wrapper_that_cannot_run_leaves_the_function_running(kind, layer, tmp_path, report, python):
    """The supervisor is there all the same."""
    (tmp_path / "not executable").write_text("exit 9\n")
    (tmp_path / "a folder").mkdir()
    other = "" if kind == "empty" else str(tmp_path / kind)

    told = report(str(layer / "carryon"), python, REPORT, CARRYON_NEXT_WRAPPER=other)

    assert supervised(told, layer / "python/carryon/launch.py")


SHELLS = [shell for shell in (["dash"], ["bash", "--posix"]) if shutil.which(shell[0])]
UNUSABLE = {
    "an interpreter that is not there": "#!/nowhere/sh\nexit 9\n",
    "an option, and an interpreter that is not there": "#! /nowhere/sh -e\nexit 9\n",
    "line ends of another system": "#!/bin/sh\r\nexit 9\r\n",
    "env without the program": "#!/usr/bin/env no-such-program\nexit 9\n",
    "no content": "",
}


@pytest.mark.parametrize("disabled", ["", "1"])
@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize("kind", UNUSABLE)
def test_a_next_wrapper_that_is_executable_and_cannot_be_run_leaves_the_function_running(
    kind, shell, disabled, layer, tmp_path, run, python
):
    """A shell that has failed to exec has ended with status 126 or 127; so it is looked at before."""
    other = tmp_path / "other"
    other.write_text(UNUSABLE[kind])
    other.chmod(0o755)
    # Whatever the wrapper keeps for itself is no variable of the function's.
    env = {"CARRYON_NEXT_WRAPPER": str(other), "CARRYON_DISABLED": disabled, "next": "N", "command": "C", "launch": "L"}

    status, output, errors = run(*shell, str(layer / "carryon"), python, REPORT, "a b", **env)

    assert status == 0
    told = json.loads(output)
    assert told["argv"] == [REPORT, "a b"]
    assert [told["environ"][name] for name in ("next", "command", "launch")] == ["N", "C", "L"]
    assert supervised(told, layer / "python/carryon/launch.py") == (not disabled)
    assert ("CARRYON_NEXT_WRAPPER is left out" in errors) == (kind != "no content")


@pytest.mark.skipif(not shutil.which("bash"), reason="dash cannot go on after an exec that has failed")
def test_where_the_shell_can_it_goes_on_after_an_exec_that_has_failed(layer, tmp_path, run, python):
    """As the platform's can: what the kernel says of a file cannot all be told before."""
    other = script(tmp_path / "other", "exit 9\n")
    Path(other).write_text(f"#!{tmp_path}/loop\n")
    (tmp_path / "loop").write_text(f"#!{tmp_path}/loop\n")
    (tmp_path / "loop").chmod(0o755)

    status, output, errors = run("bash", "--posix", str(layer / "carryon"), python, REPORT, CARRYON_NEXT_WRAPPER=other)

    assert status == 0
    assert supervised(json.loads(output), layer / "python/carryon/launch.py")
    assert "cannot be run" in errors


@pytest.mark.parametrize(
    "line", ["#!/bin/sh", "#! /bin/sh -e", "#!/usr/bin/env sh", "#!/usr/bin/env -S sh -e", "", "# text"]
)
@pytest.mark.parametrize("disabled", ["", "1"])
def test_any_other_next_wrapper_is_run_with_the_layer_disabled_too(line, disabled, layer, tmp_path, report, python):
    """It is another tool's, which the function is not to lose."""
    other = tmp_path / "other"
    other.write_text(f'{line}\nexport OTHER=1\nexec "$@"\n')
    other.chmod(0o755)

    told = report(
        str(layer / "carryon"), python, REPORT, "a b", CARRYON_NEXT_WRAPPER=str(other), CARRYON_DISABLED=disabled
    )

    assert told["environ"]["OTHER"] == "1"
    assert told["orig_argv"] == [python, REPORT, "a b"]
    assert supervised(told, layer / "python/carryon/launch.py") == (not disabled)


@pytest.mark.parametrize("how", ["itself", "a wrapper that calls it", "one that calls it as a child"])
def test_disabled_a_next_wrapper_that_leads_back_is_no_endless_loop(how, layer, tmp_path, report, python):
    """Each is run once."""
    wrapper = str(layer / "carryon")
    call = {"itself": "", "a wrapper that calls it": "exec "}.get(how, "")
    other = wrapper if how == "itself" else script(tmp_path / "other", f'{call}"{wrapper}" "$@"\n')

    told = report(wrapper, python, REPORT, CARRYON_NEXT_WRAPPER=other, CARRYON_DISABLED="1")

    assert told["argv"] == [REPORT]
    assert not supervised(told, layer / "python/carryon/launch.py")


def test_a_next_wrapper_that_leads_back_is_no_endless_loop(layer, tmp_path, report, python):
    """The wrapper itself, and a wrapper that calls it."""
    wrapper = str(layer / "carryon")
    other = script(tmp_path / "other", f'exec "{wrapper}" "$@"\n')

    for next_wrapper in (wrapper, other):
        told = report(wrapper, python, REPORT, CARRYON_NEXT_WRAPPER=next_wrapper)
        assert told["argv"] == [REPORT]
        assert supervised(told, layer / "python/carryon/launch.py")


@pytest.mark.parametrize("how", ["0", "3", "255", "raise", "signal 15", "signal 9", "signal 6", "signal 11"])
def test_it_ends_as_the_command_ends(how, layer, run, python):
    """By the same exit status or the same signal, with the same last words."""
    bare = run(python, ENDS, how)
    with_layer = run(str(layer / "carryon"), python, ENDS, how)

    assert with_layer == bare


def test_a_signal_is_passed_on(layer, start, python):
    """SIGTERM reaches the runtime, whose own handler decides."""
    process = start(str(layer / "carryon"), python, ENDS, "wait for signal")
    runtime = int(process.stdout.readline())

    process.send_signal(signal.SIGTERM)

    output, errors = process.communicate(timeout=30)

    assert (process.returncode, output, errors) == (7, f"told {signal.SIGTERM:d}\n", "")
    assert runtime != process.pid


def test_a_signal_that_nobody_handles_ends_both(layer, start, python, mark):
    """SIGTERM has its usual meaning."""
    process = start(str(layer / "carryon"), python, ENDS, "wait")
    process.stdout.readline()

    process.send_signal(signal.SIGTERM)

    assert process.wait(30) == -signal.SIGTERM
    processes.wait_until(lambda: not processes.marked(MARK, mark), 5, "the runtime is left")


def test_the_runtime_dies_with_its_supervisor(layer, start, python, mark):
    """SIGKILL cannot be passed on."""
    process = start(str(layer / "carryon"), python, ENDS, "wait")
    runtime = int(process.stdout.readline())

    process.kill()

    assert process.wait(30) == -signal.SIGKILL
    processes.wait_until(lambda: processes.state(runtime) in "ZX", 5, "the runtime is left")


def test_orphans_are_no_zombies(layer, run, python):
    """A double fork ends, and so does the command."""
    assert run(str(layer / "carryon"), python, ENDS, "grandchild") == (0, "", "")


APP = """
import json

import carryon


def handler(event, context):
    return [carryon.__file__, carryon.TimeIsUp.__module__, json.__name__]
"""


@pytest.mark.parametrize("flavour", ["platform", "module"])
@pytest.mark.parametrize("case", ["as usual", "PYTHONPATH set", "another wrapper", "a package of that name"])
def test_import_carryon_is_the_layers(case, flavour, layer, edge_runtime, tmp_path):
    """Whatever else of that name can be found."""
    folder = tmp_path / "function"
    folder.mkdir()
    (folder / "app.py").write_text(APP)
    decoy = tmp_path / "decoy/carryon"
    env = {}
    if case == "PYTHONPATH set":
        env["PYTHONPATH"] = str(decoy.parent)
    elif case == "a package of that name":
        decoy = folder / "carryon"
    elif case == "another wrapper":
        env["CARRYON_NEXT_WRAPPER"] = script(
            tmp_path / "other", f'export PYTHONPATH="{decoy.parent}${{PYTHONPATH:+:$PYTHONPATH}}"\nexec "$@"\n'
        )
    decoy.mkdir(parents=True)
    (decoy / "__init__.py").write_text("TimeIsUp = None\n")

    with Emulator(edge_runtime, folder, layer=layer, flavour=flavour, env=env) as function:
        result = function.invoke()

    assert result.json == [str(layer / "python/carryon/__init__.py"), "carryon", "json"]
    assert result.log == ""
    assert function.leftovers == []


def test_a_function_runs_through_another_wrapper_and_with_options(layer, newest_runtime, tmp_path):
    """Under the emulator too, with everything at once."""
    (tmp_path / "app.py").write_text(
        "import os, sys\n\n"
        "def handler(event, context):\n"
        "    return [os.environ['OTHER'], sys.flags.dev_mode, os.environ['_HANDLER']]\n"
    )
    env = {"CARRYON_NEXT_WRAPPER": script(tmp_path / "other", 'export OTHER=1\nexec "$@"\n')}

    with Emulator(newest_runtime, tmp_path, layer=layer, env=env, options=("-X", "dev", "-W", "ignore")) as function:
        result = function.invoke()

    assert result.json == ["1", True, "app.handler"]


def test_no_process_and_no_zombie_is_left_while_a_function_runs(layer, newest_runtime):
    """Supervisor and runtime, before and after invocations; no courier waits for nothing."""
    folder = Path(__file__).parent / "emulator"
    with Emulator(newest_runtime, folder, layer=layer) as function:
        function.invoke()
        before = function.processes()
        for _ in range(3):
            function.invoke()
        states = [processes.state(pid) for pid in children_of(before)]
        after = function.processes()

    assert before == after
    assert len(before) == 2
    assert "Z" not in states
    assert function.leftovers == []


def children_of(pids):
    """All the children of processes, zombies included."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            stat = Path(f"/proc/{entry}/stat").read_text()
        except OSError:
            continue
        if entry.isdigit() and int(stat.rpartition(")")[2].split()[1]) in pids:
            found.append(int(entry))
    return found
