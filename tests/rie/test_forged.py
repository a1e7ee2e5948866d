"""Envelopes that somebody else has written: with a signing key they are refused, without one they can do little."""

import json

import pytest

from carryon.shared import envelope, signing
from tests.support.emulator import Emulator
from tests.support.functions import continuing

KEY, OLD_KEY = "correct horse battery staple", "the staple that came before"
# Room for a delivery on a machine that is busy.
ROOMY = {"CARRYON_MARGIN": "1200ms"}
META = {"v": 1, "chain": "c-1", "hop": 3, "cause": "time", "parent": "r-2", "started_at_ms": 1, "state": {"count": 41}}
EVENT = b'{"secret": "s3cr3t", "n": 1.0}'
APP = """
import time

count = 0
other = "as imported"

def handler(event, context):
    if event and event.get("stuck"):
        time.sleep(9)
    return {"count": count, "other": other, "event": event, "names": sorted(n for n in globals() if n[0] != "_")}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


def function_arn(name="function"):
    return f"arn:aws:lambda:us-east-1:012345678912:function:{name}"


def signed(meta=META, event=EVENT, *, name="function", key=KEY):
    return envelope.wrap(event, signing.sign(meta, event, function_arn(name), key.encode()))


def written_anew(raw):
    """As a queue in another language may write it."""
    value = json.loads(raw)
    value["n"] = int(value["n"])
    return json.dumps(dict(reversed(value.items())), indent=1).encode()


def test_a_signed_chain_goes_on(newest_runtime, layer, lambda_api, folder):
    """What one hop has signed the next one opens, and so does one whose key has become an old one."""
    env = continuing(lambda_api, **ROOMY, CARRYON_STATE="count", CARRYON_SIGNING_KEY=OLD_KEY)
    with Emulator(newest_runtime, folder, layer=layer, env=env) as function:
        first = function.invoke({"stuck": True})
    (call,) = lambda_api.calls
    env["CARRYON_SIGNING_KEY"] = f"{KEY},{OLD_KEY}"
    with Emulator(newest_runtime, folder, layer=layer, env=env, name="function:live") as function:
        second = function.invoke(call.payload)
        third = function.invoke(lambda_api.calls[1].payload)

    assert first.events == ["time_is_up", "continued"]
    assert call.json["carryon"]["sig"].startswith("v1:")
    assert second.events == third.events == ["resumed", "time_is_up", "continued"]


def test_a_signed_envelope_is_opened_however_it_is_written(edge_runtime, layer, folder):
    """As it was sent, and as something on the way has written it anew; an event with no envelope needs no signature."""
    env = {"CARRYON_STATE": "count", "CARRYON_SIGNING_KEY": KEY}
    with Emulator(edge_runtime, folder, layer=layer, env=env) as function:
        results = [function.invoke(raw) for raw in (signed(), written_anew(signed()), EVENT, b"null", b'"text"')]

    assert [result.json["count"] for result in results[:3]] == [41, 41, 0]
    assert [result.events for result in results] == [["resumed", "completed"]] * 2 + [[]] * 3
    assert all(result.json["event"] == {"secret": "s3cr3t", "n": 1} for result in results[:3])


FORGED = {
    "unsigned": envelope.wrap(EVENT, META),
    "another key": signed(key="another key altogether"),
    "for another function": signed(name="other"),
    "another state": signed().replace(b'{"count":41}', b'{"count":42}'),
    "another event": signed().replace(b"s3cr3t", b"s4cr4t"),
    "another hop": signed().replace(b'"hop":3', b'"hop":4'),
    "a member more": signed().replace(b'"hop":3', b'"hop":3,"checkpoint":1'),
    "a second envelope": signed()[:-1] + b',"carryon":' + json.dumps(META).encode() + b"}",
    "written anew": written_anew(signed().replace(b"s3cr3t", b"s4cr4t")),
    "wrong shape": b'{"carryon":{"v":2,"state":{"count":7}},"secret":"s3cr3t"}',
    "no envelope": b'{"secret":"s3cr3t","carryon":5}',
}


def test_an_envelope_that_is_not_signed_as_it_has_to_be_is_refused(newest_runtime, layer, folder):
    """`Carryon.BadEnvelope`, a line with nothing of it, and the handler is not called."""
    env = {"CARRYON_STATE": "count", "CARRYON_SIGNING_KEY": f"{KEY},{OLD_KEY}"}
    with Emulator(newest_runtime, folder, layer=layer, env=env) as function:
        results = {name: function.invoke(raw) for name, raw in FORGED.items()}
        good = function.invoke(signed())

    for name, result in results.items():
        assert result.error_type == "Carryon.BadEnvelope", name
        assert result.events == ["bad_envelope"], name
        assert "cr3t" not in result.log + str(result.body)
        assert "cr4t" not in result.log + str(result.body)
        assert KEY not in result.log + str(result.body)
    assert good.json["count"] == 41


def test_a_key_that_is_not_usable_lets_nothing_in_or_out(newest_runtime, layer, lambda_api, folder):
    """Whoever wanted signatures does not get chains without."""
    env = continuing(lambda_api, **ROOMY, CARRYON_STATE="count", CARRYON_SIGNING_KEY="too short")
    with Emulator(newest_runtime, folder, layer=layer, env=env) as function:
        let_in = function.invoke(signed())
        let_out = function.invoke({"stuck": True})
        ordinary = function.invoke(EVENT)
        log = function.log

    assert let_in.error_type == "Carryon.OpeningFailed"
    assert let_out.error_type == "Carryon.DeliveryFailed"
    assert "CARRYON_SIGNING_KEY" in let_out.json["errorMessage"]
    assert ordinary.json["count"] == 0
    assert lambda_api.calls == []
    assert "too short" not in log


def test_without_a_key_an_envelope_sets_what_the_state_names_and_no_more(newest_runtime, layer, folder):
    """Other globals, other keys of the event, anything but JSON: whoever may invoke the function cannot set them."""
    state = {"count": [1, {"a": None}], "other": "forged", "app:other": "forged", "handler": "forged", "new": 1}
    state |= {"app:count": 9, "handler().event": {}, "__builtins__": {}}
    meta = {**META, "state": state, "checkpoint": 1, "each": {"0": 1}}
    for env in ({"CARRYON_STATE": "count"}, {"CARRYON_STATE": "count", "CARRYON_STATE_INTO": "event"}, {}):
        with Emulator(newest_runtime, folder, layer=layer, env=env) as function:
            before = function.invoke(EVENT).json
            forged = function.invoke(envelope.wrap(EVENT, meta)).json

        into_event = {"count": state["count"]} if "CARRYON_STATE_INTO" in env else {}
        into_globals = state["count"] if env and not into_event else 0
        assert forged == {**before, "count": into_globals, "event": {**before["event"], **into_event}}
