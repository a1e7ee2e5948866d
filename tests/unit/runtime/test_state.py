"""Globals travel as JSON keeps them, and a new chain starts from the first values."""

import json
import sys
import types
from collections import Counter, OrderedDict, defaultdict, deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carryon.runtime.state import LARGEST, LARGEST_IN_BUCKET, State
from carryon.shared.left_progress import NotCarried
from carryon.shared.settings import parse

HANDLER = "carryon_test_handler"
OTHER = "carryon_test_other"


def names(*written):
    """Variables as CARRYON_STATE has them."""
    return parse({"CARRYON_STATE": ",".join(written)}).state


@pytest.fixture(name="handler")
def _handler(monkeypatch):
    module = types.ModuleType(HANDLER)
    monkeypatch.setitem(sys.modules, HANDLER, module)
    return module


@pytest.fixture(name="other")
def _other(monkeypatch):
    module = types.ModuleType(OTHER)
    monkeypatch.setitem(sys.modules, OTHER, module)
    return module


def test_state_goes_from_one_process_to_the_next(handler, other):
    """Each name in its own module; the handler's needs no prefix."""
    handler.done, other.place = [1], {"a": None}
    state = State(names("done", f"{OTHER}:place"), HANDLER)
    captured = state.capture()
    handler.done, other.place = None, None

    State(names("done", f"{OTHER}:place"), HANDLER).prepare({"state": json.loads(captured)})

    assert {"done": [1], f"{OTHER}:place": {"a": None}} == json.loads(captured)
    assert ([1], {"a": None}) == (handler.done, other.place)


def test_what_is_changed_after_the_capture_does_not_travel(handler):
    """Clean-up code runs on after the alarm."""
    handler.done = [[1]]
    captured = State(names("done"), HANDLER).capture()
    handler.done[0].append(2)
    handler.done.append(3)

    assert {"done": [[1]]} == json.loads(captured)


def test_two_names_of_one_object_get_a_copy_each(handler):
    """JSON knows no identity, so none is promised."""
    handler.a = handler.b = [1]
    state = State(names("a", "b"), HANDLER)

    state.prepare({"state": json.loads(state.capture())})

    handler.a.append(2)
    assert [1] == handler.b


def test_a_new_chain_starts_from_the_first_values(handler):
    """A warm environment still holds what the last chain left."""
    handler.done = {"pages": []}
    state = State(names("done"), HANDLER)
    state.prepare({"state": {"done": {"pages": [1, 2]}}})
    handler.done["pages"].append(3)

    state.prepare(None)
    assert {"pages": []} == handler.done

    handler.done["pages"].append(4)
    state.note_time_is_up()
    state.prepare(None)
    assert {"pages": []} == handler.done


def test_an_invocation_that_ran_out_of_time_nowhere_keeps_its_globals(handler):
    """Caches of a warm environment are the function's business until a chain begins."""
    handler.done = 0
    state = State(names("done"), HANDLER)
    handler.done = 7

    state.prepare(None)

    assert 7 == handler.done


def test_a_global_that_was_not_there_at_first_is_taken_away_again(handler):
    """A new chain must not find what no module ever set."""
    state = State(names("done"), HANDLER)
    state.prepare({"state": {"done": 1}})
    assert 1 == handler.done

    state.prepare(None)
    assert not hasattr(handler, "done")


def test_a_name_that_is_not_carried_gets_its_first_value(handler):
    """The successor may have been deployed with one name more."""
    handler.a, handler.b = 1, 2
    state = State(names("a", "b"), HANDLER)
    handler.b = 3

    state.prepare({"state": {"a": 9, "unknown": 0}})

    assert (9, 2) == (handler.a, handler.b)
    assert not hasattr(handler, "unknown")


class Weird(dict):
    """A look at it fails in a way of its own."""

    def items(self):
        raise LookupError("weird")


DEEP = []
for _ in range(200_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "value", [pytest.param(object(), id="object"), {1, 2}, b"x", float("nan"), {(1, 2): 3}], ids=repr
)
def test_a_value_that_is_no_json_is_named_with_its_variable(handler, value):
    """The reader learns which variable to change."""
    handler.done = value

    refusal = State(names("done"), HANDLER).capture()

    assert isinstance(refusal, NotCarried)
    assert f"CARRYON_STATE names done, but a {type(value).__name__} is not JSON" in str(refusal)


@pytest.mark.parametrize("value", [Weird(a=1), DEEP], ids=["weird", "deep"])
def test_no_value_makes_a_capture_raise(handler, value):
    """It runs in a signal handler."""
    handler.done = value

    assert isinstance(State(names("done"), HANDLER).capture(), NotCarried)


