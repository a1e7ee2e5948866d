"""A hop whose process was stopped or has died: what the board tells of it, and what was dumped of its stack."""

from __future__ import annotations

import os
import time

from carryon.shared import delivery, left_progress, margins, stack_dumps
from carryon.shared.board import ACCEPTED, OWN_CALLS, STATE_IS_NEW, UNANSWERED
from carryon.shared.ending_hop import EndingHop
from carryon.shared.handover import Failure
from carryon.shared.invocation import outline_of
from carryon.shared.own_code import own_frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carryon.shared.board import Board
    from carryon.shared.delivery import Order
    from carryon.shared.invocation import Invocation
    from carryon.shared.settings import Settings

    from .courier_dispatch import Dispatch

_LAST_CHANCE_MS = 100
_ANSWER_MS = 60
# As many processes in a row may die with the same state before the work is given up.
_CRASHES_MAX = 2


class StoppedHop(EndingHop):
    """What of it runs is stopped already.

    `has_successor` says whether somebody has the work now, or may have it.

    Args:
        has_crashed: its process has died before its time was up.
    """

    def __init__(
        self, board: Board, settings: Settings, dispatch: Dispatch, invocation: Invocation, *, has_crashed: bool = False
    ) -> None:
        left_ms, margin_ms = board.span()
        self._board = board
        self._dispatch = dispatch
        self._frames = stack_dumps.main_thread(board.stacks) if board.stacks >= 0 else []
        self._outline: Any = None
        self._on_its_way: Order | None = None
        self.has_successor = False
        super().__init__(
            settings,
            invocation,
            started_at_ms=invocation.deadline_ms - left_ms,
            margin_ms=margin_ms,
            stopped_at=own_frames(self._frames),
            progress=left_progress.read(board),
            own_calls=board.words[OWN_CALLS],
            crashes=_crashes(board, invocation) if has_crashed else 0,
            is_whole=False,
        )

    @property
    def may_try_again(self) -> bool:
        """Whether its state may be tried once more after a crash."""
        return self.crashes <= _CRASHES_MAX

    def event(self) -> Any:
        """The outline of what has arrived: the event itself may have been changed on the board."""
        if self._outline is None:
            self._outline = outline_of(self._board, self.invocation)
        return self._outline

    def stack(self) -> list[str]:
        """Lines of a stackTrace: what the process itself has said, else what was dumped."""
        said = self._board.stack()
        if said:
            return said.splitlines(keepends=True)
        return [f'  File "{file}", line {line}, in {name}\n' for file, line, name in reversed(self._frames)]

    def order_on_its_way(self) -> Order | None:
        """What the process has ordered itself before it failed, in whatever phase: it is not ordered again."""
        if not self.crashes and self._board.order() and self._dispatch.was_asked():
            self._on_its_way = delivery.Order.decode(self._board.order())
            self._on_its_way.until_ms = self.until_ms()
        return self._on_its_way

    def until_ms(self) -> int:
        """So that the answer and the next process have the rest of the time."""
        last_chance = min(int(time.time() * 1000) + _LAST_CHANCE_MS, self._answer_by_ms())
        return int(max(self.invocation.deadline_ms - self._rescue_ms() // 2, last_chance))

    def deliver(self, order: Order) -> tuple[int, str, bytes]:
        """By the courier, to which this process passes it on."""
        if order is not self._on_its_way:
            problem = delivery.place(self._board, order)
            if problem:
                raise Failure("DeliveryFailed", problem)
        outcome, cause = self._dispatch.wait(order.until_ms, self._answer_by_ms())
        self.has_successor = outcome in (ACCEPTED, UNANSWERED)
        return outcome, cause, self._board.result()

    def _answer_by_ms(self) -> int:
        """When to stop waiting for a request that is on its way: given up, nobody knows whether it arrived."""
        return int(self.invocation.deadline_ms - max(self._rescue_ms() // 4, _ANSWER_MS))

    def _rescue_ms(self) -> int:
        return margins.rescue_ms(self.margin_ms, os.environ)


def _crashes(board: Board, invocation: Invocation) -> int:
    """Of how many processes in a row this state has seen the end."""
    carried = invocation.carried or {}
    before = 0 if board.words[STATE_IS_NEW] else carried.get("crashes", 0)
    return before + 1 if isinstance(before, int) else _CRASHES_MAX + 1
