"""`carryon local` as its user runs it: a process of its own, in the function's folder."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.pace import pace
from tests.support.runtimes import RUNTIMES

from .conftest import ROOMY, TIMEOUT_S, step_s

FUNCTIONS = Path(__file__).resolve().parent / "functions"
COMMAND = [Path(sys.executable).with_name("carryon"), "local"]
# As long as those of the other tests, which leaves a loaded machine the time to send continuations.
SETTINGS = {"CARRYON_STATE": "steps", **ROOMY, **step_s(TIMEOUT_S)}
HOPS = ["local.count", f"--timeout={TIMEOUT_S}", *(f"--env={name}={value}" for name, value in SETTINGS.items())]
CHAIN = [*HOPS, "--event", '{"steps": 250}']
ENDLESS = [*HOPS, "--event", '{"steps": 100000}', "--json"]

pytestmark = pytest.mark.skipif(not RUNTIMES, reason="no runtime: ./build.sh setup")


def run(*arguments, **environment):
    """Run the command in the functions' folder."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=FUNCTIONS,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120 * pace(),
        check=False,
    )


def documents(ran):
    """Return what --json printed."""
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_a_chain_is_followed_to_its_result():
    """As JSON: every hop begins, cleans up and ends, says where it stopped, and the last document has the result."""
    ran = run(*CHAIN, "--json")

    *events, end = documents(ran)
    ended = [event for event in events if event["event"] == "hop_ended"]
    begun = [event["hop"] for event in events if event["event"] == "hop_started"]
    assert ran.returncode == 0, ran.stderr
    assert begun == list(range(end["hops"]))
    assert sorted(event["hop"] for event in ended) == begun
    assert [event["line"] for event in events if event["event"] == "log"] == ["cleaned up"] * end["hops"]
    for event in ended:
        assert event["outcome"] == ("returned" if event["hop"] == begun[-1] else "continued")
        if event["outcome"] == "continued":
            assert event["stopped_at"][0].startswith("local.py:")
            assert event["state_bytes"] > 0
            assert event["elapsed_ms"] < TIMEOUT_S * 1_000
    assert (end["event"], end["ok"], end["result"]) == ("ended", True, {"steps": 250})
    assert end["hops"] > 1


def test_a_chain_is_shown_as_a_table():
    """For people: a row per hop, the function's own output, the result and the totals."""
    ran = run(*CHAIN)

    assert ran.returncode == 0, ran.stderr
    assert "carries on" in ran.stdout
    assert "local.py:" in ran.stdout
    assert "0 | cleaned up" in ran.stdout
    assert 'result  {"steps": 250}' in ran.stdout
    assert " hops, " in ran.stdout


def test_the_function_gets_what_lambda_would_give_it(tmp_path):
    """The event of a file, byte for byte in meaning; the chosen Python; no variable of the developer's shell."""
    (tmp_path / "event.json").write_text('{"café": [1.5, null, "\\u0000"]}')
    runtime = RUNTIMES[0]

    ran = run(
        "local.look",
        "--json",
        f"--event={tmp_path}/event.json",
        f"--python={runtime.python}",
        "--env=MINE=1",
        DEVELOPERS_OWN="1",
        AWS_PROFILE="production",
        HTTP_PROXY="http://127.0.0.1:9",
    )

    result = documents(ran)[-1]["result"]
    assert result["event"] == {"café": [1.5, None, "\0"]}
    assert ".".join(map(str, result["version"])) == runtime.version
    assert result["folder"] == str(FUNCTIONS)
    assert {"MINE", "AWS_LAMBDA_FUNCTION_NAME", "LAMBDA_TASK_ROOT", "CARRYON_TO"} <= set(result["names"])
    assert not {"DEVELOPERS_OWN", "AWS_PROFILE", "HTTP_PROXY", "GATEWAY_PORT", "HOME", "TMPDIR"} & set(result["names"])


