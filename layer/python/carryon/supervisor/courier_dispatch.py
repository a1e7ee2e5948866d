"""The supervisor's side of the courier: has one ready, gives it orders, and sees how it ends."""

from __future__ import annotations

import os
import time

from carryon.shared import processes
from carryon.shared.board import (
    ALARM_AT_MS,
    COURIER,
    ORDERS,
    OUTCOME,
    PENDING,
    SENDING,
    SETTLED,
    UNREACHABLE,
    WAKE_SIGNAL,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from carryon.shared.board import Board
    from carryon.shared.settings import Settings

    RunCourier = Callable[[Board, Settings, int], None]

_POLL_S = 0.001


class Dispatch:
    """Starts couriers, one at a time.

    Args:
        leave: called in the courier's process first of all.
        run_courier: what that process does then, with the board, the settings and the orders that are others'.
    """

    def __init__(self, board: Board, settings: Settings, leave: Callable[[], None], run_courier: RunCourier) -> None:
        self._board = board
        self._settings = settings
        self._leave = leave
        self._run_courier = run_courier
        self._orders_seen = 0
        self._ordered_for = 0

    def warm_up(self) -> None:
        """Start a courier that waits for the next order, or have the one that is there make itself ready.

        Raises:
            OSError: there is none, and the fork was refused.
        """
        if self._settings.max_hops and self._settings.to not in (None, "log"):
            courier = self._board.words[COURIER]
            if courier:
                processes.send([courier], WAKE_SIGNAL)
            else:
                self._fork()

    def pass_on_order(self) -> None:
        """Give a courier the order that the board has, if none has it yet."""
        words = self._board.words
        if self._orders_seen != words[ORDERS]:
            # A courier looks by itself now and then; it may have come and gone while this process had no CPU.
            if words[OUTCOME] == PENDING and (words[COURIER] or self._fork_for_order()):
                processes.send([words[COURIER]], WAKE_SIGNAL)
            self._orders_seen = words[ORDERS]
            self._ordered_for = words[ALARM_AT_MS]

    def refuse(self) -> None:
        """Say of a job that nobody has that nobody will."""
        words = self._board.words
        if self.is_at_work() and words[OUTCOME] == PENDING and not words[COURIER]:
            self._board.put_outcome(UNREACHABLE, self._board.cause() or "there is no supervisor any longer")

    def is_at_work(self) -> bool:
        """Whether somebody waits for a job."""
        return self._board.words[SETTLED] != self._board.words[ORDERS]

    def was_asked(self) -> bool:
        """Whether this invocation's order is to be delivered; whoever wrote it may have died before it said so."""
        words = self._board.words
        return words[ORDERS] != self._orders_seen or self._ordered_for == words[ALARM_AT_MS]

    def wait(self, until_ms: int, answer_by_ms: int) -> tuple[int, str]:
        """Wait for the order's outcome: one of the board's, and the cause.

        Args:
            until_ms: wall clock at which it is given up.
            answer_by_ms: the same for a request that is on its way then.
        """
        board = self._board
        self.pass_on_order()
        while board.words[OUTCOME] in (PENDING, SENDING):
            now_ms = time.time() * 1000
            if now_ms >= (answer_by_ms if board.words[OUTCOME] == SENDING else until_ms):
                self._withdraw("the courier was not ready in the time that was left", "no answer in the time there was")
                self.dismiss()
                break
            courier = board.words[COURIER]
            if not courier:
                break
            if processes.reap(courier):
                self.note_end()
                break
            time.sleep(_POLL_S)
        board.words[SETTLED] = board.words[ORDERS]
        return board.words[OUTCOME], board.cause()

    def note_end(self) -> None:
        """The courier has ended and was waited for."""
        if self._orders_seen == self._board.words[ORDERS] or self._board.words[OUTCOME] == SENDING:
            self._withdraw("the courier ended before it could send", "the courier ended while it was sending")
        # Last: the runtime process reads the outcome once there is no courier.
        self._board.words[COURIER] = 0

    def dismiss(self) -> None:
        """End the courier, if there is one."""
        courier = self._board.words[COURIER]
        if courier:
            self._board.words[COURIER] = 0
            processes.end(courier)

    def _withdraw(self, cause: str, doubt: str) -> None:
        from carryon.shared import courier_jobs

        courier_jobs.withdraw(self._board, cause, doubt)

    def _fork_for_order(self) -> bool:
        """Start a courier for the order that waits for one; if there can be none the order is withdrawn."""
        try:
            self._fork()
        except OSError as error:
            self._withdraw(f"no courier could be started: {error}", "")
            return False
        return True

    def _fork(self) -> None:
        board = self._board
        pid = os.fork()
        if pid:
            board.words[COURIER] = pid
            return
        status = 1
        try:
            self._leave()
            self._run_courier(board, self._settings, self._orders_seen)
            status = 0
        finally:
            os._exit(status)
