"""Chains with a lease table on local AWS services: one owner for each hop, whoever comes twice."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from carryon.courier import leases
from carryon.courier.lease_table import Table

STEPS = {"steps": 350}
CHAIN = {"CARRYON_TO": "self", "CARRYON_STATE": "steps"}


@pytest.fixture
def table(services):
    """An empty table as the template makes it; `table.items(chain)` are its items by hop."""
    return services.table("leases")


def test_a_chain_leaves_its_way_and_its_result_in_the_table(make_function, table):
    """Every hop but the last is handed over, the last finished, and the chain's item has the answer."""
    function = make_function("work.count", env={**CHAIN, "CARRYON_TABLE": table.name})

    function.send(STEPS)
    hops = function.wait_for_result()
    items = table.items(hops[0].request_id)

    assert hops[-1].answer == STEPS
    assert {number: item["status"] for number, item in items.items()} == {
        -1: "finished",
        **dict.fromkeys(range(1, len(hops) - 1), "handed"),
        len(hops) - 1: "finished",
    }
    assert items[-1]["result"] == '{"steps": 350}'


def claims(services, table, hops, token=None):
    """Have all of these claim at once, each on a connection of its own; returns what became of each."""
    client = services.client("dynamodb", connections=len(hops))
    # Made at their first use: by two threads at once, each would have classes of its own.
    assert client.exceptions.ConditionalCheckFailedException
    barrier = threading.Barrier(len(hops))

    def claim(hop):
        barrier.wait()
        return leases.claim(Table(table.name, client), hop, token, int(time.time() * 1000) + 20_000)

    with ThreadPoolExecutor(len(hops)) as pool:
        return list(pool.map(claim, hops))


def hop(request_id, number=1):
    """What a hop says of itself."""
    return {"id": request_id, "chain": "c", "hop": number, "deadline_ms": int(time.time() * 1000) + 60_000}


@pytest.mark.parametrize("status", [None, "sent", "failed", "running"])
def test_of_forty_that_want_a_hop_one_has_it(services, table, status):
    """Whether it was sent, has failed, or its owner's lease has ended."""
    if status:
        table.set("c", 1, status=status, owner="before", attempt=1, lease_until_ms=1)

    outcomes = claims(services, table, [hop(f"r{number}") for number in range(40)])

    assert sorted(outcome.kind for outcome in outcomes) == ["mine"] + ["taken"] * 39
    (owner,) = [outcome.item["owner"] for outcome in outcomes if outcome.kind == "mine"]
    assert table.items()[1]["owner"] == owner


def test_of_two_that_race_for_a_hop_one_has_it_forty_times(services, table):
    """Two at once, one hop after the other."""
    for number in range(1, 41):
        outcomes = claims(services, table, [hop("a", number), hop("b", number)])
        assert sorted(outcome.kind for outcome in outcomes) == ["mine", "taken"]


def test_of_forty_that_hand_one_hop_over_one_envelope_is_good(services, table):
    """Lambda's own duplicates of hop 0: each writes down what it sends, and the last one's token alone opens hop 1."""
    client = services.client("dynamodb", connections=40)

    def record(_):
        return leases.record_successor(Table(table.name, client), hop("r", 0), int(time.time() * 1000) + 20_000)[0]

    with ThreadPoolExecutor(40) as pool:
        tokens = list(pool.map(record, range(40)))
    last = table.items()[1]["token"]
    claimed = [
        leases.claim(Table(table.name, client), hop(token), token, int(time.time() * 1000) + 20_000).kind
        for token in sorted(tokens, key=lambda token: token == last)
    ]

    assert len(set(tokens)) == 40
    assert claimed == ["taken"] * 39 + ["mine"]
    assert record(None) is None


def test_what_a_failed_attempt_has_sent_does_not_begin_beside_the_next(services, table):
    """A hop that is done again, as nobody knows whether it was handed over, sends an envelope of its own in the end."""
    lease = Table(table.name, services.client("dynamodb"))
    until_ms = int(time.time() * 1000) + 20_000
    leases.claim(lease, hop("a"), None, until_ms)
    first, _ = leases.record_successor(lease, hop("a"), until_ms)
    leases.claim(lease, hop("a"), None, until_ms)
    early = leases.claim(lease, hop("b", 2), first, until_ms)
    second, _ = leases.record_successor(lease, hop("a"), until_ms)

    assert early.kind == "taken"
    assert leases.claim(lease, hop("b", 2), first, until_ms).kind == "taken"
    assert leases.claim(lease, hop("c", 2), second, until_ms).kind == "mine"


def test_a_hop_that_was_lost_is_neither_handed_over_nor_ended(services, table):
    """Not even by the invocation that had it before under the same request id."""
    lease = Table(table.name, services.client("dynamodb"))
    until_ms = int(time.time() * 1000) + 20_000
    first = leases.claim(lease, hop("a"), None, until_ms)
    leases.claim(lease, hop("a"), None, until_ms)
    lost = {**hop("a"), "attempt": first.item["attempt"]}

    for claimed in (None, first.item):
        with pytest.raises(leases.Lost):
            leases.record_successor(lease, lost, until_ms, claimed)
        with pytest.raises(leases.Lost):
            leases.close(lease, lost, {"status": "finished", "result": "1"}, until_ms, claimed)
    leases.mark_handed(lease, first.item, "arn", until_ms)
    items = table.items()

    assert {number: item["status"] for number, item in items.items()} == {1: "running"}


def test_the_last_end_of_a_chain_is_the_one_that_counts(services, table):
    """A failure with an error too large for the table, and then a result of a few bytes."""
    lease = Table(table.name, services.client("dynamodb"))
    until_ms = int(time.time() * 1000) + 20_000
    leases.claim(lease, hop("a"), None, until_ms)
    leases.close(lease, hop("a"), {"status": "failed", "result": '{"bytes": 1}', "result_bytes": 1}, until_ms)
    leases.claim(lease, hop("a"), None, until_ms)
    leases.close(lease, hop("a"), {"status": "finished", "result": "42"}, until_ms)
    chain = table.items()[-1]

    assert (chain["status"], chain["result"]) == ("finished", "42")
    assert "result_bytes" not in chain
