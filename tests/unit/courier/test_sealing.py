"""What is too large for its target, and for everything."""

from types import SimpleNamespace

import pytest

from carryon.courier import parcels, sealing
from carryon.shared.delivery import Order
from carryon.shared.settings import parse

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:work"


def seal(env, meta, raw=b"{}"):
    courier = SimpleNamespace(settings=parse(env), report=lambda *_: None)
    return sealing.seal(courier, Order(ARN, None, None, 0, {"chain": "c", "hop": 1, **meta}), raw, ARN)


def test_what_fits_is_sent_as_it_is():
    """Up to the last byte."""
    room = sealing.MAX - len(seal({}, {}, b'{"a":""}'))
    sealed = seal({}, {}, b'{"a":"' + b"x" * room + b'"}')

    assert len(sealed) == 1_048_576
    with pytest.raises(sealing.TooLarge, match="1,048,577 bytes and the target takes 1,048,576; the event"):
        seal({}, {}, b'{"a":"' + b"x" * (room + 1) + b'"}')


@pytest.mark.parametrize(
    ("meta", "largest"),
    [
        ({"state": {"a": "x" * 900_000, "b": "x" * 200_000}}, "a of CARRYON_STATE has 900,002"),
        ({"state": {"a": "x" * 400_000}, "checkpoint": "x" * 700_000}, "the checkpoint has 700,002"),
        ({"checkpoint": ["é" * 200_000]}, "the checkpoint has 1,200,004"),
    ],
)
def test_the_largest_part_is_named(meta, largest):
    """With its size as JSON, and never its content."""
    with pytest.raises(sealing.TooLarge, match=largest) as raised:
        seal({}, meta)
    assert "xx" not in str(raised.value)


def test_not_even_a_bucket_helps_what_no_hop_could_open():
    """The next hop has only so much room for it."""
    with pytest.raises(sealing.TooLarge, match=f"not more than {parcels.MAX:,}"):
        seal({"CARRYON_BUCKET": "parcels"}, {"checkpoint": "x" * parcels.MAX})
