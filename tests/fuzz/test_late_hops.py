"""Envelopes that nobody has sent in good faith, in a hop that runs out of time: what travels on, and who fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from carryon.shared import envelope
from tests.support.emulator import Emulator
from tests.support.functions import continuing

from .hostile import META, nested
from .specification import CARRYON_STATE, NAMED

FUNCTIONS = Path(__file__).parent / "functions"

# Members that a reader lets in, or should not; those that are put together need more time than the others.
HOSTILE = {
    "infinite checkpoint": b'"checkpoint":1e999',
    "variables of others": b'"state":{"__class__":{"a":1},"os:environ":{},"unnamed":1,"count":[9]}',
    "deep checkpoint": b'"checkpoint":%b' % nested(800),
    "deep unknown member": b'"later":%b' % nested(800),
    "loops without end": b'"each":{%b}' % b",".join(b'"%d.0.":9007199254740991' % i for i in range(5_000)),
    "crashes that are a text": b'"crashes":"1"',
    "crashes without end": b'"crashes":9007199254740991',
    "later members": b'"spent":"all","stall":[],"parcel":{"bucket":7},"sig":{},"token":null',
}
ERRORS = ("Carryon.DeliveryFailed", "Carryon.TimeIsUp", "RecursionError", "Runtime.ExitError", "Carryon.BadEnvelope")


@pytest.mark.parametrize("way", ["runs out of time", "is stuck", "dies"])
def test_a_hop_that_is_late_goes_on_or_fails_as_itself(way, layer, lambda_api, newest_runtime):
    """What was carried travels on under its own names only, or the invocation fails; the next one is served."""
    env = continuing(lambda_api, CARRYON_STATE=CARRYON_STATE, CARRYON_MARGIN="1s", CARRYON_ON_CRASH="continue")
    with Emulator(newest_runtime, FUNCTIONS, "late.handler", layer=layer, env=env, timeout_s=4) as function:
        for name, member in HOSTILE.items():
            members = json.dumps(META, separators=(",", ":")).encode()[1:-1]
            before = len(lambda_api.accepted)
            result = function.invoke(b'{"carryon":{%b,%b},"way":"%b"}' % (members, member, way.encode()))
            told = f"{name}: {result}"
            assert result.status == 200, told
            assert result.error_type in (None, *ERRORS), told
            calls = lambda_api.accepted[before:]
            # On a busy machine an answer may come too late, and the error then says so.
            in_doubt = b"may have arrived" in result.body
            assert (result.error_type is None) <= len(calls) <= (result.error_type is None or in_doubt), told
            for call in calls:
                carried, event = envelope.take(call.json)
                assert event["way"] == way, told
                assert carried["chain"] == (result.request_id if "carryon" in event else META["chain"]), told
                # What a process was given that dies before its alarm is passed on as it came, and set by nobody.
                assert way == "dies" or set(carried.get("state", {})) <= set(NAMED), told
            assert function.invoke({"way": "done"}).error_type is None, told
    assert function.leftovers == []
