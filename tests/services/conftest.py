from __future__ import annotations

from pathlib import Path

import pytest

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
