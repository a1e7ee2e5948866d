"""What the layer reads of an event that comes from outside, part by part."""

import json
import random
import sys
import types

from hypothesis import given
from hypothesis import strategies as st

from carryon.runtime.progress import Run
from carryon.runtime.state import State
from carryon.shared import envelope, invocation, signing
from carryon.shared.settings import parse

from .checks import as_text, check_readers
from .hostile import EVENTS, METAS, mutated, nested
from .specification import CARRYON_STATE, NAMED

MODULE = "carryon_fuzzed_handler"
KEY = b"a key of these tests"
FUNCTION = "arn:aws:lambda:us-east-1:012345678912:function:f"

seeds = st.integers(0, 2**64 - 1)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=9,
)
metas = st.fixed_dictionaries(
    {},
    optional={
        "state": st.dictionaries(st.sampled_from([*NAMED, "unnamed", "__class__"]) | st.text(max_size=5), values),
        "checkpoint": values,
        "each": st.dictionaries(st.text("0.x", max_size=5), st.integers(1, 2**53 - 1)),
    },
)


@given(st.binary(max_size=200) | seeds.map(lambda seed: envelope.MARK + random.Random(seed).randbytes(60)))
def test_bytes_that_are_no_envelope_are_left_alone(raw):
    """Whatever comes, the reader neither raises nor finds what is not there."""
    assert envelope.unwrap(raw) is None


@given(seeds)
def test_what_is_opened_is_an_envelope_to_the_last_byte(seed):
    """A mutated envelope is opened as the specification says, or is not JSON before and after."""
    check_readers(mutated(random.Random(seed)))


@given(seeds)
def test_a_signature_is_good_for_what_was_signed_and_nothing_else(seed):
    """A signed envelope that was mutated is refused, unless it says the same in other words."""
    chance = random.Random(seed)
    meta, event = chance.choice(METAS), chance.choice(EVENTS)
    signed = signing.sign(meta, event, FUNCTION, KEY)
    raw = mutated(chance, envelope.wrap(event, signed))
    opened = envelope.unwrap(raw)
    if opened is None or not signing.is_signed(*opened, FUNCTION, [KEY]):
        return

    carried, inner = opened
    assert carried == signed
    assert json.loads(inner) == json.loads(event)


@given(seeds)
def test_a_signature_is_not_found_by_chance(seed):
    """Whatever stands in its place, and whoever signs with another key or for another function."""
    chance = random.Random(seed)
    opened = envelope.unwrap(mutated(chance))
    if opened is None:
        return

    assert not signing.is_signed(*opened, FUNCTION, [KEY])
    try:
        signed = signing.sign(*opened, FUNCTION, KEY)
    except (ValueError, RecursionError):
        pass  # the rest of it is no JSON
    else:
        assert signing.is_signed(signed, opened[1], FUNCTION, [b"another key of that length", KEY])
        assert not signing.is_signed(signed, opened[1], FUNCTION + "s", [KEY])
        assert not signing.is_signed(signed, opened[1], FUNCTION, [b"another key of that length"])


@given(values | st.dictionaries(st.just("carryon"), values | metas))
def test_what_is_decoded_is_read_and_not_changed(event):
    """The reader of decoded events neither raises nor writes into them."""
    before = as_text(event)

    envelope.take(event)

    assert as_text(event) == before


@given(metas)
def test_progress_is_what_was_carried(carried):
    """Any members that the readers let in are taken up and passed on, and give copies."""
    run = Run(None, carried)

    assert as_text(run.restore("none")) == as_text(carried.get("checkpoint", "none"))
    assert list(run.each("abc")) == list("abc"[carried.get("each", {}).get("0", 0) :])
    for name in ("state", "checkpoint"):
        assert name not in carried or as_text(json.loads(run.progress())[name]) == as_text(carried[name])


@given(metas, st.sampled_from(["globals", "event", "both"]))
def test_only_variables_that_are_named_are_set(carried, into):
    """Whatever else a state holds, and whatever it is called."""
    module = types.ModuleType(MODULE)
    vars(module).update(NAMED, unnamed="as it was")
    before = dict(vars(module))
    sys.modules[MODULE] = module
    try:
        event = State(parse({"CARRYON_STATE": CARRYON_STATE}).state, MODULE, into).prepare(carried, {})
    finally:
        del sys.modules[MODULE]

    state = {name: value for name, value in carried.get("state", {}).items() if name in NAMED}
    set_globals = state if into != "event" else {}
    assert as_text({name: vars(module)[name] for name in NAMED}) == as_text({**NAMED, **set_globals})
    assert {n: v for n, v in vars(module).items() if n not in NAMED} == {
        n: v for n, v in before.items() if n not in NAMED
    }
    names = {"place": "PLACE", **({} if into == "globals" else {"count": "count", "names": "names"})}
    assert as_text(event) == as_text({key: state[name] for name, key in names.items() if name in state})


def test_a_supervisor_goes_on_without_an_event_that_it_cannot_follow():
    """Its stack is another than that of the process that has decoded the event."""

    def arrived(raw):
        return invocation.Invocation("id", "arn", 0, raw, None, None, None, None).arrived()

    assert arrived(b'{"n":1}') == {"n": 1}
    assert arrived(b"") is None
    assert arrived(nested(200_000)) is None
