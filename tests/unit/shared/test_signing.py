"""A signature is good for what was signed, however it is written, and for nothing else."""

import json

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from carryon.shared import signing

FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:work"
META = {"v": 1, "chain": "c-1", "hop": 3, "cause": "time", "parent": "p-1", "started_at_ms": 1_700_000_000_000}
KEY, OLD_KEY, OTHER_KEY = b"the key of today", b"the key of before", b"the key of others"

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def sign(event, meta=META, function=FUNCTION, key=KEY):
    return signing.sign(meta, event, function, key)


def is_signed(meta, event, function=FUNCTION, keys=(KEY,)):
    return signing.is_signed(meta, event, function, keys)


def written_anew(value, *, points=True):
    """What a queue in another language makes of a JSON value: other order, no point in whole numbers, exponents."""
    if isinstance(value, dict):
        return {name: written_anew(value[name], points=points) for name in reversed(value)}
    if isinstance(value, list):
        return [written_anew(item, points=points) for item in value]
    if not points and isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 2**70 < value < 2**1000 and float(value) == value:
        return float(value)
    return value


@given(values, st.dictionaries(st.text(max_size=9), values, max_size=3), st.booleans(), st.booleans())
@example({"n": 1.0, "big": 10**22, "half": 0.1, "minus": -0.0}, {}, True, False)
@example({"a": "\ud800", "b": "\U0001f600"}, {}, False, True)
@example([float("nan"), float("inf"), 2**2000], {"gb_s": 2.0}, True, False)
def test_a_signature_outlives_any_way_to_write_the_same(event, state, ascii_only, points):
    """Key order, blanks, escapes, decimal points and exponents may change; integers beyond a double are kept."""
    event_text = json.dumps(event).encode()
    signed = sign(event_text, {**META, "state": state})
    rewritten = json.dumps(
        [written_anew(event, points=points), written_anew(signed, points=points)], ensure_ascii=ascii_only, indent=1
    ).encode("utf-8", "surrogatepass")

    event_again, meta_again = json.loads(rewritten)
    assert is_signed(meta_again, json.dumps(event_again, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass"))


@given(values, values)
def test_another_event_is_not_signed(event, other):
    """Whatever differs as a value."""
    assume(
        json.dumps(written_anew(event, points=False), sort_keys=True)
        != json.dumps(written_anew(other, points=False), sort_keys=True)
    )

    assert not is_signed(sign(json.dumps(event).encode()), json.dumps(other).encode())


@pytest.mark.parametrize(
    "change",
    [
        {"hop": 2},
        {"chain": "c-2"},
        {"cause": "crash"},
        {"started_at_ms": 1},
        {"state": {"n": 2}},
        {"state": {"n": True}},
        {"state": {"n": "1"}},
        {"each": {}},
        {"parcel": {"bucket": "b", "key": "k", "etag": "e"}},
    ],
)
def test_another_member_is_not_signed(change):
    """Every member of the envelope counts, those that are not there too."""
    signed = sign(b"{}", {**META, "state": {"n": 1}})

    assert is_signed(signed, b"{}")
    assert not is_signed({**signed, **change}, b"{}")


def test_a_member_that_is_taken_out_is_missed():
    """An envelope without its state is another one."""
    signed = sign(b"{}", {**META, "state": {}})
    del signed["state"]

    assert not is_signed(signed, b"{}")


@pytest.mark.parametrize("suffix", ["", ":live", ":7", ":$LATEST"])
def test_a_signature_is_for_every_version_of_one_function(suffix):
    """A version or an alias is the same function; a retry may come to another one."""
    assert is_signed(sign(b"{}"), b"{}", FUNCTION + suffix)
    assert is_signed(sign(b"{}", function=FUNCTION + suffix), b"{}")


@pytest.mark.parametrize("part", ["eu-west-1", "123456789012", "work", "arn:aws:"])
def test_a_signature_is_for_one_function(part):
    """Not for another name, account, region or partition."""
    other = FUNCTION.replace(part, {"work": "work2", "arn:aws:": "arn:aws-cn:"}.get(part, "us-east-1"))

    assert not is_signed(sign(b"{}"), b"{}", other)


def test_the_first_key_signs_and_every_key_verifies():
    """A key that is on its way out is still good for what it has signed."""
    before = sign(b"{}", key=OLD_KEY)

    assert is_signed(before, b"{}", keys=(KEY, OLD_KEY))
    assert not is_signed(before, b"{}", keys=(KEY,))
    assert not is_signed(before, b"{}", keys=())


def test_keys_are_asked_for_until_one_has_signed():
    """An old key that has to be fetched is not fetched for what the first one has signed."""

    def keys():
        yield KEY
        raise AssertionError("asked for")

    assert is_signed(sign(b"{}"), b"{}", keys=keys())


@pytest.mark.parametrize("sig", [None, "", 7, [], "v1:", "v2:" + "0" * 64, "v1:" + "é" * 64, "v1:\ud800", {"v1": "x"}])
def test_what_is_no_signature_is_refused(sig):
    """Whatever stands in its place."""
    signed = sign(b"{}")

    assert not is_signed({**signed, "sig": sig}, b"{}")
    assert not is_signed({name: value for name, value in signed.items() if name != "sig"}, b"{}")


def test_an_empty_key_neither_signs_nor_verifies():
    """A key that could not be had is no key."""
    with pytest.raises(ValueError, match="no key"):
        sign(b"{}", key=b"")
    forged = {**META, "sig": signing._signature(b"", signing._canonical(META, b"{}", FUNCTION)).decode()}

    assert not is_signed(forged, b"{}", keys=(b"",))


@pytest.mark.parametrize("event", [b"", b"{", b"[" * 200_000, b'"\xff"', b'{"a":' + b"1" * 5_000 + b"}"])
def test_what_cannot_be_read_is_not_signed(event):
    """No JSON, nested too deeply, no UTF-8: refused, not failed at."""
    assert not is_signed(sign(b"{}"), event)


def test_the_later_of_two_members_counts():
    """The one that the handler's decoder takes."""
    signed = sign(b'{"a":1,"a":2}')

    assert is_signed(signed, b'{"a":2}')
    assert not is_signed(signed, b'{"a":1}')
    assert not is_signed(signed, b'{"a":2,"a":1}')
