"""The shim: stands between the runtime client and the handler, and does nothing until time is up.

The file's name is part of its job. The runtime client leaves frames of files called bootstrap.py out of the stack
traces it reports, so errors look as they would without the layer.
"""

from __future__ import annotations

import os
import sys
import time
from collections import namedtuple

import carryon

from . import envelope, margins, watchdog
from .board import ALARM_AT_MS, COURIER, SPAN, WAKE, pack_span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

    from .board import Board
    from .settings import Settings

# What the runtime client was told of an invocation. `raw` is the event as the function is meant to see it; `carried`
# are the members of the envelope it came in, or None for a first invocation.
Request = namedtuple("Request", "id arn deadline_ms raw carried")

# Where they stand behind the event in the parameters of handle_event_request.
_ARN, _DEADLINE = 3, 4
_STACK_MAX = 64


class Shim:
    """What one runtime process keeps from invocation to invocation.

    Args:
        client: the module awslambdaric.bootstrap.
        settings: the parsed environment.
        board: memory shared with the supervisor, or None where there is no supervisor.
    """

    def __init__(self, client: Any, settings: Settings, board: Board | None) -> None:
        self.settings = settings
        self.board = board
        self.state: Any = None
        self.margin_ms = 0
        self.stack: list[tuple[Any, int]] = []
        self.captured: Any = None
        self._client = client
        self._load = client._get_handler
        self._handle = client.handle_event_request
        self._extract_traceback = client.extract_traceback
        self._received: tuple[Any, ...] | None = None
        self._begins_quietly = settings.margin_ms is None and not settings.state
        self._margin_cut_said = False
        error = carryon.TimeIsUpTimeoutError if settings.raise_timeout_error else carryon.TimeIsUp
        self.watchdog = watchdog.Watchdog(error, self._note_where)

    def install(self) -> None:
        """Take the three places in the runtime client through which every handler and every event passes."""
        self._client._get_handler = self._get_handler
        self._client.handle_event_request = self._handle_event_request
        self._client.extract_traceback = self._traceback_without_shim
        os.register_at_fork(after_in_child=self._detach)

    def _get_handler(self, name: str) -> Callable[[Any, Any], Any]:
        handler = self._load(name)
        if self.settings.state:
            from .state import State

            self.state = State(self.settings.state, name.rpartition(".")[0].replace("/", "."))

        def invoke(event: Any, context: Any) -> Any:
            return self._invoke(handler, event, context)

        return invoke

    def _handle_event_request(
        self, client: Any, handler: Any, invoke_id: str, body: bytes, *rest: Any, **named: Any
    ) -> Any:
        # Here and not in the marshaller, which a function may replace: these are the bytes of this very invocation.
        carried = None
        if envelope.MARK in body[: envelope.MARK_WITHIN]:
            opened = envelope.unwrap(body)
            if opened is not None:
                carried, body = opened
        if self.board is not None:
            self.board.put_event(body)
        self._received = (invoke_id, rest[_ARN], rest[_DEADLINE], body, carried)
        return self._handle(client, handler, invoke_id, body, *rest, **named)

    def _traceback_without_shim(self, trace: Any) -> Any:
        return [entry for entry in self._extract_traceback(trace) if entry[0] != __file__]

    def _invoke(self, handler: Callable[[Any, Any], Any], event: Any, context: Any) -> Any:
        received, self._received = self._received, None
        if received is None:
            return handler(event, context)
        carried = received[-1]
        if type(event) is dict:
            if "DurableExecutionArn" in event:
                return handler(event, context)
            if carried is None and "carryon" in event:
                received, event = self._take(received, event)
                carried = received[-1]
        now = time.time()
        if not self._arm(received, now, sys._getframe()):
            return handler(event, context)

        dog = self.watchdog
        dog.phase = watchdog.CALLING
        try:
            result = handler(event, context)
        except BaseException as error:
            dog.phase = watchdog.OFF
            dog.disarm()
            if dog.fired is None:
                self.finish_board()
                raise
            failure: BaseException | None = error
            result = None
        else:
            dog.phase = watchdog.OFF
            dog.disarm()
            if dog.fired is None:
                self.finish_board()
                if carried is not None:
                    self._say_completed(Request(*received), now)
                return result
            failure = None

        from . import handover

        ending = handover.Ending(Request(*received), event, context, now, result, failure)
        return handover.conclude(self, ending)

    def _take(self, received: tuple[Any, ...], event: Any) -> tuple[tuple[Any, ...], Any]:
        """An envelope that somebody has written anew on its way, so that it was not known by its first bytes."""
        taken = envelope.take(event)
        if taken is None:
            return received, event
        import json

        carried, event = taken
        raw = json.dumps(event).encode()
        if self.board is not None:
            self.board.put_event(raw)
        return (*received[:3], raw, carried), event

    def _arm(self, received: tuple[Any, ...], now: float, caller: FrameType) -> bool:
        """Get ready for the handler's call in the caller's frame; False where there will be no alarm."""
        deadline_ms = received[2]
        left_ms = int(deadline_ms - now * 1000)
        carryon._completed = False
        self.margin_ms = margin_ms = margins.margin_ms(self.settings, left_ms)
        alarm_at_ms = deadline_ms - margin_ms
        quiet = self._begins_quietly and received[-1] is None and left_ms >= margins.STEP_ASIDE_MS
        if not quiet and not self._begin(Request(*received), left_ms):
            return False
        board = self.board
        if board is not None:
            words = board.words
            words[SPAN] = pack_span(left_ms, margin_ms)
            words[ALARM_AT_MS] = alarm_at_ms
            if words[WAKE]:
                board.wake_supervisor()
        try:
            if self.watchdog.arm(caller, now, alarm_at_ms / 1000):
                return True
            reason = "SIGALRM is in use outside Python"
        except ValueError:
            reason = "the handler is not called in the main thread"
        self.finish_board()
        return self._step_aside(Request(*received), reason)

    def _begin(self, request: Request, left_ms: int) -> bool:
        """What a hop, a state, a margin that does not fit and a late start ask for; False for no alarm."""
        if request.carried is not None:
            self._say("resumed", "INFO", "Carrying on", request, remaining_ms=max(left_ms, 0))
        if self.state is not None:
            self._put_state_back(request)
        if left_ms < margins.STEP_ASIDE_MS:
            return self._step_aside(request, "no time was left at the start")
        if self.settings.margin_ms is not None and self.margin_ms < self.settings.margin_ms:
            self._say_margin_cut(request, left_ms)
        return True

    def _put_state_back(self, request: Request) -> None:
        from .state import NotCarried

        try:
            self.state.prepare(request.carried)
        except NotCarried as error:
            from . import handover

            handover.fail(self, "StateNotSerializable", str(error))

    def _step_aside(self, request: Request, reason: str) -> bool:
        self._say("stepped_aside", "WARN", f"No alarm for this invocation: {reason}", request, reason=reason)
        return False

    def finish_board(self) -> None:
        """Say that the invocation is over."""
        board = self.board
        if board is not None:
            words = board.words
            words[ALARM_AT_MS] = 0
            if words[COURIER]:
                board.wake_supervisor()

    def _detach(self) -> None:
        self.board = None
        self.watchdog.detach()

    def _note_where(self, frame: FrameType) -> None:
        """Note where the alarm found the function; runs in the signal handler."""
        at: FrameType | None = frame
        stack: list[tuple[Any, int]] = []
        self.stack = stack
        while at is not None and len(stack) < _STACK_MAX and at.f_code.co_filename != __file__:
            stack.append((at.f_code, at.f_lineno or 0))
            at = at.f_back
        self.captured = None if self.state is None else self.state.capture()

    def _say_completed(self, request: Request, started_at: float) -> None:
        elapsed_ms = int((time.time() - started_at) * 1000)
        self._say("completed", "INFO", "The work is done", request, elapsed_ms=elapsed_ms)

    def _say_margin_cut(self, request: Request, left_ms: int) -> None:
        if self._margin_cut_said:
            return
        self._margin_cut_said = True
        self._say(
            "bad_setting",
            "WARN",
            "CARRYON_MARGIN is more than half of the time there is and was cut",
            request,
            name="CARRYON_MARGIN",
            value=f"{self.settings.margin_ms}ms",
            allowed=f"at most half of the time left at the start, here {left_ms // 2}ms",
        )

    def _say(self, event: str, level: str, message: str, request: Request, **fields: Any) -> None:
        from . import handover

        handover.say(self, event, level, message, request, fields)
