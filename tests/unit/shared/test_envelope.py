"""An event comes out of its envelope as it went in, and nothing that only looks like an envelope is opened."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from carryon.shared import envelope

META = {"v": 1, "chain": "c-1", "hop": 3, "cause": "time", "parent": "p-1", "started_at_ms": 1_700_000_000_000}

keys = st.sampled_from(["carryon", "event", "a", 'q"', "é", ""]) | st.text(max_size=5)
ids = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=128)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
blanks = st.text(" \t\r\n", max_size=3)
metas = st.fixed_dictionaries(
    {
        "v": st.just(1),
        "chain": ids,
        "hop": st.integers(1, 2**53 - 1),
        "cause": st.sampled_from(["time", "crash"]),
        "parent": ids,
        "started_at_ms": st.integers(1, 2**53 - 1),
    },
    optional={"state": st.dictionaries(st.text(max_size=9), values, max_size=3)},
)


@st.composite
def texts(draw):
    """JSON as any producer may write it: odd blanks, escapes or none, and the same key twice."""
    value = draw(values)
    text = json.dumps(
        value,
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.sampled_from([None, "\t", 1])),
        separators=draw(st.sampled_from([(",", ":"), (" ,", " : ")])),
    )
    if isinstance(value, dict) and value and draw(st.booleans()):
        text = "{" + text[1:-1] + "," + text[1:-1] + "}"
    if draw(st.booleans()):
        text = text.replace('"carryon"', '"\\u0063arryon"')
    return (draw(blanks) + text + draw(blanks)).encode("utf-8", "surrogatepass")


@given(texts(), metas)
@example(b"{}", META)
@example(b" { \n} ", META)
@example(b" " * 5_000 + b'{"a":1}', META)
@example(b'{"a":1,"a":2}', META)
@example(b'{"n":1e400,"big":' + b"9" * 400 + b"}", META)
@example(b'{"\\u0063arryon":{"hop":9}}', META)
@example(b'{"a":"\\ud800"}', META)
@example(b'"{"', META)
@example(b"null", META)
@example(b" [1, 2] ", META)
def test_an_event_comes_out_byte_for_byte(raw, meta):
    """The successor's handler decodes exactly the bytes that the first one got."""
    try:
        raw.decode()
    except UnicodeDecodeError:
        return  # a bare surrogate is no UTF-8, and Lambda accepts no such event

    assert envelope.unwrap(envelope.wrap(raw, meta)) == (meta, raw)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"name":"Andr\\u00e9"}',
        b'{"topic":"carryon"}',
        b'{"topics":["carryon"],"a":{"carryon":1}}',
        b'{"a":"\\"carryon\\":1"}',
        b'{"\\u0000carryon":1}',
        b' {"a":{"\\u0063arryo\\u006E" : 1}}',
    ],
)
def test_a_function_without_the_layer_gets_its_own_event_and_one_key_more(raw):
    """Escaped letters, and the key as a value or further in, are no reason to send the event inside."""
    assert json.loads(envelope.wrap(raw, META)) == {**json.loads(raw), "carryon": META}


@given(texts(), metas)
def test_only_an_event_with_a_key_of_that_name_travels_inside(raw, meta):
    """Whatever else an object holds, a function that lost the layer can start over with it."""
    event = json.loads(raw)
    plain = isinstance(event, dict) and "carryon" not in event

    assert ("event" in json.loads(envelope.wrap(raw, meta))["carryon"]) is not plain


@given(texts(), metas)
@example(b'{"carryon":{"hop":9},"a":1}', META)
@example(b'{"\\u0063arryon":1,"a":1}', META)
@example(b'{"a":1,"a":2}', META)
@example(b'{"event":1}', META)
@example(b"{}", META)
def test_an_envelope_encoded_anew_is_still_opened(raw, meta):
    """A service between two hops may decode and encode the event."""
    assert envelope.take(json.loads(envelope.wrap(raw, meta))) == (meta, json.loads(raw))


@given(texts())
def test_an_envelope_inside_an_envelope_is_opened_once(raw):
    """A function that passes an envelope on to itself gets that envelope as its event."""
    inner = envelope.wrap(raw, META)

    assert envelope.unwrap(envelope.wrap(inner, {**META, "hop": 4})) in (({**META, "hop": 4}, inner), None)
    assert envelope.take(json.loads(envelope.wrap(inner, {**META, "hop": 4}))) == (
        {**META, "hop": 4},
        json.loads(inner),
    )


def test_members_of_a_later_version_are_kept():
    """A reader opens what a newer writer of the same version made."""
    meta = {**META, "later": [1]}

    assert envelope.unwrap(envelope.wrap(b'{"a":1}', meta)) == (meta, b'{"a":1}')


def opened_rightly(opened):
    return opened is None or (
        type(opened[0]["hop"]) is int
        and opened[0]["hop"] > 0
        and isinstance(opened[0]["chain"], str)
        and opened[0]["chain"] != ""
        and opened[0]["v"] == 1
        and opened[0]["cause"] in ("time", "crash")
        and isinstance(opened[0].get("state", {}), dict)
        and "event" not in opened[0]
    )


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda tail: b'{"carryon":{' + tail))
@example(b'{"carryon":{')
@example(b'{"carryon":{' * 100_000)
@example(b'{"carryon":{"event":' + b"[" * 200_000)
@example(b'{"carryon":{"v":NaN}}')
@example(b'{"carryon":{"v":' + b"9" * 5_000 + b"}}")
def test_garbage_is_no_envelope(raw):
    """Whatever bytes come in, they are an event like any other."""
    assert envelope.unwrap(raw) is None


@given(texts(), metas, st.data())
def test_a_damaged_envelope_is_opened_rightly_or_not_at_all(raw, meta, data):
    """A cut, a changed byte or a doubled part never makes a meta of a wrong shape, and never raises."""
    whole = envelope.wrap(raw, meta)
    at = data.draw(st.integers(0, len(whole) - 1))
    until = data.draw(st.integers(at, len(whole)))
    patch = data.draw(st.binary(max_size=3) | st.sampled_from([b"0", b"null", b"-1", b"{", b"}", b",", b'"']))

    for damaged in (whole[:at], whole[:at] + patch + whole[until:], whole + whole[at:until]):
        assert opened_rightly(envelope.unwrap(damaged))
        try:
            event = json.loads(damaged)
        except ValueError:
            continue
        assert opened_rightly(envelope.take(event))


@given(values, st.sampled_from([*META, "state"]), values)
def test_a_member_of_a_wrong_type_makes_it_no_envelope(event, member, value):
    """Every member is looked at before anything is believed."""
    opened = envelope.take({"carryon": {**META, member: value}, "event": event})

    assert opened_rightly(opened)
    assert opened_rightly(envelope.unwrap(json.dumps({"carryon": {**META, member: value}}).encode()))


@pytest.mark.parametrize("member", list(META))
def test_a_missing_member_makes_it_no_envelope(member):
    """No member has a default."""
    meta = {name: value for name, value in META.items() if name != member}

    assert envelope.take({"carryon": meta}) is None
    assert envelope.unwrap(envelope.wrap(b"{}", meta)) is None


@given(values)
def test_an_ordinary_event_is_no_envelope(event):
    """Only the member `carryon` of the right shape makes one."""
    assert envelope.take(event) is None
    assert envelope.unwrap(json.dumps(event).encode()) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_state_that_is_no_json_is_refused(value):
    """Nothing is delivered that the successor could not decode."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        envelope.wrap(b"{}", {**META, "state": {"x": value}})
