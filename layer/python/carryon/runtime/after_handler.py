"""What the runtime process does once the alarm has gone off and the handler has ended: log, hand over, answer."""

from __future__ import annotations

import sys
import time
from collections import namedtuple

import carryon
from carryon.safe_points.stepping import SUSPENDS
from carryon.shared import answers, handover, log
from carryon.shared import board as on_board
from carryon.shared.own_code import is_own

from . import trust
from .returned_hop import ReturnedHop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from carryon.shared.invocation import Invocation

    from .bootstrap import Shim

# How a handler ended whose time was up: `failure` is what it raised, None where it returned `result`.
Ending = namedtuple("Ending", "invocation event context started_at result failure")

_IN_LOG = 12
_POLL_S = 0.01
_END_WITHIN_S = 1.0


def conclude(shim: Shim, ending: Ending) -> Any:
    """Decide by how the handler ended, and return the invocation's answer.

    Raises:
        FaultException: the runtime client's own, which it reports under the error type that it is given.
        BaseException: the handler's own error, after `carryon.complete()`.
    """
    try:
        return _answer(shim, ending)
    finally:
        run = carryon._run
        # Otherwise its error is reported, by whoever gets it.
        if run is None or not run.is_complete:
            _empty_frames(ending.failure)
            if shim.watchdog.fired is not None:
                _empty_frames(shim.watchdog.fired())
        # An error's traceback has this frame now.
        del ending


def _empty_frames(error: BaseException | None) -> None:
    """Have frames that have ended hold nothing, where they hold what holds their error: event loops make such cycles.

    Not those of generators and coroutines, which may only be suspended.
    """
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        trace = error.__traceback__
        while trace is not None:
            if not trace.tb_frame.f_code.co_flags & SUSPENDS:
                try:
                    trace.tb_frame.clear()
                except RuntimeError:
                    pass  # it is running
            trace = trace.tb_next
        error = error.__context__


def _answer(shim: Shim, ending: Ending) -> Any:
    board, failure, result = shim.board, ending.failure, ending.result
    hop = ReturnedHop(shim, ending)
    left_running = _left_running(shim, ending.started_at)
    try:
        process = trust.verdict(shim, failure, bool(left_running))
    except Exception:
        process = trust.REPLACED, trust.NOT_LOOKED_AT
    shim.is_spent = process[0] == trust.REPLACED
    shim.found.was_swallowed = False
    _say_time_is_up(shim, hop, failure, left_running, process)
    try:
        _say_own_alarm(shim, hop.invocation)
    except Exception:
        pass  # it is only a hint

    run = carryon._run
    if run is not None and run.is_complete:
        shim.finish_board()
        if failure is None or isinstance(failure, carryon.TimeIsUp):
            return result
        try:
            raise failure
        finally:
            # Its traceback has this frame now.
            del failure, ending, hop
    if failure is None and not hop.may_have_work_left():
        shim.finish_board()
        return result
    if board is not None:
        board.put_stack("".join(shim.found.lines()))
        if left_running:
            _ask_to_be_replaced(board)
        board.words[on_board.PHASE] = on_board.HANDED
    try:
        answer = handover.carry_on(hop)
        # What the function has sent to itself has the work, as what we would have sent.
        shim.has_handed_over = shim.has_handed_over or bool(hop.own_calls)
        return answers.join(answer, result)
    except handover.Failure as error:
        shim.has_handed_over = not error.ends_chain
        if board is not None and error.kind != "Continued":
            board.words[on_board.FAILED] = 1
        error.say(hop.settings, hop.invocation)
        fail(error.kind, error.text, shim.found.lines())


def fail(kind: str, text: str, stack: list[str]) -> NoReturn:
    """Fail the invocation under an error type of ours, with the stack on which the alarm found the function.

    Raises:
        FaultException: always.
    """
    fault = sys.modules["awslambdaric.lambda_runtime_exception"].FaultException
    raise fault(f"Carryon.{kind}", text, stack) from None


def wait_for_end(board: on_board.Board) -> NoReturn:
    """Have this process replaced, whose answer was posted: none of the function's code runs any more, not at exit."""
    # Should a stream of the function's own not come to an end.
    board.words[on_board.PHASE] = on_board.ANSWERED
    _flush()
    board.words[on_board.PHASE] = on_board.SPENT
    while True:
        board.wake_supervisor()
        time.sleep(_END_WITHIN_S)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        try:
            stream.flush()  # type: ignore[union-attr]
        except Exception:
            pass  # the function may have put anything there, or nothing


def _say_time_is_up(
    shim: Shim, hop: ReturnedHop, failure: BaseException | None, left_running: list[str], process: tuple[str, str]
) -> None:
    fields: dict[str, Any] = {
        **hop.fields(),
        "handler_returned": failure is None,
        "process": process[0],
        "process_why": process[1],
        **_process_facts(),
    }
    if left_running:
        fields["left_running"] = left_running[:_IN_LOG]
    if failure is not None and not isinstance(failure, carryon.TimeIsUp):
        fields["error"] = type(failure).__name__
    if shim.found.state_known is not None:
        fields["state"] = shim.found.state_known
    if isinstance(hop.progress, bytes):
        fields["state_bytes"] = len(hop.progress)
    metrics = {"TimeIsUp": (1, "Count")}
    log.say(shim.settings, "time_is_up", "WARN", "Time is up", hop.invocation, fields, metrics)


def _say_own_alarm(shim: Shim, invocation: Invocation) -> None:
    """Say that the function has an alarm of its own, which did not come to ring, if it has one."""
    in_s = shim.found.own_alarm_in_s
    if in_s is None or not 0 < in_s * 1000 < shim.margin_ms or not shim.settings.to:
        return
    # Vendors' layers have one each.
    if not is_own(shim.found.own_alarm_file):
        return
    in_ms = int(in_s * 1000)
    text = (
        f"The function's own alarm would have rung {in_ms} ms after Carry On's, and does not. With a CARRYON_MARGIN "
        f"below {shim.margin_ms - in_ms}ms it comes first"
    )
    log.say(shim.settings, "own_alarm", "WARN", text, invocation, {"own_alarm_in_ms": in_ms})


def _left_running(shim: Shim, started_at: float) -> list[str]:
    if shim.board is None:
        return []  # there is nobody to stop it
    try:
        from .left_running import find

        return find(shim.board, time.time() - started_at, shim.tasks_before, *shim.after_load)
    except Exception as error:
        return [f"unknown, as looking for it failed: {error!r}"]


def _ask_to_be_replaced(board: on_board.Board) -> None:
    """Have the supervisor stop this process with all that still runs, and hand over; returns only if it cannot."""
    board.words[on_board.PHASE] = on_board.LEFT
    board.wake_supervisor()
    while board.words[on_board.PHASE] in (on_board.LEFT, on_board.RESCUED):
        time.sleep(_POLL_S)


def _process_facts() -> dict[str, int]:
    from resource import RUSAGE_SELF, getrusage
    from threading import active_count

    return {"threads_left": active_count() - 1, "peak_memory_mb": getrusage(RUSAGE_SELF).ru_maxrss >> 10}
