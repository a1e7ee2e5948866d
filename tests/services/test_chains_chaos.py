"""Chains of five hops, when everything around them fails: none is lost, and no work is done twice."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.support.faults import FaultyProxy
from tests.support.ministack import Services
from tests.support.soak import full

from .book import doubles
from .chaos import RETRY_AFTER_S, UNITS, Chain, Chaos
from .model import modelled, tally

CHAINS = 300
CHAINS_TOGETHER = 30
POISONED = {4, 15, 26}
# Of the functions: those that the model knows, and whether a retry keeps its id; and the one without a lease for
# first invocations.
MODELLED = {0: True, 2: False}
UNGUARDED = 2
_SENT_AGAIN = 8
_HERE, _THERE = "modelled chains, here:", "modelled chains, by the model:"


@pytest.fixture(name="server", scope="module")
def _server():
    """A server that takes a little longer to repeat what failed, so that a lease can end meanwhile."""
    services = Services(RETRY_AFTER_S)
    yield services
    services.close()


def test_every_chain_ends_and_no_work_is_done_twice(services, newest_runtime, layer, sample, record_property):
    """With the lease table each chain comes to its result or is kept with its state, whatever fails and dies."""
    counts: Counter[str] = Counter()
    for seed in range(sample(full=CHAINS, short=CHAINS_TOGETHER) // CHAINS_TOGETHER):
        with FaultyProxy(services.port) as proxy:
            counts.update(_run(services, newest_runtime, layer, proxy, seed))
        services.reset()
    # Few chains on a machine that has others to serve tell nothing. The model knows neither the table's faults nor how
    # long things take here, so it expects fewer attempts.
    if full():
        for what, nearness in (("finished", 0.1), ("hops", 0.1), ("invocations", 0.35)):
            assert counts[f"{_HERE} {what}"] == pytest.approx(counts[f"{_THERE} {what}"], rel=nearness), counts
    record_property("sampled", "    " + ", ".join(f"{number} {what}" for what, number in sorted(counts.items())))


def _compare(chaos: Chaos, chains: dict[int, Chain]) -> tuple[Counter[str], Counter[str]]:
    """What became of the chains that the model of Lambda knows about: here, and in the model."""
    here, there = Counter[str](), Counter[str]()
    for function, keeps_id in MODELLED.items():
        numbers = [number for number in chains if number % len(chaos.functions) == function and number not in POISONED]
        here.update(tally(chaos, chains, numbers)._asdict())
        there.update(modelled(chaos, numbers, keeps_id=keeps_id)._asdict())
    return here, there


def _run(services, runtime, layer, proxy, seed) -> Counter[str]:
    table = services.table("leases")
    services.client("s3").create_bucket(Bucket="parcels")
    env = {"CARRYON_TABLE": table.name, "CARRYON_SIGNING_KEY": "the key of these chains"}
    guarded = {**env, "CARRYON_TABLE_ALWAYS": "1"}
    settings = [guarded, {**guarded, "CARRYON_ON_CRASH": "continue"}, {**env, "CARRYON_BUCKET": "parcels"}]
    chaos = Chaos(services, runtime, layer, proxy, seed, settings, POISONED)
    chains = chaos.run(range(CHAINS_TOGETHER))
    here, there = _compare(chaos, chains)
    worked = len(chaos.book.entries())
    finished = [number for number, chain in chains.items() if chain.finished]
    for number in finished[:_SENT_AGAIN]:
        chaos.send_again(number, 2)
    chaos.wait_until_quiet()

    entries, invocations = chaos.book.entries(), chaos.invocations()
    told = f"seed {seed}"
    assert set(chains) == set(range(CHAINS_TOGETHER)), told
    for number, chain in chains.items():
        assert chain.finished in ([], [{"number": number, "units": list(range(UNITS))}]), chaos.story(number)
    twice, again = doubles(entries, invocations)
    # Without CARRYON_TABLE_ALWAYS the first invocation of a chain has no lease.
    firsts = {one.request_id for one in invocations if "carryon" not in one.event}
    unguarded = [entry for entry in twice if entry.number % len(settings) == UNGUARDED and entry.request_id in firsts]
    wrong = [entry for entry in twice if entry not in unguarded]
    assert not wrong, "\n".join([told, *(f"{entry}: {twice[entry]}\n{chaos.story(entry.number)}" for entry in wrong)])
    assert len(entries) == worked, f"{told}: an old hop was run again"
    faults: Counter[tuple[str, str]] = Counter()
    for (service, _, outcome), number in proxy.counts.items():
        faults[service, outcome] += number
    return Counter(
        {
            "chains finished": len(finished),
            "chains kept": len(chains) - len(finished),
            "units": worked,
            "units twice": len(wrong),
            "units twice in first invocations without a lease": len(unguarded),
            "units again after a failure": len(again),
            "invocations": len(invocations),
            "envelopes sent again at the end": min(len(finished), _SENT_AGAIN),
            "parcels left": services.client("s3").list_objects_v2(Bucket="parcels")["KeyCount"],
            **{f"requests to {service} {outcome}": number for (service, outcome), number in faults.items()},
            **{f"{_HERE} {what}": number for what, number in here.items()},
            **{f"{_THERE} {what}": number for what, number in there.items()},
        }
    )
