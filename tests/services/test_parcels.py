"""Envelopes in a bucket, which are read, checked and deleted by their references alone."""

import time

import pytest
from botocore.exceptions import ClientError

from carryon.courier.parcels import NotHad, Parcels

CHAIN = "2f0c7b3e-8d55-4c1e-9a35-0d3c5d2a7b11"
ENVELOPE = b'{"carryon":{"v":1}}' * 70_000


@pytest.fixture
def s3(services):
    client = services.client("s3")
    client.create_bucket(Bucket="parcels")
    return client


@pytest.fixture
def parcels(s3):
    return Parcels("parcels", s3)


def soon():
    return int(time.time() * 1000) + 5_000


def keys(s3, bucket="parcels"):
    return [item["Key"] for item in s3.list_objects_v2(Bucket=bucket).get("Contents", ())]


def test_an_envelope_is_read_as_it_was_stored(s3, parcels):
    """The key tells chain and hop; the reference leads to the same bytes."""
    reference = parcels.stow(CHAIN, 3, ENVELOPE, soon())

    assert [reference["key"]] == keys(s3)
    assert reference["key"].startswith(f"carryon/{CHAIN}/3-")
    assert parcels.fetch(reference, CHAIN, 3, soon()) == ENVELOPE


def test_the_same_envelope_is_stored_once(s3, parcels):
    """A second attempt finds what the first one has stored and was not answered."""
    first = parcels.stow(CHAIN, 3, ENVELOPE, soon())

    assert parcels.stow(CHAIN, 3, ENVELOPE, soon()) == first
    assert len(keys(s3)) == 1


def test_another_envelope_for_the_same_hop_has_a_place_of_its_own(s3, parcels):
    """A hop that ran twice has two successors, and each of them finds its own."""
    first = parcels.stow(CHAIN, 3, ENVELOPE, soon())
    second = parcels.stow(CHAIN, 3, ENVELOPE + b" ", soon())

    assert parcels.fetch(first, CHAIN, 3, soon()) == ENVELOPE
    assert parcels.fetch(second, CHAIN, 3, soon()) == ENVELOPE + b" "


def test_a_parcel_that_was_deleted_is_gone(s3, parcels):
    """And said to be."""
    reference = parcels.stow(CHAIN, 3, ENVELOPE, soon())
    parcels.delete(reference, soon())

    assert keys(s3) == []
    with pytest.raises(NotHad, match="any more") as raised:
        parcels.fetch(reference, CHAIN, 3, soon())
    assert raised.value.is_gone


@pytest.mark.parametrize("etag_is_known", [False, True])
def test_a_parcel_that_was_replaced_is_refused(s3, parcels, etag_is_known):
    """By its ETag, and by its content where whoever replaced it could change the reference too."""
    reference = parcels.stow(CHAIN, 3, ENVELOPE, soon())
    etag = s3.put_object(Bucket="parcels", Key=reference["key"], Body=b'{"carryon":{}}')["ETag"]
    if etag_is_known:
        reference["etag"] = etag

    with pytest.raises(NotHad, match="not what was stored") as raised:
        parcels.fetch(reference, CHAIN, 3, soon())
    assert not raised.value.is_gone


@pytest.mark.parametrize(
    "change",
    [
        {"bucket": "others"},
        {"key": "secret.json"},
        {"key": "carryon/../secret.json"},
        {"key": f"carryon/{CHAIN}/3-{'0' * 63}.json"},
        {"key": 7},
        {"etag": None},
        {"etag": ["*"]},
    ],
)
def test_a_reference_leads_nowhere_else(s3, parcels, change):
    """Not into another bucket, nor to objects that are not Carry On's; nothing of them is read or deleted."""
    s3.create_bucket(Bucket="others")
    own = parcels.stow(CHAIN, 3, ENVELOPE, soon())
    for bucket, key in (("others", own["key"]), ("parcels", "secret.json")):
        s3.put_object(Bucket=bucket, Key=key, Body=b"secret")
    reference = {**own, **change}

    with pytest.raises(NotHad, match="the reference"):
        parcels.fetch(reference, CHAIN, 3, soon())
    parcels.delete(reference, soon())
    assert keys(s3, "others") == [own["key"]]
    assert sorted(keys(s3)) == sorted([own["key"], "secret.json"])


@pytest.mark.parametrize(("chain", "hop"), [(CHAIN, 4), (CHAIN[:-1], 3), ("", 3)])
def test_a_reference_is_good_for_its_hop_alone(parcels, chain, hop):
    """The parcel of one hop is not taken for another's."""
    reference = parcels.stow(CHAIN, 3, ENVELOPE, soon())

    with pytest.raises(NotHad, match="the reference"):
        parcels.fetch(reference, chain, hop, soon())


@pytest.mark.parametrize("reference", [None, "key", [], {}])
def test_what_is_no_reference_is_refused(parcels, reference):
    """Whatever stands in its place."""
    with pytest.raises(NotHad, match="the reference"):
        parcels.fetch(reference, CHAIN, 3, soon())
    parcels.delete(reference, soon())


@pytest.mark.parametrize("chain", ["../..", "a/b", "é ?%", "x" * 128])
def test_whatever_the_chain_is_called_its_parcels_are_found(parcels, chain):
    """An id is what somebody else has chosen."""
    reference = parcels.stow(chain, 1, ENVELOPE, soon())

    assert parcels.fetch(reference, chain, 1, soon()) == ENVELOPE


def test_an_object_that_is_too_large_is_not_read(s3, parcels):
    """What does not fit into memory set aside for envelopes is none."""
    reference = parcels.stow(CHAIN, 3, ENVELOPE, soon())
    reference["etag"] = s3.put_object(Bucket="parcels", Key=reference["key"], Body=b" " * ((8 << 20) + 1))["ETag"]

    with pytest.raises(NotHad, match="larger than any envelope"):
        parcels.fetch(reference, CHAIN, 3, soon())


def test_a_lost_answer_is_asked_for_again(services, s3, faulty):
    """What was stored is found, a throttle is waited out, and a refusal is final."""
    parcels = Parcels("parcels", services.client("s3", faulty.url))

    faulty.plan("lost", "throttle")
    reference = parcels.stow(CHAIN, 3, ENVELOPE, soon())
    faulty.plan("fail", "lost")
    assert parcels.fetch(reference, CHAIN, 3, soon()) == ENVELOPE
    assert keys(s3) == [reference["key"]]
    faulty.plan("deny")
    with pytest.raises(ClientError, match="AccessDenied"):
        parcels.fetch(reference, CHAIN, 3, soon())
