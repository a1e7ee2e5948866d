"""Answer for a runtime process that does not end in time, or has died, and leave nothing of it running."""

from __future__ import annotations

import json
import os
import signal
import time

from carryon.shared import (
    chain_result,
    courier_jobs,
    delivery,
    handover,
    left_progress,
    log,
    margins,
    processes,
    stack_dumps,
)
from carryon.shared.board import (
    ACCEPTED,
    ALARM_AT_MS,
    ANSWERED,
    COMPLETE,
    COURIER,
    FIRED,
    HANDED,
    LEFT,
    OWN_CALLS,
    PHASE,
    REFUSED,
    RESCUED,
    RUN,
    STANDBY,
    STATE_IS_NEW,
    UNANSWERED,
)
from carryon.shared.invocation import outline_of, read
from carryon.shared.own_code import own_frames

from . import exit_reports, runtime_api

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from carryon.shared.board import Board
    from carryon.shared.invocation import Invocation
    from carryon.shared.settings import Settings

    from .courier_dispatch import Dispatch

_STAGES = {RUN: "handler", FIRED: "handler", LEFT: "left running", HANDED: "answer"}
_LAST_CHANCE_MS = 100
_ANSWER_MS = 60
# As many processes in a row may die with the same state before the work is given up.
_CRASHES_MAX = 2


# What became of a process that seemed stuck: it was replaced; it has gone on meanwhile; it is to be left alone.
REPLACED, GONE_ON, LEFT_ALONE = range(3)