def test_a_script_makes_what_the_function_needs(tmp_path):
    """It finds the services and the function's name as the function does; what it prints is shown before the chain."""
    (tmp_path / "setup.py").write_text(
        "import os, boto3\n"
        "boto3.client('s3').create_bucket(Bucket='made')\n"
        "boto3.client('s3').put_object(Bucket='made', Key='name', Body=os.environ['AWS_LAMBDA_FUNCTION_NAME'])\n"
        "print('it is made')\n"
    )

    ran = run("local.read", "--setup", f"{tmp_path}/setup.py", "--event", '"made/name"', "--json")

    first, *_, end = [event for event in documents(ran) if event["event"] != "progress"]
    assert first == {"event": "log", "hop": None, "line": "it is made"}
    assert end["result"] == "local-read"


def test_a_script_that_fails_is_shown(tmp_path):
    """Exit status 1, and what it has said last; the function is not run."""
    (tmp_path / "setup.py").write_text("raise ValueError('no such region')")

    ran = run("local.count", "--setup", f"{tmp_path}/setup.py", "--json")

    assert ran.returncode == 1
    assert f"--setup {tmp_path}/setup.py: exit status 1" in ran.stderr
    assert "ValueError: no such region" in ran.stderr
    assert {event["event"] for event in documents(ran)} <= {"progress"}


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["local.fail"], "ValueError: no such order"),
        (["local.die"], "Runtime.ExitError"),
        (["local.missing"], "Runtime.HandlerNotFound"),
        (["missing.handler"], "Runtime.ImportModuleError"),
        ([*CHAIN, "--env", "CARRYON_TO="], "Carryon.TimeIsUp"),
        ([*HOPS, "--event", '{"steps": 9999}', "--env", "CARRYON_MAX_HOPS=1"], "Carryon.HopLimit"),
        ([*CHAIN, "--runtime", "rie"], "Carryon.TimeIsUp"),
        (["local.die", "--runtime", "rie"], "Runtime.ExitError"),
        (["missing.handler", "--runtime", "rie"], "Runtime.ImportModuleError"),
    ],
)
def test_a_chain_that_fails_says_why(arguments, error):
    """Exit status 1, and the error as Lambda would report it, on both platforms."""
    ran = run(*arguments)

    assert ran.returncode == 1
    assert f"failed  {error}" in ran.stdout
    assert ran.stderr == ""


def test_the_emulator_kills_at_the_deadline():
    """What nothing in the process can stop is killed, and reported as timed out; the time shown is the timeout's."""
    ran = run("local.ignore_everything", "--runtime", "rie", "--timeout", "1", "--json", "--env", "CARRYON_DISABLED=1")

    end = documents(ran)[-1]
    assert ran.returncode == 1
    assert end["error"] == {"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out after 1.00 seconds"}
    assert end["function_ms"] <= 1000


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_no_process_outlives_the_command(number, status):
    """Ended in the middle of a hop, in whatever way, it leaves no process and no file."""
    with Session() as session:
        session.wait_for('"hop": 1')
        assert len(session.processes()) > 3
        session.command.send_signal(number)

        assert session.command.wait() == status
        session.wait_until_nothing_is_left()
        assert os.listdir(session.folder) == []


def test_no_process_outlives_a_command_that_is_killed_at_any_moment(sample):
    """From the start of the interpreter to the second hop there is no moment at which a kill leaves a process."""
    for _ in range(sample(60, 5)):
        with Session() as session:
            time.sleep(random.uniform(0, 3.5))
            session.command.kill()
            session.command.wait()

            session.wait_until_nothing_is_left()


class Session:
    """The command, running an endless chain, with temporary files in a folder of its own."""

    def __enter__(self):
        # Every process of the command's has this folder in its command line or environment.
        self.folder = tempfile.mkdtemp(prefix="t", dir="/tmp")
        self.command = subprocess.Popen(
            [*COMMAND, *ENDLESS],
            cwd=FUNCTIONS,
            env={**os.environ, "TMPDIR": self.folder},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        return self

    def __exit__(self, *error):
        self.command.kill()
        self.command.wait()
        self.command.stdout.close()
        processes.send(self.processes(), signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def wait_for(self, text):
        for line in self.command.stdout:
            if text in line:
                return
        raise AssertionError(f"it never printed {text}")

    def wait_until_nothing_is_left(self):
        processes.wait_until(lambda: not self.processes(), 20, "processes are left")

    def processes(self):
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and self.folder.encode() in (
                    (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                ):
                    found.append(int(entry.name))
            except OSError:
                continue
        return [pid for pid in found if processes.state(pid) not in "ZX"]
