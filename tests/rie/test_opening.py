"""The start of a hop that has to be opened: by the courier, before the handler or its module is touched."""

import json

import pytest

from tests.support.emulator import Emulator
from tests.support.functions import FUNCTIONS, continuing

AS_SENT = (",", ":")
ENCODED_ANEW = (", ", ": ")


def envelope(separators=AS_SENT, **members):
    """An event as a continuation brings it."""
    meta = {"v": 1, "chain": "c", "hop": 1, "cause": "time", "parent": "p", "started_at_ms": 1}
    return json.dumps({"carryon": meta, "do": "echo", **members}, separators=separators).encode()


@pytest.fixture(name="make")
def _make(newest_runtime, layer, lambda_api):
    """A function `make(**settings)` with a table."""

    def make(**settings):
        env = continuing(lambda_api, CARRYON_TABLE="leases", **settings)
        return Emulator(newest_runtime, FUNCTIONS, "work.handler", layer=layer, env=env)

    return make


def test_a_courier_opens_hop_after_hop(make):
    """It stays where each hop needs it, and an ordinary invocation starts none."""
    with make() as function:
        function.invoke({"do": "echo"})
        before = function.processes()
        results = [function.invoke(envelope(separators)) for separators in (AS_SENT, ENCODED_ANEW)]
        after = function.processes()

    assert [result.json for result in results] == [{"do": "echo"}] * 2, results[0].log
    assert len(before) == 2
    assert len(after) == 3
