"""Wherever a function keeps its progress, the next hop finds it there."""

import pytest

from tests.support.emulator import Emulator
from tests.support.functions import FUNCTIONS, continuing, follow

LAST = 70


@pytest.fixture(name="start")
def _start(layer, lambda_api):
    def start(runtime, handler="keeping.handler", **settings):
        env = continuing(lambda_api, **settings)
        return Emulator(runtime, FUNCTIONS, handler, layer=layer, env=env, timeout_s=2)

    return start


@pytest.mark.parametrize(
    ("do", "settings"),
    [
        ("from_event", {"CARRYON_STATE": "count", "CARRYON_STATE_INTO": "event"}),
        ("from_event", {"CARRYON_STATE": "count", "CARRYON_STATE_INTO": "both"}),
        ("from_mapped_event", {"CARRYON_STATE": "count=CURRENT_STATE"}),
        ("with_local", {"CARRYON_STATE": "with_local().position=POSITION"}),
        ("in_event", {"CARRYON_EVENT": "current"}),
    ],
)
def test_a_chain_ends_as_one_long_run_would(do, settings, edge_runtime, start, lambda_api):
    """The handler's code takes up what it finds."""
    with start(edge_runtime, **settings) as function:
        results = follow(function, lambda_api, {"do": do})
        fresh = function.invoke({"do": "echo"})

    assert results[-1].json == (list(range(LAST)) if do == "in_event" else LAST)
    assert len(results) > 1
    assert fresh.json["event"] == {"do": "echo"}
    if settings.get("CARRYON_STATE_INTO") == "both":
        assert fresh.json["count"] == 0


def test_an_event_that_is_not_json_any_more_fails_the_invocation(newest_runtime, start, lambda_api):
    """The message says so, and Lambda keeps the original."""
    with start(newest_runtime, CARRYON_EVENT="current") as function:
        result = function.invoke({"do": "spoils_event"})

    assert result.error_type == "Carryon.StateNotSerializable"
    assert "CARRYON_EVENT=current" in result.json["errorMessage"]
    assert "object" in result.json["errorMessage"]
    assert lambda_api.calls == []


def test_a_stuck_handlers_event_is_carried_on_as_it_was_at_the_alarm(edge_runtime, start, lambda_api):
    """The supervisor takes it from the board."""
    with start(edge_runtime, CARRYON_EVENT="current") as function:
        function.invoke({"do": "swallow_with_event"})

    (call,) = lambda_api.calls
    assert {**call.json, "carryon": None} == {"do": "swallow_with_event", "done": "so far", "carryon": None}


def test_state_for_an_event_that_is_no_object_fails_the_hop(newest_runtime, start, lambda_api):
    """The error names the variable and what the event is."""
    from carryon.shared import envelope

    meta = {"v": 1, "chain": "c-1", "hop": 1, "cause": "time", "parent": "r", "started_at_ms": 1, "state": {"count": 1}}
    with start(newest_runtime, CARRYON_STATE="count", CARRYON_STATE_INTO="event") as function:
        result = function.invoke(envelope.wrap(b"[1]", meta))

    assert result.error_type == "Carryon.StateNotSerializable"
    assert "count into the event, which is no object but a list" in result.json["errorMessage"]
