"""Have the courier do a job, and find out how that went: the runtime process's side."""

from __future__ import annotations

import json
import os
import time

from . import courier_jobs
from .board import COURIER, ORDERS, OUTCOME, PENDING, REFUSED, SENDING, SETTLED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .board import Board
    from .invocation import Invocation
    from .settings import Settings

    DoHere = Callable[[Settings, "Order", bytes], tuple[int, str, bytes]]

# What a courier can be asked for: to send an envelope on, to see whether a hop may begin, to record how a chain ended.
DELIVER, OPEN, CLOSE = "deliver", "open", "close"

NOT_READY = "the courier was not ready in the time that was left"
NO_ANSWER = "no answer in the time that was left"
TOO_LARGE = "the event or the state is larger than anything Lambda accepts"

_POLL_S = 0.001
_GONE_WITHIN_S = 0.05
# What is written down after an envelope was accepted: the answer waits so long for it.
_AFTERWARDS_S = 0.1
_SIGKILL = 9


class Order:
    """What a courier needs to know of one job, beside the event, which is on the board.

    Args:
        function: ARN to invoke; of a hop that is to be opened, the one that runs it.
        tenant: tenant id of the invocation, where the function has tenants.
        trace: X-Ray trace header of the invocation: Lambda's loop detection counts by it.
        until_ms: wall clock at which nobody waits for the outcome any longer.
        meta: members of the envelope.
        kind: DELIVER, OPEN or CLOSE.
        hop: the hop that orders: `id` (of its request), `chain`, `hop`, and what else that kind of job needs of it.
    """

    def __init__(
        self,
        function: str,
        tenant: str | None,
        trace: str | None,
        until_ms: int,
        meta: dict[str, Any],
        kind: str = DELIVER,
        hop: dict[str, Any] | None = None,
    ) -> None:
        self.function = function
        self.tenant = tenant
        self.trace = trace
        self.until_ms = until_ms
        self.meta = meta
        self.kind = kind
        self.hop = hop or {}

    @classmethod
    def of(
        cls, invocation: Invocation, kind: str, until_ms: int, meta: dict[str, Any], *, to: str | None = None
    ) -> Order:
        """What an invocation orders.

        Args:
            to: ARN, where that is not the function's own.
        """
        arn, tenant, trace = to or invocation.arn, invocation.tenant, invocation.trace
        return cls(arn, tenant, trace, until_ms, meta, kind, invocation.as_ordering())

    def encode(self) -> bytes:
        """As it lies on the board."""
        return json.dumps(vars(self)).encode()

    @classmethod
    def decode(cls, encoded: bytes) -> Order:
        """The opposite of `encode`."""
        return cls(**json.loads(encoded))


def place(board: Board, order: Order) -> str:
    """Put an order on the board, where the supervisor finds it; returns why that is not possible, or nothing."""
    try:
        return "" if board.has_event() and courier_jobs.place(board, order.encode()) else TOO_LARGE
    except TimeoutError as error:
        return str(error)


def ask(board: Board | None, settings: Settings, order: Order, raw: bytes, do_here: DoHere) -> tuple[int, str, bytes]:
    """Have a job done, and wait for it.

    Args:
        raw: the event; the courier finds it on the board.
        do_here: does the job in this process, where there is no supervisor; called with settings, order and event.

    Returns:
        An outcome of the board's, the cause of a failure, and the job's result.
    """
    if board is None:
        return do_here(settings, order, raw)
    words = board.words
    # Otherwise the supervisor has ordered it already, in this process's place, and has failed after that.
    if order.kind != DELIVER or not board.order():
        problem = place(board, order)
        if problem:
            return REFUSED, problem, b""
        board.wake_supervisor()
    while words[OUTCOME] in (PENDING, SENDING) and time.time() * 1000 < order.until_ms:
        time.sleep(_POLL_S)
    if words[OUTCOME] in (PENDING, SENDING):
        # With a table what comes too late is no harm: it changes what is still this invocation's alone.
        outcome, cause = _give_up(board, is_to_end=order.kind == DELIVER or not settings.table)
    else:
        outcome, cause = words[OUTCOME], board.cause()
        if order.kind == DELIVER and (settings.table or "parcel" in order.hop):
            _let_it_write_down(board)
    words[SETTLED] = words[ORDERS]
    if order.kind != DELIVER:
        # A supervisor that takes over has to find what was ordered for the hand-over, or nothing.
        board.put_order(b"")
    return outcome, cause, board.result()


def _let_it_write_down(board: Board) -> None:
    """Wait for what the courier does once an envelope was accepted: nothing runs between two invocations."""
    words = board.words
    by = time.monotonic() + _AFTERWARDS_S
    while words[SETTLED] != words[ORDERS] and words[COURIER] and time.monotonic() < by:
        time.sleep(_POLL_S)


def _give_up(board: Board, *, is_to_end: bool) -> tuple[int, str]:
    """See how far the courier has come, and end it, so that nothing is done behind our back.

    Args:
        is_to_end: otherwise it may finish what it has begun. One whose start takes longer than an opening may, as it
            can in a small function, is ready for the next hop then.
    """
    words = board.words
    courier_jobs.withdraw(board, NOT_READY, NO_ANSWER)
    courier = words[COURIER]
    if courier and is_to_end:
        try:
            os.kill(courier, _SIGKILL)
        except ProcessLookupError:
            pass
        gone_by = time.monotonic() + _GONE_WITHIN_S
        while words[COURIER] == courier and time.monotonic() < gone_by:
            time.sleep(_POLL_S)
    return words[OUTCOME], board.cause()