class Rescue:
    """Acts in the runtime process's place; the calling process is its parent.

    `stopped` are the processes that are to be killed once there is another runtime.
    """

    def __init__(self, board: Board, settings: Settings, dispatch: Dispatch) -> None:
        self.stopped: list[int] = []
        # Somebody has the work now, or may have it.
        self._has_successor = False
        self._board = board
        self._settings = settings
        self._dispatch = dispatch

    def stuck(self, child: int, alarm_at_ms: int, phase: int) -> int:
        """Stop a process with all that it has started, hand over and answer in its place.

        Args:
            alarm_at_ms: on the board of the invocation that it is stuck in.
            phase: the phase of it that it is stuck in.
        """
        board, words = self._board, self._board.words
        processes.stop([child])
        if (words[ALARM_AT_MS], words[PHASE]) != (alarm_at_ms, phase):
            processes.send([child], signal.SIGCONT)
            return GONE_ON
        invocation = read(board)
        self.stopped = self._stop_all([child]) if invocation else [child]
        if phase == ANSWERED:
            return REPLACED
        answered = False
        try:
            if invocation:
                words[PHASE] = RESCUED
                if phase != LEFT:
                    self._say_rescued(invocation, phase, len(self.stopped) - 1)
                answered = self._answer(invocation)
        finally:
            # One that was about to answer may have done so by itself; no other may go on beside its successor.
            is_left_alone = not answered and (phase == HANDED or not self._has_successor)
            if is_left_alone:
                words[PHASE] = phase
                processes.send(self.stopped, signal.SIGCONT)
        return LEFT_ALONE if is_left_alone else REPLACED

    def spent(self, child: list[int]) -> None:
        """Stop a process that has answered and is not to go on, if it still lives, with all that it has started."""
        processes.stop(child)
        self.stopped = self._stop_all(child)

    def died(self, status: int, peak_kb: int) -> bool:
        """Answer for a process that died in an invocation, if nobody has; False if there was none.

        Args:
            status: exit status as wait() gives it.
            peak_kb: the most memory that it had in use.
        """
        board, words = self._board, self._board.words
        invocation = read(board) if words[ALARM_AT_MS] else None
        if invocation is None:
            return False
        phase = words[PHASE]
        self.stopped = self._stop_all()
        words[PHASE] = RESCUED
        if phase in (HANDED, LEFT):
            self._say_rescued(invocation, phase, len(self.stopped))
            self._answer(invocation)
        elif phase != ANSWERED:
            self._answer_crash(invocation, status, peak_kb)
        return True

    def _answer(self, invocation: Invocation) -> bool:
        """Post the answer of an invocation whose time was up; False if it was answered before."""
        if self._board.words[COMPLETE]:
            # What the handler would have returned nobody knows.
            self._close(invocation, chain_result.FINISHED, "null")
            return self._posted(runtime_api.post_response, invocation, None)
        event: Any = None
        try:
            event = outline_of(self._board, invocation)
            began = time.monotonic()
            if courier_jobs.is_locked(self._board):
                # It was stopped in the middle of its own hand-over, and has answered nothing.
                processes.send(self.stopped, signal.SIGKILL)
            # Not in HANDED only: what this process has ordered before it failed is not ordered again.
            if self._board.order() and self._dispatch.was_asked():
                order = delivery.Order.decode(self._board.order())
                outcome, cause = self._wait(self._until_ms(invocation), invocation)
                answer = self._settle(invocation, event, order, outcome, cause, began)
            else:
                answer = self._hand_over(invocation, event)
        except handover.Failure as failure:
            return self._post_failure(invocation, failure, self._stack())
        return self._posted(runtime_api.post_response, invocation, answer)

    def _answer_crash(self, invocation: Invocation, status: int, peak_kb: int) -> None:
        known = exit_reports.details(status, peak_kb)
        text = exit_reports.exit_error(status)
        stack = self._stack()
        fields = {**self._times(invocation), "stopped_at": own_frames(self._frames()), **known}
        fields.update(left_progress.reason_not_carried(left_progress.read(self._board)))
        metrics = {"Crashed": (1, "Count")}
        message = f"The process died: {text.rpartition('error: ')[2]}"
        log.say(self._settings, "crashed", "ERROR", message, invocation, fields, metrics)
        crashes = self._crashes(invocation)
        is_complete = self._board.words[COMPLETE]
        if self._settings.continue_on_crash and not is_complete and crashes <= _CRASHES_MAX:
            try:
                event = outline_of(self._board, invocation)
                answer = self._hand_over(invocation, event, crashes)
                self._posted(runtime_api.post_response, invocation, answer)
                return
            except handover.Failure as failure:
                if failure.kind != "TimeIsUp":
                    self._post_failure(invocation, failure, stack)
                    return
        error = {
            "errorMessage": f"RequestId: {invocation.id} Error: {text}",
            "errorType": "Runtime.ExitError",
            "requestId": invocation.id,
            "stackTrace": stack,
            "carryon": known,
        }
        self._close_failed(invocation, error)
        self._posted(runtime_api.post_error, invocation, error)

    def _hand_over(self, invocation: Invocation, event: Any, crashes: int = 0) -> Any:
        """Deliver the continuation and return the answer; raises Failure where there is none."""
        board = self._board
        kept = left_progress.read(board)
        left_ms, margin_ms = board.span()
        where = "".join(f" in {place}" for place in own_frames(self._frames())[:1])
        time_is_up = f"Time was up{where}, {margin_ms} ms before the deadline"
        own_calls = board.words[OWN_CALLS]
        if own_calls:
            from carryon.shared import continued_itself

            self._has_successor = True
            return continued_itself.conclude(self._settings, invocation, event, own_calls, time_is_up)
        left = None if crashes else handover.left_of_batch(self._settings, invocation, kept)
        if left is not None:
            return handover.report(self._settings, invocation, left, time_is_up=time_is_up)
        order = handover.decide(
            self._settings,
            invocation,
            event,
            kept,
            started_at_ms=invocation.deadline_ms - left_ms,
            until_ms=self._until_ms(invocation),
            time_is_up=time_is_up,
            crashes=crashes,
            is_whole=False,
        )
        began = time.monotonic()
        problem = delivery.place(board, order)
        if problem:
            raise handover.Failure("DeliveryFailed", problem)
        outcome, cause = self._wait(order.until_ms, invocation)
        return self._settle(invocation, event, order, outcome, cause, began)

    def _settle(
        self, invocation: Invocation, event: Any, order: delivery.Order, outcome: int, cause: str, began: float
    ) -> Any:
        result = self._board.result()
        return handover.settle(self._settings, invocation, event, order, outcome, cause, began, result)

    def _wait(self, until_ms: int, invocation: Invocation) -> tuple[int, str]:
        outcome, cause = self._dispatch.wait(until_ms, self._answer_by_ms(invocation))
        self._has_successor = outcome in (ACCEPTED, UNANSWERED)
        return outcome, cause

    def _crashes(self, invocation: Invocation) -> int:
        """Of how many processes in a row this state has seen the end."""
        carried = invocation.carried or {}
        before = 0 if self._board.words[STATE_IS_NEW] else carried.get("crashes", 0)
        return before + 1 if isinstance(before, int) else _CRASHES_MAX + 1

    def _close_failed(self, invocation: Invocation, error: dict[str, Any]) -> None:
        result = json.dumps({name: error[name] for name in ("errorType", "errorMessage")})
        self._close(invocation, chain_result.FAILED, result)

    def _close(self, invocation: Invocation, status: str, result: str) -> None:
        """Have it recorded how the chain has ended, where somebody will ask."""
        if not chain_result.is_needed(self._settings, invocation):
            return
        order = chain_result.order(invocation, status, result, self._board.span()[1])
        outcome, cause = REFUSED, delivery.place(self._board, order)
        if not cause:
            outcome, cause = self._dispatch.wait(order.until_ms, order.until_ms)
        if outcome != ACCEPTED:
            chain_result.say_not_recorded(self._settings, invocation, cause)

    def _post_failure(self, invocation: Invocation, failure: handover.Failure, stack: list[str]) -> bool:
        handover.say_failure(self._settings, invocation, failure)
        error = {
            "errorMessage": failure.text,
            "errorType": f"Carryon.{failure.kind}",
            "requestId": invocation.id,
            "stackTrace": stack,
        }
        if failure.kind not in handover.NOT_THE_END:
            self._close_failed(invocation, error)
        return self._posted(runtime_api.post_error, invocation, error)

    def _posted(self, post: Any, invocation: Invocation, content: Any) -> bool:
        """Post the answer; False if there was one already."""
        try:
            is_first: bool = post(invocation.id, invocation.invocation_id, content)
        except runtime_api.UnreachableError:
            # Whoever asked for the next event now would be given this one again, which somebody else may have. So this
            # environment ends, and the invocation fails.
            processes.send(self.stopped, signal.SIGKILL)
            os._exit(1)
        except OSError:
            # Whoever has the work now, the process that had it must not go on.
            return True
        return is_first

    def _say_rescued(self, invocation: Invocation, phase: int, others: int) -> None:
        fields = {
            **self._times(invocation),
            "stage": _STAGES[phase],
            "stopped_at": own_frames(self._frames()),
            "processes_left": others,
            **left_progress.reason_not_carried(left_progress.read(self._board)),
        }
        if phase != HANDED and (self._settings.state or self._settings.event_as_left):
            fields["state"] = left_progress.EARLIER
        metrics: dict[str, tuple[float, str]] = {"Rescued": (1, "Count")}
        if phase != HANDED:
            metrics["TimeIsUp"] = (1, "Count")
        text = f"Taken over from a process that did not end: {_STAGES[phase]}"
        log.say(self._settings, "rescued", "WARN", text, invocation, fields, metrics)

    def _times(self, invocation: Invocation) -> dict[str, int]:
        left_ms, margin_ms = self._board.span()
        remaining_ms = invocation.remaining_ms()
        return {"elapsed_ms": max(left_ms - remaining_ms, 0), "remaining_ms": remaining_ms, "margin_ms": margin_ms}

    def _frames(self) -> list[tuple[str, int, str]]:
        return stack_dumps.main_thread(self._board.stacks) if self._board.stacks >= 0 else []

    def _stack(self) -> list[str]:
        """Lines of a stackTrace: what the process itself has said, else what was dumped."""
        said = self._board.stack()
        if said:
            return said.splitlines(keepends=True)
        return [f'  File "{file}", line {line}, in {name}\n' for file, line, name in reversed(self._frames())]

    def _until_ms(self, invocation: Invocation) -> int:
        """When to stop trying to deliver: the answer and the next process need the rest of the time."""
        last_chance = min(int(time.time() * 1000) + _LAST_CHANCE_MS, self._answer_by_ms(invocation))
        return int(max(invocation.deadline_ms - self._rescue_ms() // 2, last_chance))

    def _answer_by_ms(self, invocation: Invocation) -> int:
        """When to stop waiting for a request that is on its way: given up, nobody knows whether it arrived."""
        return int(invocation.deadline_ms - max(self._rescue_ms() // 4, _ANSWER_MS))

    def _rescue_ms(self) -> int:
        return margins.rescue_ms(self._board.span()[1], os.environ)

    def _stop_all(self, stopped: Iterable[int] = ()) -> list[int]:
        words = self._board.words
        return processes.stop_all(os.getpid(), (words[COURIER], words[STANDBY]), stopped)
