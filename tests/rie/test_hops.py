"""Envelopes, hops and answers: what travels, what the handler sees of it, and what the caller gets."""

import json

import pytest

from carryon.shared import envelope
from tests.support.emulator import Emulator
from tests.support.functions import FUNCTIONS, continuing

META = {"v": 1, "chain": "c-1", "hop": 3, "cause": "time", "parent": "r-2", "started_at_ms": 1}

EVENTS = {
    "blanks": b' {\n "do" : "echo", "a": [1, 2.50, 1e2]}\n',
    "own key": b'{"do": "echo", "carryon": {"mine": true}}',
    "lookalike": b'{"do": "echo", "carryon": {"v": 2, "chain": "c"}}',
    "unicode": '{"do": "echo", "text": "h\u00e9 \U0001f600 \\u00e9"}'.encode(),
    "duplicate": b'{"do": "catch", "do": "echo"}',
}


@pytest.mark.parametrize("name", EVENTS)
def test_the_handler_of_a_later_hop_sees_the_event_of_the_first(name, edge_runtime, layer):
    """Every envelope is taken off again, whatever the event is."""
    raw = EVENTS[name]
    with Emulator(edge_runtime, FUNCTIONS, "work.handler", layer=layer) as function:
        first = function.invoke(raw)
        later = function.invoke(envelope.wrap(raw, META))
        anew = function.invoke(json.loads(envelope.wrap(raw, META)))

    assert first.body == later.body
    assert first.json == json.loads(raw)
    assert anew.json == first.json
    assert later.events == anew.events == ["resumed", "completed"]


@pytest.mark.parametrize("raw", [b"[1, 2]", b'"text"', b"12.50", b"null", b"true", b"{}"])
def test_events_that_are_no_objects_travel_too(raw, newest_runtime, layer, tmp_path):
    """Lists, texts, numbers, null and the empty object arrive as they were sent."""
    (tmp_path / "app.py").write_text("def handler(event, context):\n    return event\n")
    with Emulator(newest_runtime, tmp_path, layer=layer) as function:
        result = function.invoke(envelope.wrap(raw, META))

    assert result.json == json.loads(raw)
    assert result.events == ["resumed", "completed"]


def test_what_only_looks_like_an_envelope_is_passed_on(newest_runtime, layer):
    """Wrong version or shape: an event like any other."""
    with Emulator(newest_runtime, FUNCTIONS, "work.handler", layer=layer) as function:
        for wrong in ({"v": 2}, {"hop": 0}, {"hop": True}, {"chain": ""}, {"cause": "x"}, {"state": []}):
            event = {"carryon": {**META, **wrong}, "do": "echo"}
            result = function.invoke(event)
            assert result.json == event
            assert result.events == []


def test_a_bare_function_gets_the_original_event_with_one_key_more(newest_runtime, layer, lambda_api):
    """The layer was detached in between: the function starts over with its own event."""
    with Emulator(newest_runtime, FUNCTIONS, "work.handler", layer=layer, env=continuing(lambda_api)) as function:
        function.invoke(b'{ "do":"clean_up", "n": 1.50 }')
    (call,) = lambda_api.calls
    with Emulator(newest_runtime, FUNCTIONS, "work.echo") as bare:
        result = bare.invoke(call.payload)

    assert call.payload.endswith(b'}, "do":"clean_up", "n": 1.50 }')
    assert {**result.json, "carryon": None} == {"carryon": None, "do": "clean_up", "n": 1.5}


def test_a_chain_ends_at_its_hop_limit(newest_runtime, layer, lambda_api):
    """The last hop that is allowed fails when its time is up, so that somebody hears of it."""
    env = continuing(lambda_api, CARRYON_MAX_HOPS="3")
    with Emulator(newest_runtime, FUNCTIONS, "work.handler", layer=layer, env=env) as function:
        result = function.invoke(envelope.wrap(b'{"do":"clean_up"}', META))

    assert result.error_type == "Carryon.HopLimit"
    assert "c-1" in result.json["errorMessage"]
    assert result.events == ["resumed", "time_is_up", "hop_limit"]
    assert lambda_api.calls == []


