"""What a function says of its progress is there for the next hop, and harms nobody where there is no layer."""

import dis
import json
import math
import sys
import time
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

import carryon
from carryon.runtime import progress, watchdog
from carryon.runtime.batch import Batch
from carryon.shared import board as boards
from carryon.shared import left_progress
from carryon.shared.settings import parse


@pytest.fixture(autouse=True)
def _a_run_of_its_own(monkeypatch):
    monkeypatch.setattr(carryon, "_run", None)
    monkeypatch.setattr(carryon, "_shim", None)


def shim():
    """As much of the shim as progress needs."""
    dog = watchdog.Watchdog(lambda in_event_loop: carryon.TimeIsUp(), lambda frame: None, lambda: None)
    return types.SimpleNamespace(
        board=boards.Board(), board_is_used=False, watchdog=dog, settings=parse({}), batch=None, state=None
    )


def next_hop(run):
    """The run of the next hop: all it knows has gone through an envelope."""
    kept = run.progress()
    return progress.Run(None, json.loads(kept) if kept else {})


def test_a_checkpoint_is_restored_in_the_next_hop():
    """And until then in this one."""
    run = progress.Run(None, {})
    assert run.restore("nothing yet") == "nothing yet"

    run.checkpoint({"page": 3})

    assert run.restore(None) == {"page": 3}
    assert next_hop(run).restore(None) == {"page": 3}


@pytest.mark.parametrize("state", [None, False, 0, "", [], {}])
def test_what_is_falsy_is_restored_as_such(state):
    """It is no missing checkpoint."""
    run = progress.Run(None, {})
    run.checkpoint(state)

    assert next_hop(run).restore("default") == state


def test_what_is_restored_is_a_copy():
    """Changes need another checkpoint."""
    run = progress.Run(None, {})
    state = {"done": [1]}
    run.checkpoint(state)
    state["done"].append(2)
    run.restore(None)["done"].append(3)

    assert run.restore(None) == {"done": [1]}


@pytest.mark.parametrize(
    "state", [{1, 2}, object(), b"x", float("nan"), {(1, 2): 3}], ids=lambda state: type(state).__name__
)
def test_what_is_no_json_is_refused_and_the_one_before_kept(state):
    """The error names the type."""
    run = progress.Run(None, {})
    run.checkpoint("before")

    with pytest.raises((TypeError, ValueError), match=type(state).__name__):
        run.checkpoint(state)
    assert run.restore(None) == "before"


def test_more_than_lambda_accepts_is_refused():
    """With both sizes."""
    with pytest.raises(ValueError, match="6,291,456"):
        progress.Run(None, {}).checkpoint("x" * (7 << 20))


def test_a_checkpoint_is_on_the_board_when_the_call_returns():
    """From where the supervisor takes it if this process dies."""
    one = shim()
    run = progress.Run(one, {"each": {"0": 4}})
    run.checkpoint([1])

    assert json.loads(left_progress.read(one.board)) == {"each": {"0": 4}, "checkpoint": [1]}
    assert one.board_is_used


def test_a_state_that_cannot_travel_is_known_to_the_supervisor_too():
    """Where this hop has kept nothing that could go out in its place."""
    one = shim()
    run = progress.Run(one, {"state": {"a": 0}, "checkpoint": 1})
    for _ in run.each("ab"):
        pass
    run.keep_state(left_progress.NotCarried("no: \udcff"))

    assert isinstance(run.progress(), left_progress.NotCarried)
    assert str(left_progress.read(one.board)) == "no: ?"


