"""What the supervisor does depends on the board and on two clocks, either of which may have jumped."""

import os
import signal
import threading
import time

import pytest

from carryon.shared import board as boards
from carryon.shared.margins import rescue_ms
from carryon.shared.settings import parse
from carryon.supervisor.supervisor import Supervisor
from tests.support.processes import state

# Such that no busy machine comes near to where the supervisor takes over.
MARGIN_MS = 10_000
LEFT_MS = 100_000
OURS = (boards.UNDERSTUDY_SIGNAL, boards.DUMP_SIGNAL, boards.CAPTURE_SIGNAL)


@pytest.fixture(name="child")
def _child():
    """Stands for a runtime: handles the signals it gets, and counts them."""
    # Before the fork: a signal that comes earlier would end it.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    before = [signal.signal(number, lambda *_: None) for number in OURS]
    pid = os.fork()
    if not pid:
        while True:
            signal.pause()
    for number, handler in zip(OURS, before, strict=True):
        signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    yield pid
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


@pytest.fixture(name="board")
def _board():
    return boards.Board()


@pytest.fixture(name="supervisor")
def _supervisor(board, child):
    here, there = os.pipe()
    yield Supervisor(board, parse({}), child, there, None)
    os.close(here)
    os.close(there)


def show(board, wall_ms, monotonic_ms):
    """An invocation whose alarm is due so much later, by either clock."""
    board.show(LEFT_MS, MARGIN_MS, int(time.time() * 1000) + wall_ms, time.monotonic() + monotonic_ms / 1000)


def pending(pid):
    """Signals that were sent to a process that takes none."""
    with open(f"/proc/{pid}/status") as status:
        masks = [int(line.split()[1], 16) for line in status if line.startswith(("SigPnd", "ShdPnd"))]
    return {number for number in range(1, 65) if any(mask >> (number - 1) & 1 for mask in masks)}


FAR_MS = 60_000


@pytest.mark.parametrize(
    ("wall_ms", "monotonic_ms"),
    [(FAR_MS, FAR_MS), (-FAR_MS, FAR_MS), (FAR_MS, -FAR_MS)],
    ids=["none", "forward", "back"],
)
def test_a_jump_of_the_clock_lets_nobody_be_interrupted(wall_ms, monotonic_ms, supervisor, board, child):
    """Only when both clocks say that it is time something is done."""
    show(board, wall_ms, monotonic_ms)

    look_in_s = supervisor._look()

    assert 50 < look_in_s < 60
    assert pending(child) == set()
    assert board.words[boards.COURIER] == board.words[boards.STANDBY] == 0


def test_an_alarm_that_was_not_seen_is_sent_again_and_again(supervisor, board, child):
    """By the understudy, from a moment after it was due."""
    board.words[boards.STANDBY] = child  # so that none is forked
    show(board, -100, -100)

    for _ in range(2):
        assert 0 < supervisor._look() <= 0.02
        assert pending(child) == {boards.UNDERSTUDY_SIGNAL}


def test_an_alarm_that_was_seen_is_not_sent_again(supervisor, board, child):
    """The clean-up has its time."""
    board.words[boards.STANDBY] = child
    board.words[boards.PHASE] = boards.FIRED
    show(board, -100, -100)

    assert supervisor._look() > 0.1
    assert pending(child) == set()


def about_to_be_taken_over(board, child):
    """An invocation whose handler has 80 ms left, and does not say where it is."""
    board.words[boards.STANDBY] = child
    board.words[boards.PHASE] = boards.FIRED
    margin_ms = 2_000
    after_alarm_ms = margin_ms - rescue_ms(margin_ms, os.environ) - 80
    alarm_at_ms = int(time.time() * 1000) - after_alarm_ms
    board.show(LEFT_MS, margin_ms, alarm_at_ms, time.monotonic() - after_alarm_ms / 1000)
    return alarm_at_ms


def test_a_child_that_does_not_say_where_it_is_is_taken_over_in_time(supervisor, board, child):
    """Asking for its stacks takes all the time there is, and not twice that."""
    alarm_at_ms = about_to_be_taken_over(board, child)

    supervisor._look()

    assert supervisor._done_with == alarm_at_ms
    assert boards.DUMP_SIGNAL in pending(child)


def test_a_handler_that_ends_while_it_is_asked_where_it_is_is_not_taken_over(supervisor, board, child):
    """It hands over by itself now, and has the time for it."""
    about_to_be_taken_over(board, child)
    threading.Timer(0.01, lambda: board.words.__setitem__(boards.PHASE, boards.HANDED)).start()

    supervisor._look()

    assert supervisor._done_with == 0
    assert board.words[boards.PHASE] == boards.HANDED
    assert state(child) != "T"


def test_without_an_invocation_nothing_is_looked_at(supervisor, board):
    """It sleeps until the next one wakes it."""
    assert supervisor._look() is None
    assert board.words[boards.WAKE] == 1
