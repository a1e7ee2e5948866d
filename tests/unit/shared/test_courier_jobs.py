"""A job of the courier's is begun by one process at most, and by none once it was given up."""

import os
import signal
import time

import pytest

from carryon.courier import attempts, process
from carryon.shared import board as boards
from carryon.shared import courier_jobs, delivery
from carryon.shared.board import ACCEPTED, ORDERS, OUTCOME, PENDING, SENDING, UNANSWERED, UNREACHABLE
from carryon.shared.settings import parse
from tests.support.processes import wait_until

ARN = "arn:aws:lambda:us-east-1:012345678912:function:f"


@pytest.fixture(name="board")
def _board():
    board = boards.Board()
    board.put_event(b'{"n": 1}', b"")
    yield board
    board.words.release()
    board._map.close()
    os.close(board.stacks)


@pytest.fixture(name="fork")
def _fork():
    """A function `fork(run)`: the process id of a child that runs it and ends."""
    children = []

    def fork(run):
        pid = os.fork()
        if not pid:
            try:
                run()
            finally:
                os._exit(0)
        children.append(pid)
        return pid

    yield fork
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_a_job_that_was_given_up_is_not_begun(board):
    """Whoever waited for it has said that it was not sent."""
    courier_jobs.place(board, b"order")
    courier_jobs.withdraw(board, "no time", "in doubt")

    assert not courier_jobs.report(board, 1, SENDING)
    assert (board.words[OUTCOME], board.cause()) == (UNREACHABLE, "no time")


def test_a_job_that_was_begun_and_given_up_is_in_doubt(board):
    """What becomes of it later is nobody's business."""
    courier_jobs.place(board, b"order")
    assert courier_jobs.report(board, 1, SENDING)
    courier_jobs.withdraw(board, "no time", "in doubt")

    assert not courier_jobs.report(board, 1, ACCEPTED)
    assert (board.words[OUTCOME], board.cause()) == (UNANSWERED, "in doubt")


def test_a_job_that_failed_is_given_up_with_the_reason_of_its_last_attempt(board):
    """It is tried again until then, by anybody."""
    courier_jobs.place(board, b"order")
    for outcome in (SENDING, PENDING, SENDING, PENDING):
        assert courier_jobs.report(board, 1, outcome, "refused")
    courier_jobs.withdraw(board, "no time", "in doubt")

    assert (board.words[OUTCOME], board.cause()) == (UNREACHABLE, "refused")


def test_a_job_that_has_ended_stays_as_it_ended(board):
    """To wait for it no longer changes nothing."""
    courier_jobs.place(board, b"order")
    courier_jobs.report(board, 1, ACCEPTED)
    courier_jobs.withdraw(board, "no time", "in doubt")

    assert board.words[OUTCOME] == ACCEPTED


@pytest.mark.parametrize("is_over", [True, False])
def test_a_late_courier_neither_begins_nor_speaks_of_another_job(is_over, board):
    """It has slept through the rest of its invocation, and has its order still in hand."""
    courier_jobs.place(board, b"order")
    board.finish()
    if not is_over:
        courier_jobs.place(board, b"another order")

    for outcome in (SENDING, ACCEPTED):
        assert not courier_jobs.report(board, 1, outcome)
    assert board.words[OUTCOME] == PENDING


def test_of_many_processes_one_begins(board, fork):
    """All of them have found the same order at the same time."""
    rounds, hopefuls = 300, 4
    here, there = os.pipe()

    def begin_each():
        for number in range(1, rounds + 1):
            while board.words[ORDERS] < number:
                pass
            os.write(there, b"y" if courier_jobs.report(board, number, SENDING) else b"n")

    for _ in range(hopefuls):
        fork(begin_each)
    for number in range(1, rounds + 1):
        courier_jobs.place(board, b"order")
        answers = b"".join(os.read(here, 1) for _ in range(hopefuls))
        assert answers.count(b"y") == 1, number
    os.close(here)
    os.close(there)


