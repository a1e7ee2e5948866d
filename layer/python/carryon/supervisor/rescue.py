"""Answer for a runtime process that does not end in time, or has died, and leave nothing of it running."""

from __future__ import annotations

import json
import os
import signal

from carryon.shared import chain_result, courier_jobs, delivery, handover, left_progress, log, processes
from carryon.shared.board import (
    ACCEPTED,
    ALARM_AT_MS,
    ANSWERED,
    COMPLETE,
    COURIER,
    FIRED,
    HANDED,
    LEFT,
    PHASE,
    REFUSED,
    RESCUED,
    RUN,
    STANDBY,
)
from carryon.shared.invocation import read

from . import exit_reports, runtime_api
from .stopped_hop import StoppedHop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from carryon.shared.board import Board
    from carryon.shared.invocation import Invocation
    from carryon.shared.settings import Settings

    from .courier_dispatch import Dispatch

_STAGES = {RUN: "handler", FIRED: "handler", LEFT: "left running", HANDED: "answer"}

# What became of a process that seemed stuck: it was replaced; it has gone on meanwhile; it is to be left alone.
REPLACED, GONE_ON, LEFT_ALONE = range(3)


class Rescue:
    """Acts in the runtime process's place; the calling process is its parent.

    `stopped` are the processes that are to be killed once there is another runtime.
    """

    def __init__(self, board: Board, settings: Settings, dispatch: Dispatch) -> None:
        self.stopped: list[int] = []
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
        hop = None
        try:
            if invocation:
                words[PHASE] = RESCUED
                hop = self._hop(invocation)
                if phase != LEFT:
                    self._say_rescued(hop, phase, len(self.stopped) - 1)
                answered = self._answer(hop)
        finally:
            # One that was about to answer may have done so by itself; no other may go on beside its successor.
            has_successor = hop is not None and hop.has_successor
            is_left_alone = not answered and (phase == HANDED or not has_successor)
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
            hop = self._hop(invocation)
            self._say_rescued(hop, phase, len(self.stopped))
            self._answer(hop)
        elif phase != ANSWERED:
            self._answer_crash(self._hop(invocation, has_crashed=True), status, peak_kb)
        return True

    def _hop(self, invocation: Invocation, *, has_crashed: bool = False) -> StoppedHop:
        return StoppedHop(self._board, self._settings, self._dispatch, invocation, has_crashed=has_crashed)

    def _answer(self, hop: StoppedHop) -> bool:
        """Post the answer of an invocation whose time was up; False if it was answered before."""
        if self._board.words[COMPLETE]:
            # What the handler would have returned nobody knows.
            self._close(hop.invocation, chain_result.FINISHED, "null")
            return self._posted(runtime_api.post_response, hop.invocation, None)
        try:
            if courier_jobs.is_locked(self._board):
                # It was stopped in the middle of its own hand-over, and has answered nothing.
                processes.send(self.stopped, signal.SIGKILL)
            answer = self._carry_on(hop)
        except handover.Failure as failure:
            return self._post_failure(hop, failure)
        return self._posted(runtime_api.post_response, hop.invocation, answer)

    def _answer_crash(self, hop: StoppedHop, status: int, peak_kb: int) -> None:
        known = exit_reports.details(status, peak_kb)
        text = exit_reports.exit_error(status)
        metrics = {"Crashed": (1, "Count")}
        message = f"The process died: {text.rpartition('error: ')[2]}"
        log.say(self._settings, "crashed", "ERROR", message, hop.invocation, {**hop.fields(), **known}, metrics)
        if self._settings.continue_on_crash and not self._board.words[COMPLETE] and hop.may_try_again:
            try:
                self._posted(runtime_api.post_response, hop.invocation, self._carry_on(hop))
                return
            except handover.Failure as failure:
                if failure.kind != "TimeIsUp":
                    self._post_failure(hop, failure)
                    return
        self._post_error(hop, "Runtime.ExitError", f"RequestId: {hop.invocation.id} Error: {text}", carryon=known)

    def _carry_on(self, hop: StoppedHop) -> Any:
        # What the function has sent to itself goes on with the work.
        hop.has_successor = bool(hop.own_calls)
        return handover.carry_on(hop)

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

    def _post_failure(self, hop: StoppedHop, failure: handover.Failure) -> bool:
        failure.say(self._settings, hop.invocation)
        return self._post_error(hop, f"Carryon.{failure.kind}", failure.text, ends_chain=failure.ends_chain)

    def _post_error(self, hop: StoppedHop, kind: str, text: str, *, ends_chain: bool = True, **more: Any) -> bool:
        error = {
            "errorMessage": text,
            "errorType": kind,
            "requestId": hop.invocation.id,
            "stackTrace": hop.stack(),
            **more,
        }
        if ends_chain:
            result = json.dumps({name: error[name] for name in ("errorType", "errorMessage")})
            self._close(hop.invocation, chain_result.FAILED, result)
        return self._posted(runtime_api.post_error, hop.invocation, error)

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

    def _say_rescued(self, hop: StoppedHop, phase: int, others: int) -> None:
        fields = {**hop.fields(), "stage": _STAGES[phase], "processes_left": others}
        if phase != HANDED and (self._settings.state or self._settings.event_as_left):
            fields["state"] = left_progress.EARLIER
        metrics: dict[str, tuple[float, str]] = {"Rescued": (1, "Count")}
        if phase != HANDED:
            metrics["TimeIsUp"] = (1, "Count")
        text = f"Taken over from a process that did not end: {_STAGES[phase]}"
        log.say(self._settings, "rescued", "WARN", text, hop.invocation, fields, metrics)

    def _stop_all(self, stopped: Iterable[int] = ()) -> list[int]:
        words = self._board.words
        return processes.stop_all(os.getpid(), (words[COURIER], words[STANDBY]), stopped)
