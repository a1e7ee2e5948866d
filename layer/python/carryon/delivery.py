"""Have an envelope delivered, and find out how that went: the runtime process's side."""

from __future__ import annotations

import json
import os
import sys
import time

from .board import (
    COURIER,
    ORDERS,
    OUTCOME,
    PENDING,
    REFUSED,
    SENDING,
    UNANSWERED,
    UNREACHABLE,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .board import Board

_POLL_S = 0.001
_GONE_WITHIN_S = 0.05
_SIGKILL = 9


class Order:
    """What a courier needs to know of one delivery, beside the event, which is on the board.

    Args:
        function: ARN to invoke.
        tenant: tenant id of the invocation, where the function has tenants.
        trace: X-Ray trace header of the invocation: Lambda's loop detection counts by it.
        until_ms: wall clock at which nobody waits for the outcome any longer.
        meta: members of the envelope.
    """

    def __init__(
        self, function: str, tenant: str | None, trace: str | None, until_ms: int, meta: dict[str, Any]
    ) -> None:
        self.function = function
        self.tenant = tenant
        self.trace = trace
        self.until_ms = until_ms
        self.meta = meta

    def encode(self) -> bytes:
        """As it lies on the board."""
        return json.dumps(vars(self)).encode()

    @classmethod
    def decode(cls, encoded: bytes) -> Order:
        """The opposite of `encode`."""
        return cls(**json.loads(encoded))


def deliver(board: Board | None, order: Order, raw: bytes) -> tuple[int, str]:
    """Deliver the order with the event `raw`; returns an outcome of the board's and the cause of a failure."""
    if board is None:
        return _deliver_without_supervisor(order, raw)
    words = board.words
    if not board.has_event() or not board.put_order(order.encode()):
        return REFUSED, "the event or the state is larger than anything Lambda accepts"
    board.put_outcome(PENDING)
    words[ORDERS] += 1
    board.wake_supervisor()
    while words[OUTCOME] in (PENDING, SENDING):
        if time.time() * 1000 >= order.until_ms:
            return _give_up(board)
        time.sleep(_POLL_S)
    return words[OUTCOME], board.cause()


def _give_up(board: Board) -> tuple[int, str]:
    """End the courier, so that nothing is sent behind our back, and see how far it had come."""
    words = board.words
    courier = words[COURIER]
    if courier:
        try:
            os.kill(courier, _SIGKILL)
        except ProcessLookupError:
            pass
        gone_by = time.monotonic() + _GONE_WITHIN_S
        while words[COURIER] == courier and time.monotonic() < gone_by:
            time.sleep(_POLL_S)
    outcome, cause = words[OUTCOME], board.cause()
    if outcome in (SENDING, UNANSWERED):
        return UNANSWERED, "no answer in the time that was left"
    if outcome == PENDING:
        return UNREACHABLE, cause or "the courier was not ready in the time that was left"
    return outcome, cause


def _deliver_without_supervisor(order: Order, raw: bytes) -> tuple[int, str]:
    from .courier import Courier, import_from_the_runtime_only

    outcomes = []
    path = list(sys.path)
    try:
        import_from_the_runtime_only()
        Courier(lambda outcome, cause="": outcomes.append((outcome, cause))).deliver(order, raw)
    finally:
        sys.path[:] = path
    return outcomes[-1]
