"""`carryon.each` over a listing of more keys than S3 is asked to give at once."""

import importlib
from pathlib import Path

import pytest

from carryon_cli.function import REGION
from tests.support.emulator import Emulator
from tests.support.functions import continuing
from tests.support.pace import pace, seconds

from .conftest import ROOMY

FUNCTIONS = Path(__file__).resolve().parent / "functions"
KEYS = [f"key-{number:04}" for number in range(120)]
PAGE = 50
HOPS_MAX = 12


@pytest.fixture(name="bucket")
def _bucket(services):
    s3 = services.client("s3")
    s3.create_bucket(Bucket="listed")
    for key in KEYS:
        s3.put_object(Bucket="listed", Key=key)
    return "listed"


@pytest.mark.parametrize("handler", ["pages", "collection"])
def test_a_chain_looks_at_every_key(handler, bucket, services, newest_runtime, layer, lambda_api, tmp_path):
    """Pages and keys, or keys alone; none twice but those that were interrupted."""
    path = tmp_path / "seen"
    event = {"bucket": bucket, "page": PAGE, "path": str(path), "pace_s": 0.035 * pace()}
    env = continuing(lambda_api, AWS_ENDPOINT_URL_S3=services.url, **ROOMY)
    options = {"layer": layer, "env": env, "timeout_s": seconds(5)}
    with Emulator(newest_runtime, FUNCTIONS, f"listing.{handler}", **options) as function:
        results = [function.invoke(event)]
        while len(lambda_api.calls) == len(results) < HOPS_MAX:
            results.append(function.invoke(lambda_api.calls[-1].payload))
    seen = path.read_text().split()

    assert results[-1].json == "done"
    assert len(results) > 1
    assert sorted(set(seen)) == KEYS
    assert len(seen) < len(KEYS) + len(results)


def test_without_the_layer_every_key_is_seen_once(bucket, services, tmp_path, monkeypatch):
    """As in a test or on one's own machine."""
    for name, value in {
        "AWS_ENDPOINT_URL": services.url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(FUNCTIONS)
    listing = importlib.import_module("listing")

    for handler in (listing.pages, listing.collection):
        path = tmp_path / handler.__name__
        assert handler({"bucket": bucket, "page": PAGE, "path": str(path), "pace_s": 0}, None) == "done"
        assert path.read_text().split() == KEYS
