from __future__ import annotations

import fcntl
import os
from contextlib import ExitStack, contextmanager

import pytest

from .services import SERVICES, MissingServiceError

# Set where a test that cannot run is a failure, not a skip.
_REQUIRED = os.environ.get("CARRYON_REQUIRE_SERVICES") == "1"


@pytest.fixture(scope="session")
def service():
    """A function `service(name)`: what a handler needs to reach that server, which is started at its first use."""
    addresses = {}
    with ExitStack() as servers:

        def address(name):
            if name not in addresses:
                try:
                    addresses[name] = servers.enter_context(SERVICES[name]())
                except MissingServiceError as missing:
                    if _REQUIRED:
                        raise
                    pytest.skip(str(missing))
            return addresses[name]

        yield address


@pytest.fixture(scope="session")
def one_at_a_time(tmp_path_factory):
    """A function that gives a context in which no other worker is that asks for it as well."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    @contextmanager
    def alone():
        with (shared / "gauntlet.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    return alone
