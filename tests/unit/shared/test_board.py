"""What one process leaves on the board, the others read as it was."""

import os

import pytest

from carryon.shared import board as boards
from carryon.shared import margins


@pytest.fixture(name="board")
def _board():
    board = boards.Board()
    yield board
    board.words.release()
    board._map.close()


def resident_kb():
    """Shared memory that this process has in use."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssShmem:"))


@pytest.mark.parametrize("size", [1, 4_096, 6 << 20, boards.EVENT_MAX])
def test_an_event_is_read_as_it_was_put(board, size):
    """Up to the largest that Lambda delivers, and more."""
    raw = os.urandom(size)

    assert board.put_event(raw, b"facts")
    assert (raw, b"facts", True) == (board.event(), board.facts(), board.has_event())


def test_an_event_that_is_too_large_is_none(board):
    """Neither a part of it nor the event before is left."""
    board.put_event(b"before", b"")

    assert not board.put_event(bytes(boards.EVENT_MAX + 1), b"")
    assert (b"", b"", False) == (board.event(), board.facts(), board.has_event())


def test_a_smaller_event_replaces_a_larger_one(board):
    """Nothing of the larger one shows, and its memory is given back."""
    assert board.put_event(b"x" * (6 << 20), b"")
    used = resident_kb()

    assert board.put_event(b"small", b"")

    assert b"small" == board.event()
    assert resident_kb() < used - 5_000


@pytest.mark.parametrize(
    ("left_ms", "margin_ms", "seen_ms"),
    [
        (3_000, 500, 500),
        (60 * 86_400_000, 5_000, 5_000),
        (margins.LONGEST_MS, margins.LONGEST_MS // 2, (1 << 27) - 1),
    ],
)
def test_a_span_of_any_length_is_read_as_it_was_shown(board, left_ms, margin_ms, seen_ms):
    """Up to four years; of a margin no more than 37 hours are seen."""
    board.show(left_ms, margin_ms, 1 << 42, 1e8)

    assert (left_ms, seen_ms) == board.span()


@pytest.mark.parametrize("size", [0, 9, boards.ORDER_MAX])
def test_an_order_is_read_as_it_was_put(board, size):
    """An order and an event do not reach into each other."""
    event, order = b"e" * boards.EVENT_MAX, os.urandom(size)
    board.put_event(event, b"")

    assert board.put_order(order)
    assert (order, event) == (board.order(), board.event())


def test_an_order_that_is_too_large_is_refused(board):
    """The caller says so in its answer."""
    assert not board.put_order(bytes(boards.ORDER_MAX + 1))


def test_a_finished_invocation_leaves_nothing(board):
    """Neither orders nor states, nor their memory, nor how it went; the event stays."""
    board.put_event(b"event", b"facts")
    board.put_order(b"x" * (6 << 20))
    board.put_outcome(boards.REFUSED, "no")
    board.put_state(b"s" * (6 << 20))
    board.put_stack("here")
    board.words[boards.ALARM_AT_MS] = 1
    board.words[boards.PHASE] = boards.HANDED
    used = resident_kb()

    board.finish()

    assert (b"", "", boards.PENDING) == (board.order(), board.cause(), board.words[boards.OUTCOME])
    assert (None, "") == (board.state(), board.stack())
    assert (0, boards.RUN) == (board.words[boards.ALARM_AT_MS], board.words[boards.PHASE])
    assert b"event" == board.event()
    assert resident_kb() < used - 10_000


def test_the_last_state_is_kept(board):
    """Each replaces the one before, whatever their sizes."""
    assert board.state() is None
    for state in (b"one", b"x" * boards.STATE_MAX, b"three"):
        assert board.put_state(state)
        assert state == board.state()


def test_a_state_that_was_not_written_to_its_end_is_none(board):
    """A process that is killed in the middle of a state leaves the one before."""
    board.put_state(b"before")
    board.put_state(b"after")
    # As if the slot had been chosen, and its text not been written.
    start = boards._AREAS[boards._STATE_2][0]
    board._map[start : start + 5] = b"torn!"

    assert b"before" == board.state()


def test_a_state_that_is_too_large_is_refused(board):
    """The one before stays."""
    board.put_state(b"before")

    assert not board.put_state(bytes(boards.STATE_MAX + 1))
    assert b"before" == board.state()


@pytest.mark.parametrize(("states", "is_new"), [([], 0), ([b"same"], 0), ([b"new"], 1), ([b"new", b"newer"], 1)])
def test_it_is_known_whether_the_state_has_changed_since_the_start(board, states, is_new):
    """A crash with the state that it began with is told from one that got further."""
    board.put_state(b"same", is_first=True)
    for state in states:
        board.put_state(state)

    assert is_new == board.words[boards.STATE_IS_NEW]


def test_a_long_stack_is_cut(board):
    """It does not reach into the event."""
    board.put_event(b"event", b"")
    board.put_stack("é" * 5_000)

    assert board.stack().startswith("éé")
    assert b"event" == board.event()


@pytest.mark.parametrize("cause", ["", "why", "é" * 1_500, "\ud800 half"])
def test_a_cause_is_read_as_it_was_put(board, cause):
    """What UTF-8 cannot say becomes a question mark."""
    board.put_outcome(boards.UNREACHABLE, cause)

    assert cause.replace("\ud800", "?") == board.cause()
    assert boards.UNREACHABLE == board.words[boards.OUTCOME]


def test_a_long_cause_is_cut(board):
    """It reaches neither the words before it nor the event behind it."""
    board.put_event(b"event", b"facts")
    board.put_outcome(boards.REFUSED, "a" + "é" * 5_000)

    assert board.cause().startswith("aé")
    assert len(board.cause()) < 1_600
    assert (b"event", boards.REFUSED) == (board.event(), board.words[boards.OUTCOME])


def test_a_child_process_writes_to_the_same_board(board):
    """This is the whole way from the runtime to the supervisor."""
    child = os.fork()
    if not child:
        board.put_event(b"from the child", b"")
        board.words[boards.ORDERS] += 1
        os._exit(0)
    _, status = os.waitpid(child, 0)

    assert 0 == status
    assert (b"from the child", 1) == (board.event(), board.words[boards.ORDERS])
