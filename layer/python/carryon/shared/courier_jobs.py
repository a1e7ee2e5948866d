"""The courier's job on the board, which is begun by one process at most, and by none once it was given up.

Couriers are killed, stopped and started anew, and whoever waits for one may be as well: what each of them finds and
writes here, it does alone.
"""

from __future__ import annotations

import os
import time
from fcntl import LOCK_EX, LOCK_NB, LOCK_UN, lockf

from .board import ORDERS, OUTCOME, PENDING, SENDER, SENDING, UNANSWERED, UNREACHABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .board import Board

_LOCK_WITHIN_S = 0.05
_LOCK_AGAIN_S = 0.001
_LOCKED_FOR_S = 0.005


def place(board: Board, order: bytes) -> bool:
    """Give the courier its next job; False if there is no room for it.

    Raises:
        TimeoutError: a process that has been stopped keeps the others out.
    """
    with _Lock(board):
        if not board.put_order(order):
            return False
        board.put_result(b"")
        board.put_outcome(PENDING)
        board.words[ORDERS] += 1
    return True


def report(board: Board, number: int, outcome: int, cause: str = "") -> bool:
    """Say how the job of that number stands: one of the board's outcomes and its cause.

    False, and nothing is said, where nobody waits for it any longer, or another process has begun with it. To say
    SENDING is to begin: after False it must not be done.

    Raises:
        TimeoutError: as `place`.
    """
    words = board.words
    own = os.getpid()
    with _Lock(board):
        is_open = words[OUTCOME] == PENDING or words[OUTCOME] == SENDING and words[SENDER] == own
        if not is_open or words[ORDERS] != number or not board.order():
            return False
        words[SENDER] = own
        board.put_outcome(outcome, cause)
    return True


def withdraw(board: Board, cause: str, doubt: str) -> None:
    """Wait for the job no longer: if it has not begun, it never begins; if it has, it is in doubt.

    Args:
        cause: why it is UNREACHABLE, where no attempt has failed before.
        doubt: why it is UNANSWERED.
    """
    try:
        with _Lock(board):
            if board.words[OUTCOME] == PENDING:
                board.put_outcome(UNREACHABLE, board.cause() or cause)
            elif board.words[OUTCOME] == SENDING:
                board.put_outcome(UNANSWERED, doubt)
    except TimeoutError:
        board.put_outcome(UNANSWERED, doubt)


def is_locked(board: Board) -> bool:
    """Whether a process keeps the others out for longer than one that goes on would."""
    try:
        with _Lock(board, _LOCKED_FOR_S):
            return False
    except TimeoutError:
        return True


class _Lock:
    """Held by one process at a time, and given back when it dies. It lies on the file for stack dumps.

    Nobody is kept out where there is no such file, or where the function has closed it.
    """

    def __init__(self, board: Board, within_s: float = _LOCK_WITHIN_S) -> None:
        self._descriptor = board.stacks
        self._within_s = within_s

    def __enter__(self) -> None:
        by = time.monotonic() + self._within_s
        while self._descriptor >= 0:
            try:
                lockf(self._descriptor, LOCK_EX | LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() >= by:
                    raise TimeoutError("another process keeps the board locked") from None
                time.sleep(_LOCK_AGAIN_S)
            except OSError:
                self._descriptor = -1

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            lockf(self._descriptor, LOCK_UN)
