"""What ends a chain whose work is not done, and what it has cost so far."""

import json
import time

import pytest

from carryon.shared import envelope, handover
from carryon.shared.ending_hop import EndingHop
from carryon.shared.invocation import Invocation
from carryon.shared.settings import parse

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:work"
STATE = {"state": {"count": 1, "candidate": [2, 3]}}


def decide(progress=STATE, *, env=None, carried=None, raw=b"{}", started_ms_ago=2_000, is_whole=True, crashes=0):
    """Members of the next hop's envelope, from a hop that began so long ago."""
    now_ms = int(time.time() * 1000)
    hop = EndingHop(
        parse({"CARRYON_TO": "self", **(env or {})}),
        Invocation("r-1", ARN, now_ms + 500, raw, carried, None, None, None),
        started_at_ms=now_ms - started_ms_ago,
        margin_ms=500,
        stopped_at=[],
        progress=None if progress is None else json.dumps(progress).encode(),
        is_whole=is_whole,
        crashes=crashes,
    )
    hop.until_ms = lambda: now_ms + 100
    return handover.decide(hop).meta


def hops_alike(number, *args, **settings):
    """Hops one after the other that all carry the same; the last one's envelope."""
    meta = None
    for _ in range(number):
        meta = decide(*args, carried=meta, **settings)
        assert envelope.unwrap(envelope.wrap(b"{}", meta)) == (meta, b"{}")
    return meta


def test_hops_that_change_nothing_are_counted_and_end_the_chain():
    """Three hops that leave what they began with, the first of a chain not counted."""
    meta = hops_alike(3)

    assert meta["stall"]["hops"] == 2
    with pytest.raises(handover.Failure) as raised:
        decide(carried=meta)
    assert (raised.value.kind, raised.value.line[0]) == ("Stalled", "stalled")
    for part in (meta["chain"], "3 hops in a row", "count of CARRYON_STATE", "candidate", "CARRYON_STALL_HOPS=0"):
        assert part in raised.value.text
    assert "[2, 3]" not in raised.value.text


@pytest.mark.parametrize(
    "progress",
    [
        {"state": {"count": 2, "candidate": [2, 3]}},
        {"state": {"count": 1.5, "candidate": [2, 3]}},
        {"state": {"count": True, "candidate": [2, 3]}},
        {**STATE, "checkpoint": None},
        {**STATE, "each": {"0": 1}},
    ],
)
def test_any_change_starts_the_count_anew(progress):
    """A hop that leaves something else has done something."""
    meta = decide(progress, carried=hops_alike(3))

    assert meta["stall"]["hops"] == 0


def test_the_order_of_members_is_no_change():
    """Nor is another way to write the same."""
    roomy = {"CARRYON_STALL_HOPS": "9"}
    reordered = {"state": dict(reversed(STATE["state"].items()))}

    assert decide(reordered, carried=hops_alike(3, env=roomy), env=roomy)["stall"]["hops"] == 3


@pytest.mark.parametrize("progress", [{"checkpoint": [1]}, {"each": {"0": 3}}, {**STATE, "checkpoint": 7}])
def test_whatever_carries_progress_is_looked_at(progress):
    """A checkpoint and the items that are finished as well as variables."""
    with pytest.raises(handover.Failure, match="comes no further"):
        hops_alike(4, progress)


def test_an_event_that_the_handler_has_left_is_looked_at():
    """With CARRYON_EVENT=current it is what progress there is; an original event is none."""
    current = {"CARRYON_EVENT": "current"}
    meta = hops_alike(3, None, env=current, raw=b'{"left":5}')

    assert decide(None, carried=meta, env=current, raw=b'{"left":4}')["stall"]["hops"] == 0
    with pytest.raises(handover.Failure, match="the event"):
        decide(None, carried=meta, env=current, raw=b'{"left":5}')


def test_a_chain_that_carries_nothing_is_not_looked_at():
    """Its progress is somewhere else."""
    assert "stall" not in hops_alike(9, None)


@pytest.mark.parametrize("doubtful", [{"is_whole": False}, {"crashes": 1}])
def test_a_state_that_may_be_old_says_nothing(doubtful):
    """It neither counts nor starts the count anew; what was said by a call does."""
    meta = hops_alike(3)

    assert decide(carried=meta, **doubtful)["stall"] == meta["stall"]
    assert decide({"state": {"count": 9}}, carried=meta, **doubtful)["stall"] == meta["stall"]
    assert "stall" not in decide(**doubtful)


def test_a_checkpoint_counts_however_the_hop_has_ended():
    """It is whole the moment it is kept."""
    with pytest.raises(handover.Failure, match="the checkpoint"):
        hops_alike(4, {"checkpoint": {"page": 3}}, is_whole=False)


def test_the_check_can_be_switched_off():
    """And then costs nothing."""
    assert "stall" not in hops_alike(9, env={"CARRYON_STALL_HOPS": "0"})


def test_a_chain_ends_at_its_age():
    """From the start of its first hop on."""
    env = {"CARRYON_MAX_AGE": "90m"}
    meta = decide(env=env)
    young = {**meta, "started_at_ms": meta["started_at_ms"] - 89 * 60_000}
    old = {**meta, "started_at_ms": meta["started_at_ms"] - 90 * 60_000}

    assert decide(env=env, carried=young)["started_at_ms"] == young["started_at_ms"]
    with pytest.raises(handover.Failure, match="CARRYON_MAX_AGE is 5400 s") as raised:
        decide(env=env, carried=old)
    assert (raised.value.kind, raised.value.line[0]) == ("AgeLimit", "age_limit")
    assert decide(carried=old)["hop"] == 2


def test_the_cost_adds_up(monkeypatch):
    """GB-seconds and requests of all hops, in the envelope and in the line of what ends the chain."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
    meta = decide(started_ms_ago=4_000)
    meta = decide(carried=meta, started_ms_ago=6_000)
    with pytest.raises(handover.Failure) as raised:
        decide(carried={**meta, "hop": 12}, started_ms_ago=2_000)

    assert meta["spent"] == {"gb_s": pytest.approx(5.0, abs=0.1), "requests": 2}
    assert raised.value.line[0] == "hop_limit"
    assert raised.value.line[2] == {"gb_seconds": pytest.approx(6.0, abs=0.1), "requests": 3}


def test_without_a_memory_size_there_is_no_cost(monkeypatch):
    """Unknown is not nothing."""
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", raising=False)

    assert "spent" not in decide()


@pytest.mark.parametrize(
    "member",
    [
        {"spent": 1},
        {"spent": {"gb_s": 1.0}},
        {"spent": {"gb_s": "1", "requests": 1}},
        {"spent": {"gb_s": -1, "requests": 1}},
        {"spent": {"gb_s": float("nan"), "requests": 1}},
        {"spent": {"gb_s": 1, "requests": 0}},
        {"stall": []},
        {"stall": {"digest": "d"}},
        {"stall": {"digest": 1, "hops": 1}},
        {"stall": {"digest": "d", "hops": -1}},
        {"stall": {"digest": "d", "hops": False}},
        {"sig": 1},
        {"parcel": "s3://"},
    ],
)
def test_members_of_the_wrong_kind_make_no_envelope(member):
    """What cannot be ours is an event like any other."""
    raw = json.dumps({"carryon": {**decide(), **member}}, separators=(",", ":")).encode()

    assert envelope.unwrap(raw) is None
    assert envelope.take(json.loads(raw)) is None
