"""What one process leaves on the board, the others read as it was."""

import os

import pytest

from carryon import board as boards


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

    assert board.put_event(raw)
    assert raw == board.event()


def test_an_event_that_is_too_large_is_none(board):
    """Neither a part of it nor the event before is left."""
    board.put_event(b"before")

    assert not board.put_event(bytes(boards.EVENT_MAX + 1))
    assert b"" == board.event()


def test_a_smaller_event_replaces_a_larger_one(board):
    """Nothing of the larger one shows, and its memory is given back."""
    assert board.put_event(b"x" * (6 << 20))
    used = resident_kb()

    assert board.put_event(b"small")

    assert b"small" == board.event()
    assert resident_kb() < used - 5_000


@pytest.mark.parametrize("size", [0, 9, boards.ORDER_MAX])
def test_an_order_is_read_as_it_was_put(board, size):
    """An order and an event do not reach into each other."""
    event, order = b"e" * boards.EVENT_MAX, os.urandom(size)
    board.put_event(event)

    assert board.put_order(order)
    assert (order, event) == (board.order(), board.event())


def test_an_order_that_is_too_large_is_refused(board):
    """The caller says so in its answer."""
    assert not board.put_order(bytes(boards.ORDER_MAX + 1))


def test_a_forgotten_order_leaves_nothing(board):
    """Neither its bytes, nor its memory, nor how it ended; the event stays."""
    board.put_event(b"event")
    board.put_order(b"x" * (6 << 20))
    board.put_outcome(boards.REFUSED, "no")
    used = resident_kb()

    board.forget_order()

    assert (b"", "", boards.PENDING) == (board.order(), board.cause(), board.words[boards.OUTCOME])
    assert b"event" == board.event()
    assert resident_kb() < used - 5_000


@pytest.mark.parametrize("cause", ["", "why", "é" * 1_500, "\ud800 half"])
def test_a_cause_is_read_as_it_was_put(board, cause):
    """What UTF-8 cannot say becomes a question mark."""
    board.put_outcome(boards.UNREACHABLE, cause)

    assert cause.replace("\ud800", "?") == board.cause()
    assert boards.UNREACHABLE == board.words[boards.OUTCOME]


def test_a_long_cause_is_cut(board):
    """It reaches neither the words before it nor the event behind it."""
    board.put_event(b"event")
    board.put_outcome(boards.REFUSED, "a" + "é" * 5_000)

    assert board.cause().startswith("aé")
    assert len(board.cause()) < 1_600
    assert (b"event", boards.REFUSED) == (board.event(), board.words[boards.OUTCOME])


def test_a_child_process_writes_to_the_same_board(board):
    """This is the whole way from the runtime to the supervisor."""
    child = os.fork()
    if not child:
        board.put_event(b"from the child")
        board.words[boards.ORDERS] += 1
        os._exit(0)
    _, status = os.waitpid(child, 0)

    assert 0 == status
    assert (b"from the child", 1) == (board.event(), board.words[boards.ORDERS])
