"""Chains whose envelopes are too large for an invocation, and go by way of a bucket."""

import re
from pathlib import Path

import pytest

from carryon.shared import envelope
from tests.support.processes import wait_until

SIZE = 1_200_000
STEPS = {"steps": 250, "bytes": SIZE}
STATE = {"CARRYON_TO": "self", "CARRYON_STATE": "steps,ballast"}
BUCKET = {**STATE, "CARRYON_BUCKET": "parcels"}
KEY = {"CARRYON_SIGNING_KEY": "correct horse battery staple"}


@pytest.fixture
def s3(services):
    client = services.client("s3")
    client.create_bucket(Bucket="parcels")
    return client


def stored(s3):
    return [item["Key"] for item in s3.list_objects_v2(Bucket="parcels").get("Contents", ())]


@pytest.mark.parametrize("key", [{}, KEY], ids=["plain", "signed"])
def test_a_state_that_is_too_large_travels_by_the_bucket(make_function, s3, key):
    """Each hop finds it there, and what it has handed over is deleted; the end deletes the last."""
    function = make_function("work.heavy", env={**BUCKET, **key})

    function.send({**STEPS, "steps": 420})
    first, *others = function.wait_for_result()

    assert len(others) > 1, "no hop has handed over what it had from there"
    assert others[-1].answer == {"steps": 420}
    assert others[-1].events[-1] == "completed"
    for hop in others:
        assert hop.event["carryon"]["parcel"]["key"].startswith(f"carryon/{first.request_id}/")
        assert "state" not in hop.event["carryon"]
        assert "steps" not in hop.event
    wait_until(lambda: stored(s3) == [], 10, "a parcel that nobody needs any more is still there")


def test_a_hop_that_fails_keeps_its_parcel(make_function, services, s3, tmp_path):
    """What Lambda keeps in its queue leads to it, and sent again it carries on to the result."""
    url, arn = services.queue("failed")
    function = make_function("work.heavy", env=BUCKET, on_failure=arn)
    event = {**STEPS, "mark": str(tmp_path / "mark")}

    function.send(event)
    kept = services.receive(url)
    (key,) = stored(s3)
    Path(event["mark"]).touch()
    function.send(kept["requestPayload"])
    hops = function.wait_for_result()

    assert kept["responsePayload"]["errorType"] == "ValueError"
    assert kept["requestPayload"]["carryon"]["parcel"]["key"] == key
    assert hops[-1].answer == {"steps": 250}
    wait_until(lambda: stored(s3) == [], 10, "a parcel that nobody needs any more is still there")


@pytest.mark.parametrize(
    ("env", "reason"),
    [
        (STATE, r"StateNotSerializable .*ballast alone is 1,200,\d+; CARRYON_BUCKET takes more"),
        (BUCKET, "DeliveryFailed .*NoSuchBucket"),
    ],
    ids=["no setting", "no such bucket"],
)
def test_without_a_bucket_the_work_stays_with_lambda(make_function, env, reason):
    """The failure says what is too large and what helps, or what is wrong with the bucket."""
    function = make_function("work.heavy", env=env)

    function.send(STEPS)
    (hop,) = function.wait_for(1)

    assert re.search(reason, "{errorType} {errorMessage}".format(**hop.answer))


def test_a_parcel_that_cannot_be_had_fails_the_hop(make_function, s3):
    """Gone, replaced, or with nobody who says where: three different errors, and the handler is not called."""
    meta = {"v": 1, "chain": "c-1", "hop": 1, "cause": "time", "parent": "p", "started_at_ms": 1}
    key = f"carryon/c-1/1-{'0' * 64}.json"
    event = {"carryon": {**meta, "parcel": {"bucket": "parcels", "key": key, "etag": '"0"'}}}
    function = make_function("work.heavy", env=BUCKET)
    forgetful = make_function("work.heavy", env=STATE)

    _, gone = function.call(event)
    s3.put_object(Bucket="parcels", Key=key, Body=envelope.wrap(b"{}", {**meta, "state": {"steps": 250}}))
    _, replaced = function.call(event)
    _, unknown = forgetful.call(event)

    assert (gone["errorType"], replaced["errorType"]) == ("Carryon.OpeningFailed", "Carryon.BadEnvelope")
    assert "any more" in gone["errorMessage"]
    assert "not what was stored" in replaced["errorMessage"]
    assert unknown["errorType"] == "Carryon.OpeningFailed"
    assert "CARRYON_BUCKET" in unknown["errorMessage"]
    assert stored(s3) == [key]


def test_what_the_target_finds_too_large_goes_by_the_bucket_as_well(make_function, s3, lambda_api):
    """Limits change, and are not the same everywhere."""
    function = make_function("work.heavy", env={**BUCKET, "AWS_ENDPOINT_URL_LAMBDA": lambda_api.url})
    lambda_api.fail("RequestTooLargeException")

    function.send({"steps": 250, "bytes": 5})
    (hop,) = function.wait_for(1)

    refused, accepted = lambda_api.calls
    assert hop.events[-1] == "continued"
    assert refused.json["carryon"]["state"]["ballast"] == "xxxxx"
    assert [accepted.json["carryon"]["parcel"]["key"]] == stored(s3)
