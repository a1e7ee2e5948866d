"""Globals travel as JSON keeps them, and a new chain starts from the first values."""

import json
import sys
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carryon.board import Board
from carryon.state import NotCarried, State, keep, kept

HANDLER = "carryon_test_handler"
OTHER = "carryon_test_other"


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
    state = State(((None, "done"), (OTHER, "place")), HANDLER)
    captured = state.capture()
    handler.done, other.place = None, None

    State(((None, "done"), (OTHER, "place")), HANDLER).prepare({"state": json.loads(captured)})

    assert {"done": [1], f"{OTHER}:place": {"a": None}} == json.loads(captured)
    assert ([1], {"a": None}) == (handler.done, other.place)


def test_what_is_changed_after_the_capture_does_not_travel(handler):
    """Clean-up code runs on after the alarm."""
    handler.done = [[1]]
    captured = State(((None, "done"),), HANDLER).capture()
    handler.done[0].append(2)
    handler.done.append(3)

    assert {"done": [[1]]} == json.loads(captured)


def test_two_names_of_one_object_get_a_copy_each(handler):
    """JSON knows no identity, so none is promised."""
    handler.a = handler.b = [1]
    state = State(((None, "a"), (None, "b")), HANDLER)

    state.prepare({"state": json.loads(state.capture())})

    handler.a.append(2)
    assert [1] == handler.b


def test_a_new_chain_starts_from_the_first_values(handler):
    """A warm environment still holds what the last chain left."""
    handler.done = {"pages": []}
    state = State(((None, "done"),), HANDLER)
    state.prepare({"state": {"done": {"pages": [1, 2]}}})
    handler.done["pages"].append(3)

    state.prepare(None)
    assert {"pages": []} == handler.done

    handler.done["pages"].append(4)
    state.capture()
    state.prepare(None)
    assert {"pages": []} == handler.done


def test_an_invocation_that_ran_out_of_time_nowhere_keeps_its_globals(handler):
    """Caches of a warm environment are the function's business until a chain begins."""
    handler.done = 0
    state = State(((None, "done"),), HANDLER)
    handler.done = 7

    state.prepare(None)

    assert 7 == handler.done


def test_a_global_that_was_not_there_at_first_is_taken_away_again(handler):
    """A new chain must not find what no module ever set."""
    state = State(((None, "done"),), HANDLER)
    state.prepare({"state": {"done": 1}})
    assert 1 == handler.done

    state.prepare(None)
    assert not hasattr(handler, "done")


def test_a_name_that_is_not_carried_gets_its_first_value(handler):
    """The successor may have been deployed with one name more."""
    handler.a, handler.b = 1, 2
    state = State(((None, "a"), (None, "b")), HANDLER)
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

    refusal = State(((None, "done"),), HANDLER).capture()

    assert isinstance(refusal, NotCarried)
    assert f"CARRYON_STATE names done, but a {type(value).__name__} is not JSON" in str(refusal)


@pytest.mark.parametrize("value", [Weird(a=1), DEEP], ids=["weird", "deep"])
def test_no_value_makes_a_capture_raise(handler, value):
    """It runs in a signal handler."""
    handler.done = value

    assert isinstance(State(((None, "done"),), HANDLER).capture(), NotCarried)


def test_a_missing_global_is_named(handler):
    """The text says the name and the module it was looked for in."""
    refusal = State(((None, "done"),), HANDLER).capture()

    assert f"CARRYON_STATE names done, but module {HANDLER} has no such global" == str(refusal)


@pytest.mark.parametrize(
    "program", ["raise ImportError('no')", "raise SystemExit(3)", "1 / 0", "import not_there", "("]
)
def test_a_module_that_cannot_be_imported_is_no_trouble_before_it_matters(monkeypatch, tmp_path, program):
    """The function starts; only what needs the module fails, and names it."""
    (tmp_path / "carryon_test_broken.py").write_text(program)
    monkeypatch.syspath_prepend(tmp_path)

    state = State((("carryon_test_broken", "done"),), HANDLER)
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
        state = State(((None, "done"),), HANDLER)
        captured = state.capture()
        module.done = None
        state.prepare({"state": json.loads(captured)})
    finally:
        del sys.modules[HANDLER]

    assert json.dumps(value) == json.dumps(module.done)


@pytest.mark.parametrize("state", [b'{"a": 1}', NotCarried("no: \udcff")])
def test_a_state_or_its_lack_is_kept_for_the_supervisor(state):
    """It hears the same as the process that captured it."""
    board = Board()
    assert kept(board) is None

    keep(board, state)

    again = kept(board)
    assert type(again) is type(state)
    assert again == state or str(again) == "no: ?"


def test_a_state_that_is_too_large_is_said_so():
    """Rather than the one before it."""
    board = Board()
    keep(board, b"{}")
    keep(board, bytes(9 << 20))

    assert isinstance(kept(board), NotCarried)