@pytest.mark.parametrize(("largest", "hint"), [(LARGEST, True), (LARGEST_IN_BUCKET, False)])
def test_a_state_that_is_too_large_is_named_with_its_size_and_the_limit(handler, largest, hint):
    """And with the variable that is most of it; up to the limit it travels."""
    handler.small, handler.large = 1, "x" * largest
    state = State(names("small", "large"), HANDLER, largest=largest)

    refusal = str(state.capture())
    assert f"are {largest + 25:,} bytes of JSON, more than the {largest:,} that Lambda accepts" in refusal
    assert f"large alone is {largest + 11:,}" in refusal
    assert ("CARRYON_BUCKET" in refusal) is hint
    handler.large = handler.large[25:]
    assert len(state.capture()) == largest


def test_a_missing_global_is_named(handler):
    """The text says the name and the module it was looked for in."""
    refusal = State(names("done"), HANDLER).capture()

    assert f"CARRYON_STATE names done, but module {HANDLER} has no such global" == str(refusal)


@pytest.mark.parametrize(
    "program", ["raise ImportError('no')", "raise SystemExit(3)", "1 / 0", "import not_there", "("]
)
def test_a_module_that_cannot_be_imported_is_no_trouble_before_it_matters(monkeypatch, tmp_path, program):
    """The function starts; only what needs the module fails, and names it."""
    (tmp_path / "carryon_test_broken.py").write_text(program)
    monkeypatch.syspath_prepend(tmp_path)

    state = State(names("carryon_test_broken:done"), HANDLER)
    state.prepare(None)

    refusal = state.capture()
    assert isinstance(refusal, NotCarried)
    assert "carryon_test_broken:done" in str(refusal)
    with pytest.raises(NotCarried, match="carryon_test_broken:done"):
        state.prepare({"state": {"carryon_test_broken:done": 1}})


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(values)
def test_any_json_value_survives(value):
    """What JSON can say arrives equal and of the same type."""
    module = types.ModuleType(HANDLER)
    module.done = value
    sys.modules[HANDLER] = module
    try:
        state = State(names("done"), HANDLER)
        captured = state.capture()
        module.done = None
        state.prepare({"state": json.loads(captured)})
    finally:
        del sys.modules[HANDLER]

    assert json.dumps(value) == json.dumps(module.done)


@pytest.mark.parametrize(
    ("written", "into", "in_event", "in_globals"),
    [
        ("done", "globals", {}, 7),
        ("done", "event", {"done": 7}, 0),
        ("done", "both", {"done": 7}, 7),
        ("done=KEY", "globals", {"KEY": 7}, 7),
        ("done=KEY", "event", {"KEY": 7}, 0),
    ],
)
def test_the_successor_finds_its_state_where_it_was_asked_for(handler, written, into, in_event, in_globals):
    """In the globals, in the event, or both; a key of its own means the event in any case."""
    handler.done = 7
    captured = State(names(written), HANDLER, into).capture()
    handler.done = 0

    event = State(names(written), HANDLER, into).prepare({"state": json.loads(captured)}, {"n": 1})

    assert event == {"n": 1, **in_event}
    assert handler.done == in_globals


@pytest.mark.parametrize("value", [0, False, None, "", []])
def test_falsy_values_are_put_back_as_such(handler, value):
    """They are no missing ones."""
    handler.done = value
    state = State(names("done"), HANDLER, "both")
    captured = state.capture()
    handler.done = "changed"

    assert state.prepare({"state": json.loads(captured)}, {}) == {"done": value}
    assert handler.done == value


def test_the_event_itself_is_left_as_it_came(handler):
    """Whoever holds it, it is not changed behind their back."""
    event = {}
    State(names("done"), HANDLER, "event").prepare({"state": {"done": 1}}, event)

    assert event == {}


def test_an_event_that_is_no_object_takes_no_state(handler):
    """The error says what it is."""
    with pytest.raises(NotCarried, match="done into the event, which is no object but a list"):
        State(names("done"), HANDLER, "event").prepare({"state": {"done": 1}}, [])


def running(handler, source="def work():\n    count = 3\n    return inner()\n"):
    """Call a function of the handler's module, which calls `inner`, and return the frame that `inner` has."""
    frames = []
    handler.inner = lambda: frames.append(sys._getframe())
    exec(source, vars(handler))
    handler.work()
    return frames[0]


