from __future__ import annotations

from pathlib import Path

import pytest

from carryon_cli.function import REGION
from carryon_cli.main import main
from tests.support.faults import FaultyProxy
from tests.support.ministack import Services

# Hops as short as they can be while a machine with several tests on each core still gets its continuations out.
TIMEOUT_S = 3
ROOMY = {"CARRYON_MARGIN": "1400ms"}
FUNCTIONS = Path(__file__).resolve().parent / "functions"


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
        env = {**ROOMY, **(env or {})}
        return services.function(folder, newest_runtime, handler, layer=layer, timeout_s=TIMEOUT_S, env=env, **settings)

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
