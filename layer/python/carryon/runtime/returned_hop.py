"""A hop whose time is up and whose handler has ended, in the process that it has run in."""

from __future__ import annotations

import os
import time

import carryon
from carryon.shared import margins
from carryon.shared.board import ACCEPTED
from carryon.shared.ending_hop import EndingHop
from carryon.shared.left_progress import BOUNDARY, EARLIER, WHOLE, NotCarried
from carryon.shared.own_code import own_frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carryon.shared.delivery import Order

    from .after_handler import Ending
    from .bootstrap import Shim


class ReturnedHop(EndingHop):
    """Waits for the answers to what the function has just sent to itself, before anything is decided."""

    def __init__(self, shim: Shim, ending: Ending) -> None:
        self._shim = shim
        self._left_event = ending.event
        # The event may be as the handler has left it in the middle of a step.
        self._is_event_torn = ending.failure is not None and shim.found.state_known == EARLIER
        self._event_to_send: bytes | None = None
        invocation = ending.invocation._replace(
            tenant=getattr(ending.context, "tenant_id", None) or ending.invocation.tenant,
            trace=os.environ.get("_X_AMZN_TRACE_ID") or ending.invocation.trace,
        )
        super().__init__(
            shim.settings,
            invocation,
            started_at_ms=int(ending.started_at * 1000),
            margin_ms=shim.margin_ms,
            # The function's own, or whatever frames there are where none is its own.
            stopped_at=own_frames(shim.found.frames()),
            progress=None,
            is_whole=shim.found.state_known in (BOUNDARY, WHOLE),
        )
        if shim.own_calls is not None:
            self.own_calls = shim.own_calls.wait(self.until_ms())
        if carryon._run is not None:
            self.progress = carryon._run.progress()

    def event_to_send(self) -> bytes:
        """With CARRYON_EVENT=current as the handler has left it; interrupted anywhere, as it was captured before."""
        if self._event_to_send is None:
            is_as_left = self.settings.event_as_left
            self._event_to_send = self._event_as_left() if is_as_left else super().event_to_send()
        return self._event_to_send

    def _event_as_left(self) -> bytes:
        from . import event_as_left

        board, original = self._shim.board, self.invocation.raw
        captured = board.event() if board is not None and self._is_event_torn else original
        if captured != original and captured:
            return captured
        encoded = event_as_left.encode(self._left_event)
        if isinstance(encoded, NotCarried):
            raise encoded
        if self._is_event_torn:
            return original  # type: ignore[no-any-return]
        if board is not None:
            event_as_left.keep(board, self._left_event)
        return encoded

    def until_ms(self) -> int:
        """So that the answer still arrives."""
        return margins.until_ms(self.invocation.deadline_ms, self.margin_ms, os.environ, int(time.time() * 1000))

    def deliver(self, order: Order) -> tuple[int, str, bytes]:
        """By the courier, or in this process where there is none."""
        outcome, cause, said = self._shim.have_done(order, self.event_to_send())
        self._shim.has_handed_over = outcome == ACCEPTED
        return outcome, cause, said
