"""Whose turn it is, by what a lease table says."""

import pytest

from carryon.courier import leases
from carryon.courier.lease_table import OF_CHAIN

NOW_MS = 1_000_000
HOP = {"id": "me", "chain": "c", "hop": 3, "deadline_ms": NOW_MS + 60_000}


def record(status, owner="other", **members):
    """A hop's record; its lease lasts."""
    return {"status": status, "owner": owner, "attempt": 1, "lease_until_ms": NOW_MS + 1, **members}


def judge(own=None, following=None, chain=None, token="t"):
    """Whose turn hop 3 is, for the envelope with that token."""
    items = {3: own, 4: following, OF_CHAIN: chain}
    return leases.judge({number: item for number, item in items.items() if item}, HOP, token, NOW_MS)


@pytest.mark.parametrize(
    "own",
    [
        None,
        record("sent", token="t"),
        record("sent"),
        record("running", "me"),
        record("running", lease_until_ms=NOW_MS),
        record("failed"),
        record("failed", "me"),
    ],
    ids=["unknown", "sent", "sent without a token", "a retry", "its owner died", "failed", "a retry of a failure"],
)
def test_a_hop_that_nobody_works_on_is_taken(own):
    """What was sent, what Lambda repeats, and what its owner has not brought to an end."""
    claim = judge(own)

    assert claim.kind == leases.MINE
    assert (claim.item["owner"], claim.item["status"]) == ("me", "running")
    assert claim.item["lease_until_ms"] > HOP["deadline_ms"]
    assert claim.item["attempt"] == (own or {}).get("attempt", 0) + 1


@pytest.mark.parametrize(
    "own",
    [
        record("running"),
        record("sent", token="another"),
        record("sent", "me", token="another"),
        record("running", token="another", lease_until_ms=0),
        record("failed", token="another"),
    ],
    ids=["a live lease", "sent again", "sent again by this very function", "sent again, died", "sent again, failed"],
)
def test_a_hop_that_another_has_is_left_to_it(own):
    """Not answered with a success: nobody knows yet how the other one ends."""
    assert judge(own).kind == leases.TAKEN


@pytest.mark.parametrize("owner", ["me", "other"])
@pytest.mark.parametrize(
    ("own", "following", "status", "outcome"),
    [
        (("handed", {"outcome": '{"to": "arn"}'}), None, "handed", '{"to": "arn"}'),
        (("finished", {}), None, "finished", "42"),
        (("running", {}), record("running"), "handed", None),
        (("failed", {}), record("failed"), "handed", None),
        (("running", {"lease_until_ms": 0}), record("finished"), "handed", None),
    ],
    ids=["handed", "finished", "the next one runs", "the next one has failed", "the next one has finished"],
)
def test_a_hop_that_is_done_is_answered_as_its_first_owner_has(own, following, status, outcome, owner):
    """Also where its owner died before it could write down that the next hop has its work."""
    claim = judge(record(own[0], owner, **own[1]), following, {"status": "finished", "result": "42"})

    assert (claim.kind, claim.status, claim.outcome) == (leases.DONE, status, outcome)


def test_a_successor_that_was_sent_and_never_began_does_not_count():
    """Its sender may have died before it could send anything."""
    assert judge(record("running", lease_until_ms=0), record("sent")).kind == leases.MINE


def test_a_cancelled_chain_ends_at_its_next_hop():
    """What is done stays done."""
    cancelled = {"cancelled_at_ms": 1}

    assert judge(record("sent", token="t"), chain=cancelled).kind == leases.CANCELLED
    assert judge(record("running", "me"), chain=cancelled).kind == leases.CANCELLED
    assert judge(record("handed"), chain=cancelled).kind == leases.DONE


def test_a_result_that_had_no_room_is_no_answer():
    """What the table has in its place says where it is."""
    chain = {"status": "finished", "result": '{"bytes": 400000}', "result_bytes": 400_000}

    assert judge(record("finished"), chain=chain).outcome is None


@pytest.mark.parametrize(("size", "fits"), [(300_000, True), (300_001, False)])
def test_a_result_fits_up_to_a_limit_in_bytes(size, fits):
    """DynamoDB's is 400 KB for everything in an item."""
    assert leases.fits("x" * size) is fits
    assert leases.fits("ä" * (size // 2 + 1)) is False
    assert leases.fits(None) is False
