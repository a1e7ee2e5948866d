"""What happens once the alarm has gone off and the handler has ended: log, continue or fail, answer."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import namedtuple

import carryon

from . import answers, delivery, log, margins
from . import board as on_board

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

    from .bootstrap import Request, Shim

# How a handler ended whose time was up: `failure` is what it raised, None where it returned `result`.
Ending = namedtuple("Ending", "request event context started_at result failure")

_STACK_IN_LOG = 12
_LAST_CHANCE_MS = 100
_ANSWER_MS = 20


def conclude(shim: Shim, ending: Ending) -> Any:
    """Decide by how the handler ended, and return the invocation's answer.

    Raises:
        FaultException: the runtime client's own, which it reports under the error type that it is given.
        BaseException: the handler's own error, after `carryon.complete()`.
    """
    try:
        return _conclude(shim, *ending)
    finally:
        if shim.board is not None:
            shim.board.forget_order()
        shim.finish_board()


def _conclude(
    shim: Shim,
    request: Request,
    event: Any,
    context: Any,
    started_at: float,
    result: Any,
    failure: BaseException | None,
) -> Any:
    settings = shim.settings
    returned = failure is None
    chain, hop = _position(request)
    state = shim.captured
    fields = {
        "elapsed_ms": int((time.time() - started_at) * 1000),
        "remaining_ms": _remaining_ms(request),
        "margin_ms": shim.margin_ms,
        "stopped_at": _stopped_at(shim),
        "handler_returned": returned,
        **_process_facts(),
    }
    if failure is not None and not isinstance(failure, carryon.TimeIsUp):
        fields["error"] = type(failure).__name__
    if isinstance(state, dict):
        fields["state_bytes"] = len(json.dumps(state))
    say(shim, "time_is_up", "WARN", "Time is up", request, fields, {"TimeIsUp": (1, "Count")})

    if carryon._completed:
        if failure is None or isinstance(failure, carryon.TimeIsUp):
            return result
        raise failure
    target = settings.to if settings.max_hops else None
    if target is None or answers.is_ordered_batch(event):
        if returned and target is None:
            return result
        fail(shim, "TimeIsUp", _time_is_up_text(shim, target))
    if hop >= settings.max_hops:
        text = f"The chain {chain} has reached CARRYON_MAX_HOPS={settings.max_hops} and its work is not done"
        say(shim, "hop_limit", "ERROR", text, request, {})
        fail(shim, "HopLimit", text)
    if isinstance(state, Exception):
        say(shim, "delivery_failed", "ERROR", "The state cannot be carried on", request, {"cause": str(state)})
        fail(shim, "StateNotSerializable", str(state))

    arn = request.arn if target == "self" else target
    meta = {
        "v": 1,
        "chain": chain,
        "hop": hop + 1,
        "cause": "time",
        "parent": request.id,
        "started_at_ms": request.carried["started_at_ms"] if request.carried else int(started_at * 1000),
    }
    if state is not None:
        meta["state"] = state
    order = delivery.Order(
        function=arn,
        tenant=getattr(context, "tenant_id", None),
        trace=os.environ.get("_X_AMZN_TRACE_ID"),
        until_ms=_until_ms(request, shim.margin_ms),
        meta=meta,
    )
    began = time.monotonic()
    outcome, cause = delivery.deliver(shim.board, order, request.raw)
    delivery_ms = int((time.monotonic() - began) * 1000)
    fields = {"to": arn, "delivery_ms": delivery_ms}
    if outcome != on_board.ACCEPTED:
        unanswered = outcome == on_board.UNANSWERED
        text = f"The continuation could not be delivered to {arn}: {cause}"
        fields.update(cause=cause, possible_duplicate=unanswered)
        say(shim, "delivery_failed", "ERROR", text, request, fields, {"DeliveryFailed": (1, "Count")})
        fail(shim, "DeliveryFailed", text + ("; it may have arrived all the same" if unanswered else ""))
    metrics = {"Continued": (1, "Count"), "DeliveryTime": (delivery_ms, "Milliseconds")}
    say(shim, "continued", "INFO", f"Hop {hop + 1} carries on", request, fields, metrics)
    return _answer(shim, event, chain, hop + 1, arn)


def say(
    shim: Shim,
    event: str,
    level: str,
    message: str,
    request: Request,
    fields: dict[str, Any],
    metrics: Mapping[str, tuple[float, str]] | None = None,
) -> None:
    """Write one line of Carry On's own about this invocation."""
    chain, hop = _position(request)
    log.write(
        event,
        level,
        message,
        {"chain": chain, "hop": hop, **fields},
        request_id=request.id,
        metrics=metrics if shim.settings.metrics else None,
    )


def _position(request: Request) -> tuple[str, int]:
    return (request.carried["chain"], request.carried["hop"]) if request.carried else (request.id, 0)


def _answer(shim: Shim, event: Any, chain: str, hop: int, to: str) -> Any:
    settings = shim.settings
    if settings.response_error:
        fail(shim, "Continued", f"The work goes on in hop {hop} of chain {chain}, in {to}")
    if settings.response is not None:
        return json.loads(settings.response)
    return answers.answer(event, chain=chain, hop=hop, to=to)


def _time_is_up_text(shim: Shim, target: str | None) -> str:
    where = "".join(f" in {place}" for place in _stopped_at(shim)[:1])
    text = f"Time was up{where}, {shim.margin_ms} ms before the deadline"
    if target is not None:
        return f"{text}; an ordered batch is not continued elsewhere, its source delivers it again"
    return f"{text}; set CARRYON_TO to have the work carried on"


def fail(shim: Shim, kind: str, text: str) -> NoReturn:
    """Fail the invocation under an error type of ours, with the stack on which the alarm found the function."""
    fault = sys.modules["awslambdaric.lambda_runtime_exception"].FaultException
    raise fault(f"Carryon.{kind}", text, _stack_lines(shim)) from None


def _stack_lines(shim: Shim) -> list[str]:
    from traceback import FrameSummary, format_list

    return format_list([FrameSummary(c.co_filename, line, c.co_name) for c, line in reversed(shim.stack)])


def _stopped_at(shim: Shim) -> list[str]:
    """The function's own innermost frames, or whatever frames there are where none is its own."""
    task_root = os.environ.get("LAMBDA_TASK_ROOT", os.getcwd()) + "/"
    own = [frame for frame in shim.stack if frame[0].co_filename.startswith(task_root)]
    frames = (own or shim.stack)[:_STACK_IN_LOG]
    return [f"{code.co_filename.removeprefix(task_root)}:{line} {code.co_name}" for code, line in frames]


def _until_ms(request: Request, margin_ms: int) -> int:
    """When the wait for the delivery ends; a clean-up that took long leaves it a last chance all the same."""
    in_good_time = request.deadline_ms - margins.answer_reserve_ms(margin_ms)
    last_chance = min(int(time.time() * 1000) + _LAST_CHANCE_MS, request.deadline_ms - _ANSWER_MS)
    return int(max(in_good_time, last_chance))


def _remaining_ms(request: Request) -> int:
    return max(int(request.deadline_ms - time.time() * 1000), 0)


def _process_facts() -> dict[str, int]:
    from resource import RUSAGE_SELF, getrusage
    from threading import active_count

    return {"threads_left": active_count() - 1, "peak_memory_mb": getrusage(RUSAGE_SELF).ru_maxrss >> 10}
