from __future__ import annotations

from pathlib import Path

import pytest

from carryon_cli.function import REGION
from carryon_cli.main import main
from tests.support.faults import FaultyProxy
from tests.support.ministack import Services
from tests.support.pace import seconds

# Hops as short as they can be while a machine with several tests on each core still gets its continuations out, ...
TIMEOUT_S = seconds(3)
# ... and with a table, a bucket or a key of the services', for which botocore has to be imported.
TIMEOUT_WITH_BOTOCORE_S = seconds(5)
ROOMY = {"CARRYON_MARGIN": "45%"}


def step_s(timeout_s):
    """How long a step of functions/work.py takes, so that as many fit into a hop of this timeout as into one of 3 s."""
    return {"STEP_S": str(0.01 * timeout_s / 3)}


FUNCTIONS = Path(__file__).resolve().parent / "functions"


def needs_botocore(env):
    """Whether a function with these settings asks other services than Lambda."""
    return {"CARRYON_TABLE", "CARRYON_BUCKET"} & env.keys() or env.get("CARRYON_SIGNING_KEY", "").startswith("arn:")


@pytest.fixture(scope="session")
def server():
    """One server of local AWS services for all tests of a worker."""
    services = Services()
    yield services
    services.close()


@pytest.fixture
def services(server):
    """Empty AWS services."""
    yield server
    server.reset()


@pytest.fixture
def faulty(server):
    """The same services, reached through a proxy that fails as it is told."""
    with FaultyProxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def make_function(services, newest_runtime, layer):
    """A function `make_function(handler, **settings)` that makes one of tests/services/functions with the layer."""
    if newest_runtime is None:
        pytest.skip("no runtime: ./build.sh setup")

    def make(handler, folder=FUNCTIONS, *, env=None, **settings):
        env = env or {}
        timeout_s = TIMEOUT_WITH_BOTOCORE_S if needs_botocore(env) else TIMEOUT_S
        env = {**ROOMY, **step_s(timeout_s), **env}
        return services.function(folder, newest_runtime, handler, layer=layer, timeout_s=timeout_s, env=env, **settings)

    return make


@pytest.fixture
def carryon(services, monkeypatch, capsys):
    """Run `carryon(*arguments)` with these services as AWS; returns its exit status, its output and its errors."""
    for name, value in {
        "AWS_ENDPOINT_URL": services.url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    }.items():
        monkeypatch.setenv(name, value)

    def carryon(*arguments):
        capsys.readouterr()
        status = main(list(arguments))
        output = capsys.readouterr()
        return status, output.out, output.err

    return carryon
