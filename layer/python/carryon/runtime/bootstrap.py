"""The shim: stands between the runtime client and the handler, and does nothing until time is up.

The file's name is part of its job. The runtime client leaves frames of files called bootstrap.py out of the stack
traces it reports, so errors look as they would without the layer.
"""

from __future__ import annotations

import json
import os
import sys
import time
from _thread import get_ident
from functools import partial

import carryon
from carryon.shared import envelope, margins
from carryon.shared.board import ALARM_AT_MS, ATTENDED, FIRED, LEFT, LOAD_MS, PHASE, RESCUED, RUN

from . import import_hook, vendor_handlers, watchdog
from .finding import Finding
from .runtime_client import RuntimeClient

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

    from carryon.process_division import Divide
    from carryon.shared.board import Board
    from carryon.shared.delivery import DoHere, Order
    from carryon.shared.invocation import Invocation
    from carryon.shared.settings import Settings
    from carryon.shared.standby import Standby

    from .batch import Batch
    from .self_invocations import OwnCalls

_POLL_S = 0.01


class Shim:
    """What one runtime process keeps from invocation to invocation.

    Args:
        client: the module awslambdaric.bootstrap.
        settings: the parsed environment.
        divide: called when the handler is about to be loaded; see process_division.py.
        do_here: does what a courier is asked for, where there is no supervisor to have one.

    `board` is the memory shared with the supervisor, or None where there is no supervisor.
    """

    def __init__(self, client: Any, settings: Settings, divide: Divide, do_here: DoHere) -> None:
        self.settings = settings
        self._do_here = do_here
        self.board: Board | None = None
        self.state: Any = None
        self.event: Any = None
        # Of an invocation whose rest may have to be given back.
        self.batch: Batch | None = None
        self.margin_ms = 0
        # What the function sends to itself in the invocation that is running; None where it has sent nothing.
        self.own_calls: OwnCalls | None = None
        self.invoked_arn = ""
        self.main_thread = get_ident()
        self._client = RuntimeClient(client)
        self._received: Invocation | None = None
        self._begins_quietly = settings.margin_ms is None
        self._keeps_event = settings.event_as_left or settings.batch == "report"
        # Whether an envelope has to be looked at before its hop may begin; every event where hop 0 is guarded too.
        self._opens = bool(settings.signing_keys or settings.table)
        self._mark = b"" if settings.table and settings.table_always else envelope.MARK
        self._is_looked_at = False
        # Of the hop that is running, where somebody asks.
        self.has_handed_over = False
        self.margin_cut_said = False
        self._divide: Divide | None = divide
        # Something of this invocation is on the board that not every invocation puts there.
        self.board_is_used = False
        self.found = Finding("earlier" if settings.state or settings.event_as_left else None)
        # This process must not serve another invocation.
        self.is_spent = False
        # The tasks of event loops that there were when the handler was called.
        self.tasks_before: Any = ()
        # When the function's module was loaded, as CLOCK_BOOTTIME has it, and the threads that there were then.
        self.after_load: tuple[float, set[int]] = 0.0, set()
        self._alarm: Any = None
        self.watchdog = watchdog.Watchdog(
            self._error, self._note_where, self._note_swallowed, put_off=self._put_off, call_off=self._call_off
        )

    def install(self) -> None:
        """Stand where every handler and every event passes."""
        self._client.take(self._get_handler, self._handle_event_request)
        carryon._shim = self

    def _watch_clients(self, module: Any) -> None:
        try:
            from .self_invocations import watch

            watch(self, module)
        except Exception:
            pass  # a botocore that is not known

    def _get_handler(self, name: str) -> Callable[[Any, Any], Any]:
        divide, self._divide = self._divide, None
        standby = self._begin_process(divide) if divide else None
        if standby is None:
            return self.load_timed(partial(self._load_handler, name))
        standby.wait()
        # The environment was restored once, and asks for it no more; the hooks come with the function's modules.
        self._client.restore_no_more()
        handler = None

        def invoke(event: Any, context: Any) -> Any:
            nonlocal handler
            if handler is None:
                from . import late_loading

                load = partial(self.load_timed, partial(self._load_handler, name))
                handler = late_loading.load(self, load, self._received, event)
            return handler(event, context)

        return invoke

    def _begin_process(self, divide: Divide) -> Standby | None:
        """Have a supervisor as parent; returns what a process that is to take another's place has to wait for."""
        standby = None
        try:
            self.board, standby, reason = divide()
        except Exception as error:
            reason = f"the layer is damaged: {error!r}"
        os.register_at_fork(after_in_child=self._detach)
        # Not in the supervisor and the courier.
        if self.settings.max_hops and self.settings.to not in (None, "log"):
            import_hook.on_import(("botocore.client", "aiobotocore.client"), self._watch_clients)
        self.watchdog.adopt()
        if self.board is not None:
            self.board.keep_from_children()
            self.watchdog.stand_by(self._capture if self.settings.state or self.settings.event_as_left else None)
            if self.board.stacks >= 0:
                try:
                    from carryon.shared import stack_dumps

                    stack_dumps.write_on_signal(self.board.stacks)
                except Exception as error:
                    reason = f"the layer is damaged: {error!r}"
        if reason and standby is None:
            import_hook.say_without(reason)
        return standby

    def load_timed(self, load: Callable[[], Callable[[Any, Any], Any]]) -> Callable[[Any, Any], Any]:
        """Load the handler; the supervisor is told how long that takes."""
        began = time.process_time()
        handler = load()
        if self.board is not None:
            self.board.words[LOAD_MS] = int((time.process_time() - began) * 1000)
        loaded_at, threads = time.clock_gettime(time.CLOCK_BOOTTIME), set()
        try:
            threading = sys.modules.get("threading")
            if threading is not None:
                threads = {thread.native_id for thread in threading.enumerate()}
        except Exception:
            pass  # another's module of that name
        self.after_load = loaded_at, threads
        return handler

    def _load_handler(self, name: str) -> Callable[[Any, Any], Any]:
        if name == vendor_handlers.NAME:
            own: Callable[[Any, Any], Any] = vendor_handlers.load_for_vendor()
            return own
        variable = vendor_handlers.variable(name, os.environ)
        if variable is None:
            return self._wrap(self._client.load_handler(name), name)
        give_back = vendor_handlers.take(variable, os.environ, self._wrap, self._client.load_handler)
        vendors: Callable[[Any, Any], Any] = self._client.load_handler(name)
        give_back()
        return vendors

    def _wrap(self, handler: Callable[[Any, Any], Any], name: str) -> Callable[[Any, Any], Any]:
        if self.settings.state:
            from .state import LARGEST, LARGEST_IN_BUCKET, State

            module = name.rpartition(".")[0].replace("/", ".")
            largest = LARGEST_IN_BUCKET if self.settings.bucket else LARGEST
            self.state = State(self.settings.state, module, self.settings.state_into, largest)

        def invoke(event: Any, context: Any) -> Any:
            return self._invoke(handler, event, context)

        return invoke

    def _handle_event_request(
        self, client: Any, handler: Any, invoke_id: str, body: bytes, *rest: Any, **named: Any
    ) -> Any:
        # Here and not in the marshaller, which a function may replace: these are the bytes of this very invocation.
        invocation = self._client.invocation(invoke_id, body, rest)
        if self._mark in body[: envelope.MARK_WITHIN]:
            opened = envelope.unwrap(body)
            if self._opens or opened is not None and "parcel" in opened[0]:
                from . import hop_opening

                handler, opened = hop_opening.open_received(self, client, handler, invocation, opened)
            if opened is not None:
                carried, body = opened
                invocation = invocation._replace(raw=body, carried=carried)
        self._received = invocation
        if self.board is not None:
            self.board.put_event(body, invocation.facts())
        answer = self._client.handle_event_request(client, handler, invoke_id, body, *rest, **named)
        if self.is_spent and self.board is not None:
            from . import after_handler

            after_handler.wait_for_end(self.board)
        if self.board_is_used:
            self.board_is_used = False
            self.own_calls = None
            if self.board is not None:
                self.board.finish()
                self._dismiss_attendants(self.board)
        return answer

    def _invoke(self, handler: Callable[[Any, Any], Any], event: Any, context: Any) -> Any:
        invocation, self._received = self._received, None
        carryon._run = None
        if invocation is None:
            return handler(event, context)
        if type(event) is dict:
            if "DurableExecutionArn" in event:
                return handler(event, context)
            if invocation.carried is None and "carryon" in event:
                # Somebody may have written an envelope anew on its way, so that it was not known by its first bytes.
                taken = None if self._is_looked_at else envelope.take(event)
                if not self._is_looked_at and (self._opens or taken is not None and "parcel" in taken[0]):
                    from . import hop_opening

                    return hop_opening.take(self, handler, invocation, event, context)
                self._is_looked_at = False
                if taken is not None:
                    carried, event = taken
                    invocation = invocation._replace(raw=json.dumps(event).encode(), carried=carried)
                    if self.board is not None:
                        self.board.put_event(invocation.raw, invocation.facts())
        if self.state is not None:
            from . import before_handler

            event = before_handler.put_state_back(self, invocation, event)
        if self._keeps_event:
            self.event = event
            if self.settings.batch == "report":
                from .batch import to_report

                self.batch = to_report(event, invocation.carried)
        now = time.time()
        if not self._arm(invocation, now, sys._getframe()):
            return handler(event, context)

        dog = self.watchdog
        dog.phase = watchdog.CALLING
        try:
            result = handler(event, context)
        except BaseException as error:
            dog.phase = watchdog.OFF
            dog.disarm()
            # One that was also lost in a destructor counts as not raised, until it is raised again.
            if dog.fired is None and not isinstance(error, carryon.TimeIsUp):
                if isinstance(error, Exception):
                    self.finish_board()
                else:
                    self._note_end(error)
                raise
            failure: BaseException | None = error
            result = None
        else:
            dog.phase = watchdog.OFF
            dog.disarm()
            if dog.fired is None:
                self.finish_board()
                if invocation.carried is not None:
                    from . import before_handler

                    before_handler.say_completed(self, invocation, result, now)
                return result
            failure = None

        self.board_is_used = True
        try:
            try:
                from . import after_handler
            except Exception:
                # No descriptor may be free, or imports may be guarded.
                self._leave_to_supervisor()
                raise
            return after_handler.conclude(self, after_handler.Ending(invocation, event, context, now, result, failure))
        finally:
            # The failure's traceback has this frame, and whatever the handler's frames hold is to end with them.
            failure = result = self.event = self.batch = None
            del event, context, handler

    def invoke_opened(
        self, handler: Callable[[Any, Any], Any], invocation: Invocation, event: Any, context: Any
    ) -> Any:
        """Invoke with an event that was looked at: whatever member `carryon` it still has is the function's own."""
        self._received = invocation
        self._is_looked_at = invocation.carried is None
        return self._invoke(handler, event, context)

    def _arm(self, invocation: Invocation, now: float, caller: FrameType) -> bool:
        """Get ready for the handler's call in the caller's frame; False where there will be no alarm."""
        self.invoked_arn, deadline_ms = invocation.arn, invocation.deadline_ms
        left_ms = int(deadline_ms - now * 1000)
        if left_ms > margins.LONGEST_MS:
            deadline_ms -= left_ms - margins.LONGEST_MS
            left_ms = margins.LONGEST_MS
        self.margin_ms = margin_ms = margins.margin_ms(self.settings, left_ms)
        alarm_at_ms = deadline_ms - margin_ms
        quiet = self._begins_quietly and invocation.carried is None and left_ms >= margins.STEP_ASIDE_MS
        if not quiet:
            from . import before_handler

            if not before_handler.begin(self, invocation, left_ms):
                return False
        self.found.begin()
        try:
            armed = self.watchdog.arm(caller, now, alarm_at_ms / 1000)
            reason = "SIGALRM is in use outside Python"
        except ValueError:
            armed = False
            reason = "the handler is not called in the main thread"
        except Exception as error:
            self.watchdog.phase = watchdog.OFF
            self.watchdog.disarm()
            armed = False
            reason = f"it could not be set: {error!r}"
        if not armed:
            from . import before_handler

            return before_handler.step_aside(self, invocation, reason)
        if "asyncio.tasks" in sys.modules:
            self.tasks_before = ()
            try:
                from . import event_loop_tasks

                self.tasks_before = event_loop_tasks.known()
            except Exception:
                pass  # those of an earlier invocation are then this one's
        if self.board is not None:
            self.board.show(left_ms, margin_ms, alarm_at_ms, self.watchdog.due)
        return True

    def have_done(self, order: Order, raw: bytes) -> tuple[int, str, bytes]:
        """Have a job of this invocation's done by the courier, or here where there is none; see delivery.ask."""
        from carryon.shared import delivery

        return delivery.ask(self.board, self.settings, order, raw, self._do_here)

    def finish_board(self) -> None:
        """Say that the invocation is over."""
        board = self.board
        if board is not None:
            board.words[ALARM_AT_MS] = 0
            if not self.is_spent:
                self._dismiss_attendants(board)

    def _dismiss_attendants(self, board: Board) -> None:
        if board.words[ATTENDED]:
            board.wake_supervisor()

    def _detach(self) -> None:
        self.watchdog.detach()
        board, self.board = self.board, None
        if board is not None and board.stacks >= 0:
            from carryon.shared import stack_dumps

            stack_dumps.write_no_more()

    def _error(self, in_event_loop: bool) -> BaseException:
        if self.settings.raise_timeout_error:
            return carryon.TimeIsUpTimeoutErrorInEventLoop() if in_event_loop else carryon.TimeIsUpTimeoutError()
        return carryon.TimeIsUpInEventLoop() if in_event_loop else carryon.TimeIsUp()

    def _note_end(self, error: BaseException) -> None:
        """The runtime client lets it through, and the process ends of it; the supervisor will be asked why."""
        self.board_is_used = True
        try:
            if self.board is not None:
                from traceback import format_exception

                self.board.put_stack("".join(format_exception(error)))
        except Exception:
            return  # it ends all the same

    def _leave_to_supervisor(self) -> None:
        """Have the supervisor stop this process and hand over; returns only if it cannot."""
        board = self.board
        if board is None:
            return
        board.put_stack("".join(self.found.lines_without_source()))
        board.words[PHASE] = LEFT
        board.wake_supervisor()
        while board.words[PHASE] in (LEFT, RESCUED):
            time.sleep(_POLL_S)

    def _put_off(self, frame: FrameType, is_first: bool) -> float:
        """Look for a better place than the one that the alarm has found; returns for how many seconds at most."""
        self.board_is_used = True
        if is_first:
            self.found.note_own_alarm(self.watchdog)
        wait_s: float = self._get_alarm().put_off(frame, is_first)
        return wait_s

    def _capture(self, frame: FrameType) -> None:
        """Capture the state at the next place at which it is whole; the alarm may not find one."""
        self.board_is_used = True
        self._get_alarm().capture(frame)

    def _get_alarm(self) -> Any:
        if self._alarm is None:
            from .alarm import Alarm

            self._alarm = Alarm(self)
        return self._alarm

    def _call_off(self) -> None:
        if self._alarm is not None:
            self._alarm.stop()

    def _note_where(self, frame: FrameType) -> None:
        """Note where the alarm is raised, and which state travels; runs in the signal handler or while stepping."""
        self.found.note_stack(frame, __file__)
        self.board_is_used = True
        board = self.board
        if board is not None:
            board.words[PHASE] = FIRED
        self.found.state_known = self._get_alarm().settle(frame)

    def _note_swallowed(self) -> None:
        self.found.was_swallowed = True
        if self.board is not None:
            self.board.words[PHASE] = RUN