def test_a_local_of_a_running_function_goes_into_the_event(handler):
    """As the function had it at that moment."""
    state = State(names("work().count=POSITION"), HANDLER)
    captured = state.capture(running(handler))

    assert json.loads(captured) == {"work().count": 3}
    assert state.prepare({"state": json.loads(captured)}, {}) == {"POSITION": 3}


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("other().count=K", "no function other of module carryon_test_handler was running"),
        ("work().later=K", "function work had no such local yet"),
    ],
)
def test_a_local_that_is_not_there_is_named(handler, written, complaint):
    """With the function that was looked for."""
    assert complaint in str(State(names(written), HANDLER).capture(running(handler)))


def test_a_chain_that_goes_on_by_the_event_leaves_no_globals_behind_where_it_was_cut_short(handler):
    """The next invocation finds them as after the import, whosever it is."""
    handler.done = 0
    state = State(names("done"), HANDLER, "event")
    handler.done = 7
    state.note_time_is_up()

    state.prepare({"state": {"done": 7}}, {})

    assert handler.done == 0


class Basket(dict):
    """A container of the function's own, with an attribute and methods that a copy would not survive."""

    def __init__(self, owner):
        super().__init__(apples=1)
        self.owners = [owner]

    def clear(self):
        raise AssertionError("nobody but its function may call this")

    __setitem__ = update = __reduce__ = __deepcopy__ = clear


@pytest.mark.parametrize(
    ("make", "spoil"),
    [
        (lambda: Counter(a=1), lambda value: value.update(a=1, b=2)),
        (lambda: defaultdict(list, a=[1]), lambda value: (value["a"].append(2), value["b"].append(3))),
        (lambda: defaultdict(list), lambda value: setattr(value, "default_factory", None)),
        (lambda: OrderedDict(a=1, b=2), lambda value: (value.move_to_end("a"), value.popitem(last=False))),
        (lambda: deque([1, 2], maxlen=2), lambda value: value.append(3)),
        (lambda: {1, 2}, lambda value: value.add(3)),
        (lambda: bytearray(b"ab"), lambda value: value.append(0)),
        (lambda: {"pages": ([1], {"seen": {2}})}, lambda value: (value["pages"][1]["seen"].add(3), value.pop("pages"))),
        (lambda: [[1], [2]], lambda value: (value[0].append(3), value.reverse())),
        (lambda: Basket("a"), lambda value: (dict.pop(value, "apples"), value.owners.append("b"))),
    ],
    ids=lambda value: type(value()).__name__ if value.__code__.co_argcount == 0 else "",
)
def test_first_values_come_back_with_their_type_and_identity(handler, make, spoil):
    """Whoever else holds the object, at the top or within, finds in it what was there after the import."""
    handler.done = value = make()
    state = State(names("done"), HANDLER)
    spoil(value)
    handler.done = "something else"
    state.note_time_is_up()

    state.prepare(None)

    assert handler.done is value
    assert (repr(value), vars(value) if hasattr(value, "__dict__") else None) == (
        repr(make()),
        vars(make()) if hasattr(value, "__dict__") else None,
    )
    assert getattr(value, "maxlen", None) == getattr(make(), "maxlen", None)


def test_what_two_variables_share_at_first_they_share_again(handler):
    """One object stays one, whatever a chain has made of the two."""
    handler.a = shared = [1]
    handler.b = {"inside": shared}
    state = State(names("a", "b"), HANDLER)
    state.prepare({"state": {"a": [5], "b": {"inside": [6]}}})
    shared.append(2)

    state.prepare(None)

    assert handler.a is shared is handler.b["inside"]
    assert [1] == shared


def test_a_value_that_holds_itself_comes_back(handler):
    """It is looked at once, and not through the interpreter's stack."""
    handler.done = knot = [DEEP]
    knot.append(knot)
    state = State(names("done"), HANDLER)
    knot.clear()
    state.note_time_is_up()

    state.prepare(None)

    assert knot[0] is DEEP
    assert knot[1] is knot


def test_an_object_that_may_be_anything_is_bound_again_and_left_alone(handler):
    """A client, a lock, an instance: a copy of it is nobody's business."""
    handler.done = first = types.SimpleNamespace(items=[1])
    state = State(names("done"), HANDLER)
    first.items.append(2)
    handler.done = None
    state.note_time_is_up()

    state.prepare(None)

    assert handler.done is first
    assert [1, 2] == first.items


def test_a_capture_alone_changes_no_later_invocation(handler):
    """A function that ends in time keeps its globals, however often the supervisor has asked for them."""
    handler.done = 0
    state = State(names("done"), HANDLER)
    handler.done = 1111
    state.capture()

    state.prepare(None)

    assert 1111 == handler.done