@pytest.mark.parametrize(
    ("keep", "kept"),
    [
        (lambda run: run.keep_state(b'{"a":1}'), {"state": {"a": 1}}),
        (lambda run: run.checkpoint(2), {"checkpoint": 2}),
    ],
    ids=["state", "checkpoint"],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_what_was_kept_goes_out_in_the_place_of_a_state_that_cannot_travel(keep, kept, is_first):
    """Whether it was kept before or in clean-up, with the reason, by this process or by its supervisor."""
    one = shim()
    run = progress.Run(one, {})
    if is_first:
        keep(run)
    run.keep_state(left_progress.NotCarried("no"))
    if not is_first:
        keep(run)

    for found in (run.progress(), left_progress.read(one.board)):
        reason = {} if "state" in kept and not is_first else {"not_carried": "no"}
        assert json.loads(found) == {**kept, **reason}
        assert left_progress.reason_not_carried(found) == reason


def test_each_travels_as_it_was_when_the_variables_were_captured():
    """They belong together, so what was finished later is done again."""
    one = shim()
    one.state = object()
    run = progress.Run(one, {"each": {"0": 1}, "state": {"a": 1}})

    for number in run.each(range(9)):
        if number == 4:
            run.keep_state(b'{"a":4}')
        if number == 7:
            break

    assert json.loads(run.progress()) == {"each": {"0": 4}, "state": {"a": 4}}
    assert json.loads(left_progress.read(one.board)) == {"each": {"0": 4}, "state": {"a": 4}}


def header(code):
    """Offset of the last loop's first instruction."""
    return [instruction.offset for instruction in dis.get_instructions(code) if "FOR_ITER" in instruction.opname][-1]


def test_an_item_counts_as_finished_at_the_end_of_its_iteration():
    """Before the next one is asked for, in the loop that asks and in no other; again and again, specialised or not."""
    for is_outer in (True, False):
        for stop_at in (1, 30):
            one = shim()
            one.state = object()
            run = progress.Run(one, {})

            def work(run=run, stop_at=stop_at, is_outer=is_outer):
                for outer in run.each(range(40)):
                    for inner in run.each(range(3)):
                        if (outer, inner) == (stop_at, 1) and not is_outer:
                            run.keep_state(b"{}", (sys._getframe(), header(sys._getframe().f_code)))
                            return
                    if outer == stop_at and is_outer:
                        first = next(i for i in dis.get_instructions(work.__code__) if "FOR_ITER" in i.opname)
                        run.keep_state(b"{}", (sys._getframe(), first.offset))
                        return

            work()
            each = {"0": stop_at + 1} if is_outer else {"0": stop_at, f"0.{stop_at}.0": 2}
            assert json.loads(run.progress())["each"] == each


def test_what_was_carried_goes_on_until_something_newer_is_said():
    """A hop that dies at once loses nothing of the ones before."""
    run = progress.Run(None, {"state": {"a": 1}, "checkpoint": 2, "hop": 3})

    assert json.loads(run.progress()) == {"state": {"a": 1}, "checkpoint": 2}


def items(count):
    """The same items in several ways to give them."""
    return [list(range(count)), range(count), tuple(range(count)), iter(range(count)), (n for n in range(count))]


@pytest.mark.parametrize("way", range(5))
def test_each_begins_with_the_first_item_that_is_not_finished(way):
    """The one that was interrupted is done again."""
    run = progress.Run(None, {})
    seen = []
    for item in run.each(items(6)[way]):
        seen.append(item)
        if item == 3:
            break
    run = next_hop(run)

    assert seen + list(run.each(items(6)[way])) == [0, 1, 2, 3, 3, 4, 5]
    assert list(next_hop(run).each(items(6)[way])) == []


def test_loops_that_follow_one_another_each_have_their_place():
    """A finished one is left out, the interrupted one goes on."""

    def work(run, stop_at):
        done = []
        for name in ("a", "b", "c"):
            for item in run.each([f"{name}{number}" for number in range(3)]):
                done.append(item)
                if item == stop_at:
                    return done
        return done

    run = progress.Run(None, {})
    first = work(run, "b1")

    assert first + work(next_hop(run), None) == ["a0", "a1", "a2", "b0", "b1", "b1", "b2", "c0", "c1", "c2"]


@given(st.lists(st.integers(0, 40), max_size=6), st.integers(1, 4), st.integers(1, 4), st.integers(0, 3))
def test_nested_loops_do_everything_once_whatever_interrupts_them(stops, rows, columns, depth):
    """Each hop does so many innermost items; all together do each once, and the interrupted ones again."""

    def work(run, budget, done):
        for row in run.each(range(rows)):
            for column in run.each(range(columns)):
                for layer in run.each(range(depth)):
                    if not budget:
                        raise carryon.TimeIsUp
                    budget -= 1
                    done.append((row, column, layer))
            for last in run.each("z"):
                if not budget:
                    raise carryon.TimeIsUp
                budget -= 1
                done.append((row, last))

    run, done = progress.Run(None, {}), []
    for stop in [*stops, 10**6]:
        try:
            work(run, stop, done)
            break
        except carryon.TimeIsUp:
            run = next_hop(run)
    expected = []
    work(progress.Run(None, {}), 10**6, expected)

    assert sorted(set(map(str, done))) == sorted(map(str, expected))
    assert len(done) <= len(expected) + len(stops)


def test_a_batch_knows_which_of_its_records_are_finished():
    """Of this loop and of no other; in the process and on the board, for whoever has to answer in its place."""
    records = [{"n": number} for number in range(4)]
    one = shim()
    one.batch = Batch(records)
    run = progress.Run(one, {})

    for record in run.each([records[2], records[0], records[3]]):
        list(run.each(range(9)))
        if record["n"] == 3:
            break

    assert json.loads(run.progress())[left_progress.RECORDS] == "5"
    assert json.loads(left_progress.read(one.board))[left_progress.RECORDS] == "5"


def test_a_record_that_is_given_back_is_not_finished():
    """Whether it is worked on or was finished before; the board knows at once, and other objects are ignored."""
    one = shim()
    records = [{"n": number} for number in range(4)]
    one.batch = Batch(records)
    run = progress.Run(one, {})
    for record in run.each(records):
        if record["n"] == 1:
            run.give_back(record)
    run.give_back({"n": 2})
    assert json.loads(left_progress.read(one.board))[left_progress.RECORDS] == "d"

    run.give_back(records[3])

    assert json.loads(left_progress.read(one.board))[left_progress.RECORDS] == "5"


def test_a_record_that_is_begun_again_is_not_finished():
    """Nor is any other that the second pass has still to come to; the board knows as soon as it begins."""
    one = shim()
    records = [{"n": number} for number in range(3)]
    one.batch = Batch(records)
    run = progress.Run(one, {})
    list(run.each(records))

    again = run.each(records)
    next(again)

    assert json.loads(left_progress.read(one.board))[left_progress.RECORDS] == "0"


def test_without_the_layer_everything_works_in_this_process():
    """Tests and local runs need no layer."""
    carryon.checkpoint([1])

    assert carryon.restore() == [1]
    assert list(carryon.each("ab")) == ["a", "b"]
    assert carryon.remaining_ms() == math.inf
    with carryon.shield():
        pass
    carryon.give_back({})
    carryon.complete()


def call(dog, handler, after_s):
    """Call a handler as the shim does; returns (result, exception)."""
    assert dog.arm(sys._getframe(), time.time(), time.time() + after_s)
    dog.phase = watchdog.CALLING
    try:
        return handler(), None
    except carryon.TimeIsUp as error:
        return None, error
    finally:
        dog.phase = watchdog.OFF
        dog.disarm()


def spin(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def test_the_alarm_waits_for_the_end_of_a_shielded_block(monkeypatch):
    """And comes at that end, not later."""
    one = shim()
    monkeypatch.setattr(carryon, "_shim", one)
    steps = []

    def handler():
        while True:
            with carryon.shield():
                with carryon.shield():
                    steps.append("first")
                    spin(0.005)
                steps.append("second")
            assert len(steps) < 100

    _, error = call(one.watchdog, handler, 0.012)

    assert error is one.watchdog.fired()
    assert steps[-1] == "second"
    assert len(steps) <= 8


def test_an_error_in_a_shielded_block_is_that_error(monkeypatch):
    """What the alarm has to say comes after it."""
    one = shim()
    monkeypatch.setattr(carryon, "_shim", one)

    def handler():
        try:
            with carryon.shield():
                spin(0.02)
                raise LookupError
        except LookupError:
            spin(30)

    assert call(one.watchdog, handler, 0.01)[1] is one.watchdog.fired()


def test_the_time_until_the_alarm_is_told(monkeypatch):
    """In milliseconds, from the invocation's own alarm."""
    one = shim()
    monkeypatch.setattr(carryon, "_shim", one)

    result, _ = call(one.watchdog, carryon.remaining_ms, 10)

    assert 9_000 < result <= 10_000
    assert carryon.remaining_ms() == math.inf