def test_a_process_that_is_stopped_in_the_middle_leaves_no_wrong_word(board, fork):
    """Nobody waits for it for long, and what it may have begun with is in doubt."""
    courier_jobs.place(board, b"order")
    here, there = os.pipe()

    def hold():
        with courier_jobs._Lock(board):
            os.write(there, b"!")
            signal.pause()

    pid = fork(hold)
    os.read(here, 1)
    courier_jobs.withdraw(board, "no time", "in doubt")
    assert (board.words[OUTCOME], board.cause()) == (UNANSWERED, "in doubt")
    with pytest.raises(TimeoutError):
        courier_jobs.place(board, b"another order")
    assert courier_jobs.is_locked(board)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG), 5, "it does not end")
    assert not courier_jobs.is_locked(board)
    assert courier_jobs.place(board, b"another order")
    os.close(here)
    os.close(there)


def test_without_a_file_to_lock_jobs_are_done_all_the_same(board):
    """Where memfd_create is denied, or the function has closed what it did not open."""
    kept, board.stacks = board.stacks, os.open(os.devnull, os.O_RDWR)
    os.close(board.stacks)
    assert courier_jobs.place(board, b"order")
    board.stacks = -1
    assert courier_jobs.report(board, 1, SENDING)
    board.stacks = kept


@pytest.fixture(name="start_courier")
def _start_courier(board, fork, lambda_api, monkeypatch, tmp_path):
    """A function that starts a courier for the first order, as the supervisor does."""
    env = {"AWS_ENDPOINT_URL": lambda_api.url, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    for name, value in {**env, "AWS_REGION": "us-east-1", "LAMBDA_TASK_ROOT": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)

    def run():
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        process.run(board, parse({"CARRYON_TO": "self"}), 0)

    return lambda: fork(run)


def order(within_ms=20_000):
    """One for this very moment."""
    return delivery.Order(ARN, None, None, int(time.time() * 1000) + within_ms, {"v": 1, "chain": "c", "hop": 1})


def test_couriers_that_find_the_same_order_send_it_once(board, start_courier, lambda_api):
    """One of them was believed dead."""
    lambda_api.delay(0.3)
    assert delivery.place(board, order()) == ""
    for _ in range(3):
        start_courier()
    wait_until(lambda: board.words[OUTCOME] == ACCEPTED, 20, "it is not delivered")
    # The next job shows that they all are still there, and have passed over that one.
    assert delivery.place(board, order()) == ""
    wait_until(lambda: board.words[OUTCOME] == ACCEPTED, 20, "the next one is not delivered")

    assert len(lambda_api.calls) == 2


def test_a_courier_that_had_no_cpu_until_it_was_given_up_sends_nothing(board, start_courier, lambda_api, monkeypatch):
    """It is stopped with the order in hand, and goes on when its invocation has failed."""
    monkeypatch.setattr(attempts, "_BACKOFF_S", 1.0)
    pid = start_courier()
    lambda_api.fail("TooManyRequestsException", times=1)
    delivery.place(board, order())
    lambda_api.wait_for_calls(1)
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT | os.WNOHANG), 5, "it does not stop")
    courier_jobs.withdraw(board, "no time", "in doubt")
    board.finish()
    board.put_event(b'{"n": 2}', b"")
    delivery.place(board, order())
    os.kill(pid, signal.SIGCONT)
    lambda_api.wait_for_calls(2)
    wait_until(lambda: board.words[OUTCOME] == ACCEPTED, 20, "it is not delivered")

    assert [call.json["n"] for call in lambda_api.calls] == [1, 2]


def test_what_the_supervisor_has_delivered_is_not_delivered_again(board):
    """It failed after that, and the process that it had stopped goes on with its own hand-over."""
    delivery.place(board, order())
    courier_jobs.report(board, 1, ACCEPTED)

    assert delivery.ask(board, parse({"CARRYON_TO": "self"}), order(), b"", None)[:2] == (ACCEPTED, "")
    assert board.words[ORDERS] == 1
