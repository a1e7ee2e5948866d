from __future__ import annotations

import itertools
import os
import uuid
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support import emulator, processes
from tests.support import layer as layer_support
from tests.support.lambda_api import LambdaApi
from tests.support.pace import measure, pace
from tests.support.runtimes import EDGES, EMULATOR, MISSING, NEWEST, RUNTIMES
from tests.support.soak import full

SOAK = full()
# For one test, on a quiet machine.
_TEST_S = 300

# Two shared cores may take their time over an example.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_configure(config: pytest.Config) -> None:
    """Mark this run, so that its end can tell its own processes from those of another run, and measure the machine."""
    if not hasattr(config, "workerinput"):
        os.environ[emulator.RUN_MARK] = uuid.uuid4().hex
    measure()
    # Before pytest-timeout reads it; longer than any wait within a test.
    os.environ.setdefault("PYTEST_TIMEOUT", str(int(_TEST_S * pace())))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let one worker run all container tests, so that the image is built once, and as many as there are cores those
    with local AWS services: each of these tests keeps several processes busy.
    """
    servers = itertools.cycle(range(os.cpu_count() or 1))
    for item in items:
        if item.get_closest_marker("container") or "container" in item.path.parts:
            item.add_marker(pytest.mark.xdist_group("container"))
        elif "services" in item.path.parts:
            item.add_marker(pytest.mark.xdist_group(f"services-{next(servers)}"))


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's own settings and credentials out of every test."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "_X_AMZN", "LAMBDA_")) or name.startswith("CARRYON_") and name not in _OF_THE_RUN:
            monkeypatch.delenv(name)


_OF_THE_RUN = ("CARRYON_SOAK", "CARRYON_REQUIRE_CONTAINER", "CARRYON_REQUIRE_SERVICES")


@pytest.fixture(scope="session")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built layer, unpacked: its folder stands for /opt."""
    own = tmp_path_factory.getbasetemp()
    return layer_support.build_once(own.parent if "PYTEST_XDIST_WORKER" in os.environ else own)


@pytest.fixture(params=RUNTIMES or [None], ids=str)
def runtime(request):
    """Each Python with each runtime client."""
    assert request.param, "no runtime to test with: ./build.sh setup"
    return request.param


@pytest.fixture(params=RUNTIMES if SOAK else EDGES, ids=str)
def edge_runtime(request):
    """The oldest and the newest Python with the oldest and the newest client; a soak takes all of them."""
    return request.param


@pytest.fixture
def newest_runtime():
    """One runtime, for what cannot differ between versions."""
    return NEWEST


@pytest.fixture
def lambda_api():
    """An endpoint that receives continuations, and fails as it is told."""
    with LambdaApi() as api:
        yield api


@pytest.fixture
def sample(request, record_property):
    """A function `sample(full, short)`: how often to repeat; `full` in a soak. The run's summary tells which it was."""

    def choose(full: int, short: int) -> int:
        count = full if SOAK else short
        record_property("sampled", f"{request.node.nodeid}: {count:,} of {full:,}")
        return count

    return choose


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was sampled and what this machine could not run."""
    write = terminalreporter.write_line
    terminalreporter.section("what this run covered")
    write(f"runtimes: {', '.join(map(str, RUNTIMES)) or 'none'}")
    if pace() > 1:
        write(f"this machine is slow or busy: times are {pace()} times as long")
    if MISSING:
        write(f"no interpreter on this machine for Python {', '.join(MISSING)}")
    if not EMULATOR.exists():
        write("no Runtime Interface Emulator: ./build.sh setup")
    if not SOAK:
        write(f"tests of what hardly differs between versions: {', '.join(map(str, EDGES))} only")
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, value in report.user_properties:
                if name == "sampled":
                    write(value)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run when processes are left; the controller looks when all workers are gone."""
    if hasattr(session.config, "workerinput"):
        return
    run = os.environ[emulator.RUN_MARK]
    try:
        processes.wait_until(lambda: not processes.marked(emulator.RUN_MARK, run), 5, "processes are left")
    except TimeoutError:
        left = [processes.command_line(pid) for pid in processes.marked(emulator.RUN_MARK, run)]
        processes.end_marked(emulator.RUN_MARK, run)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        print("\nprocesses left behind and now killed:", *left, sep="\n  ")
