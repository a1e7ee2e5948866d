"""A hop whose time is up, or whose process has died: what is known of it when it is decided who carries on."""

from __future__ import annotations

import json
import os
import time

from . import answers, chain_limits
from .envelope import PROGRESS
from .left_progress import RECORDS, reason_not_carried

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .delivery import Order
    from .invocation import Invocation
    from .left_progress import NotCarried
    from .settings import Settings


class EndingHop:
    """As every process knows it. The one that hands over adds how it has an order delivered.

    Args:
        started_at_ms: wall clock at which the handler was called.
        margin_ms: the invocation's.
        stopped_at: the innermost frames that the log line names.
        progress: what travels, a JSON object of members of the envelope, or why it cannot; None for nothing.
        own_calls: how what the function has sent to itself stands, a word of continued_itself.py.
        crashes: of how many processes in a row that state has seen the end; 0 when it is not a crash.
        is_whole: whether it is known that variables and event are as they were between two steps of the work.
    """

    def __init__(
        self,
        settings: Settings,
        invocation: Invocation,
        *,
        started_at_ms: int,
        margin_ms: int,
        stopped_at: list[str],
        progress: bytes | NotCarried | None,
        own_calls: int = 0,
        crashes: int = 0,
        is_whole: bool = True,
    ) -> None:
        self.settings = settings
        self.invocation = invocation
        self.started_at_ms = started_at_ms
        self.margin_ms = margin_ms
        self.stopped_at = stopped_at
        self.progress = progress
        self.own_calls = own_calls
        self.crashes = crashes
        self.is_whole = is_whole
        self._arrived: Any = None
        self._next_envelope: dict[str, Any] | None = None

    def event(self) -> Any:
        """As much of the event, as it arrived, as decides who hears what."""
        return self.arrived()

    def arrived(self) -> Any:
        """The event as it arrived, decoded: the handler may have changed what it was given."""
        if self._arrived is None:
            self._arrived = self.invocation.arrived()
        return self._arrived

    def event_to_send(self) -> bytes:
        """The event that the next hop gets.

        Raises:
            NotCarried: it cannot travel.
        """
        raw: bytes = self.invocation.raw
        return raw

    def order_on_its_way(self) -> Order | None:
        """What was ordered of this hop already, by a process that is not there any more to hear of it."""
        return None

    def until_ms(self) -> int:
        """Wall clock, in ms, at which nobody waits for a delivery any longer."""
        raise NotImplementedError

    def deliver(self, order: Order) -> tuple[int, str, bytes]:
        """Have an order delivered: an outcome of the board's, the cause of a failure, and what the courier has said.

        Raises:
            Failure: it cannot even be asked for.
        """
        raise NotImplementedError

    @property
    def time_is_up(self) -> str:
        """The error's message, where there is no successor; or the beginning of it."""
        where = "".join(f" in {place}" for place in self.stopped_at[:1])
        return f"Time was up{where}, {self.margin_ms} ms before the deadline"

    def fields(self) -> dict[str, Any]:
        """Members of the log line that says how it ends."""
        return {
            "elapsed_ms": self._elapsed_ms(),
            "remaining_ms": self.invocation.remaining_ms(),
            "margin_ms": self.margin_ms,
            "stopped_at": self.stopped_at,
            **reason_not_carried(self.progress),
        }

    def costs(self) -> dict[str, Any]:
        """Members of the log line that says what becomes of it: what the chain has cost, as far as that is known."""
        return chain_limits.as_fields(self.next_envelope().get("spent"))

    def left_of_batch(self) -> list[dict[str, Any]] | None:
        """The records that are to go back to their source; None where that is not asked for, or nobody hears it."""
        if self.settings.batch != "report" or self.invocation.carried is not None or self.crashes:
            return None
        if answers.batch_policy(self.arrived(), self.settings.batch) != "report":
            return None
        finished = json.loads(self.progress).get(RECORDS, "0") if isinstance(self.progress, bytes) else "0"
        return answers.unfinished(self.arrived(), int(finished, 16))

    def may_have_work_left(self) -> bool:
        """Whether any of the work may be left although the handler has returned."""
        left = self.left_of_batch()
        return bool(left) if left is not None else bool(self.settings.to and self.settings.max_hops)

    def next_envelope(self) -> dict[str, Any]:
        """Members of the envelope in which the next hop gets its event."""
        if self._next_envelope is None:
            self._next_envelope = self._make_envelope()
        return self._next_envelope

    def _make_envelope(self) -> dict[str, Any]:
        settings, invocation, progress = self.settings, self.invocation, self.progress
        carried = invocation.carried
        meta = {
            "v": 1,
            "chain": invocation.chain,
            "hop": invocation.hop + 1,
            "cause": "crash" if self.crashes else "time",
            "parent": invocation.id,
            "started_at_ms": carried["started_at_ms"] if carried else self.started_at_ms,
        }
        if self.crashes:
            meta["crashes"] = self.crashes
        if isinstance(progress, bytes):
            meta.update((name, value) for name, value in json.loads(progress).items() if name in PROGRESS)
        spent = chain_limits.spent(carried, self._elapsed_ms(), os.environ)
        if spent is not None:
            meta["spent"] = spent
        if settings.stall_hops:
            event_as_left = self.event_to_send() if settings.event_as_left else None
            is_whole = self.is_whole and not self.crashes
            stall = chain_limits.stall(carried, meta, event_as_left, is_whole=is_whole)
            if stall is not None:
                meta["stall"] = stall
        return meta

    def _elapsed_ms(self) -> int:
        return max(int(time.time() * 1000) - self.started_at_ms, 0)