def test_state_that_is_not_json_fails_the_invocation_and_names_the_variable(newest_runtime, layer, lambda_api):
    """Nothing is continued from a state that is not there."""
    env = continuing(lambda_api, CARRYON_STATE="steps")
    with Emulator(newest_runtime, FUNCTIONS, "work.handler", layer=layer, env=env) as function:
        result = function.invoke({"do": "unserialisable"})
        fresh = function.invoke({"do": "finish"})

    assert result.error_type == "Carryon.StateNotSerializable"
    assert "steps" in result.json["errorMessage"]
    assert "set" in result.json["errorMessage"]
    assert lambda_api.calls == []
    assert fresh.json["steps"] == 0


def test_one_chains_state_never_leaks_into_another(newest_runtime, layer, lambda_api):
    """After a hop with state put in, and after one that was cut short, globals are what they were after import."""
    env = continuing(lambda_api, CARRYON_STATE="steps")
    put_in = envelope.wrap(b'{"do":"finish"}', {**META, "state": {"steps": 41}})
    with Emulator(newest_runtime, FUNCTIONS, "work.handler", layer=layer, env=env) as function:
        steps = [function.invoke(event).json["steps"] for event in (put_in, {"do": "finish"}, put_in)]
        function.invoke({"do": "clean_up"})
        steps.append(function.invoke({"do": "finish"}).json["steps"])

    assert steps == [41, 0, 41, 0]


def test_a_marshaller_of_the_functions_own_hands_over_this_invocations_event(newest_runtime, layer, lambda_api):
    """Its events are objects that cannot be serialised; the continuation has the bytes that came, tenant by tenant."""
    env = continuing(lambda_api)
    with Emulator(newest_runtime, FUNCTIONS, "marshalled.handler", layer=layer, env=env) as function:
        for tenant in ("blue", "green"):
            function.invoke({"quick": tenant}, tenant_id=tenant)
            function.invoke({"work": tenant}, tenant_id=tenant)
        later = function.invoke(envelope.wrap(b'{"quick": 7}', META))

    assert [(call.tenant_id, call.json["work"]) for call in lambda_api.calls] == [("blue",) * 2, ("green",) * 2]
    assert later.json == {"quick": 7}


@pytest.mark.parametrize("response", ['{"statusCode": 303}', "null", '"gone on"', "[1]"])
def test_the_answer_can_be_set(response, newest_runtime, layer, lambda_api):
    """`CARRYON_RESPONSE` is the answer of a hop that has handed over."""
    env = continuing(lambda_api, CARRYON_RESPONSE=response)
    with Emulator(newest_runtime, FUNCTIONS, "work.handler", layer=layer, env=env) as function:
        result = function.invoke({"do": "clean_up"})

    assert result.json == json.loads(response)
    assert len(lambda_api.calls) == 1


def test_the_answer_can_be_an_error(newest_runtime, layer, lambda_api):
    """`CARRYON_RESPONSE=error`: callers that must not take the answer for the result see a failure."""
    env = continuing(lambda_api, CARRYON_RESPONSE="error")
    with Emulator(newest_runtime, FUNCTIONS, "work.handler", layer=layer, env=env) as function:
        result = function.invoke({"do": "clean_up"})

    assert result.error_type == "Carryon.Continued"
    assert result.request_id in result.json["errorMessage"]
    assert len(lambda_api.calls) == 1


def test_a_web_caller_gets_a_202(newest_runtime, layer, lambda_api):
    """The answer has the shape that function URLs and API Gateway understand."""
    event = {"do": "clean_up", "version": "2.0", "requestContext": {"http": {"method": "GET"}}}
    with Emulator(newest_runtime, FUNCTIONS, "work.handler", layer=layer, env=continuing(lambda_api)) as function:
        result = function.invoke(event)

    assert result.json["statusCode"] == 202
    assert json.loads(result.json["body"])["carryon"]["continued"] is True
