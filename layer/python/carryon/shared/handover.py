"""Who carries on when an invocation's time is up, and what its caller hears.

The runtime process decides so for a handler that has ended, the supervisor for one that has not.
"""

from __future__ import annotations

import json
import os
import time

from . import answers, chain_limits, log
from . import board as on_board
from .delivery import DELIVER, Order
from .envelope import PROGRESS, wrap
from .left_progress import RECORDS, NotCarried

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .invocation import Invocation
    from .settings import Settings


# Kinds of failures of a hop with which its chain does not end: it goes on, here or in whoever has taken the hop over.
NOT_THE_END = ("Continued", "Duplicate")


class Failure(Exception):
    """How an invocation fails: `kind` is what follows `Carryon.` in the error type, the text is the error's message.

    `line` is the log line that says so (event, message, fields), where the line about the alarm does not.
    """

    def __init__(self, kind: str, text: str, line: tuple[str, str, dict[str, Any]] | None = None) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text
        self.line = line


def decide(
    settings: Settings,
    invocation: Invocation,
    event: Any,
    progress: bytes | NotCarried | None,
    *,
    started_at_ms: int,
    until_ms: int,
    time_is_up: str,
    crashes: int = 0,
    is_whole: bool = True,
) -> Order:
    """Return what is to be delivered.

    Args:
        event: the original event, decoded.
        progress: what travels of it, a JSON object of members of the envelope, or why it cannot.
        until_ms: wall clock at which nobody waits for the delivery any longer.
        time_is_up: message of the error where nothing is to be delivered.
        crashes: of how many processes in a row that state has seen the end; 0 when it is not a crash.
        is_whole: whether it is known that variables and event are as they were between two steps of the work.

    Raises:
        Failure: the work is not carried on.
    """
    target = settings.to if settings.max_hops else None
    if target is None:
        raise Failure("TimeIsUp", f"{time_is_up}; set CARRYON_TO to have the work carried on")
    # Who asks for a report, and cannot have one, gets what suits the source.
    if answers.batch_policy(event, None if settings.batch == "report" else settings.batch) == "fail":
        text = f"{time_is_up}; this batch is not continued elsewhere, its source delivers it again"
        raise Failure("TimeIsUp", text)
    chain, hop, carried = invocation.chain, invocation.hop, invocation.carried
    spent = chain_limits.spent(carried, int(time.time() * 1000) - started_at_ms, os.environ)
    if hop >= settings.max_hops:
        text = f"The chain {chain} has reached CARRYON_MAX_HOPS={settings.max_hops} and its work is not done"
        raise Failure("HopLimit", text, ("hop_limit", text, chain_limits.as_fields(spent)))
    if isinstance(progress, NotCarried):
        raise not_carried(progress)
    meta = {
        "v": 1,
        "chain": chain,
        "hop": hop + 1,
        "cause": "crash" if crashes else "time",
        "parent": invocation.id,
        "started_at_ms": carried["started_at_ms"] if carried else started_at_ms,
    }
    if crashes:
        meta["crashes"] = crashes
    if progress is not None:
        meta.update((name, value) for name, value in json.loads(progress).items() if name in PROGRESS)
    if spent is not None:
        meta["spent"] = spent
    if settings.stall_hops:
        event_as_left = invocation.raw if settings.event_as_left else None
        stall = chain_limits.stall(carried, meta, event_as_left, is_whole=is_whole and not crashes)
        if stall is not None:
            meta["stall"] = stall
    for kind, line, reason in (
        ("AgeLimit", "age_limit", chain_limits.too_old(meta, settings.max_age_ms)),
        ("Stalled", "stalled", chain_limits.stalled(meta, settings.stall_hops)),
    ):
        if reason is not None:
            raise Failure(kind, reason, (line, reason, chain_limits.as_fields(spent)))
    if target == "log":
        raise _dry_run(invocation, meta, time_is_up)
    arn = invocation.arn if target == "self" else target
    return Order.of(invocation, DELIVER, until_ms, meta, to=arn)


def _dry_run(invocation: Invocation, meta: dict[str, Any], time_is_up: str) -> Failure:
    fields = {
        "would_be_hop": meta["hop"],
        "would_be_to": invocation.arn,
        "event_bytes": len(invocation.raw),
        "envelope_bytes": len(wrap(invocation.raw, meta)),
        **chain_limits.as_fields(meta.get("spent")),
    }
    if "state" in meta:
        fields["state_bytes"] = len(json.dumps(meta["state"], separators=(",", ":")))
    text = f"{time_is_up}; CARRYON_TO=log is a dry run: the work is not carried on"
    return Failure("TimeIsUp", text, ("dry_run", "This would have been sent; the work is not carried on", fields))


def left_of_batch(
    settings: Settings, invocation: Invocation, progress: bytes | NotCarried | None
) -> list[dict[str, Any]] | None:
    """The records that are to be given back to their source; None where that is not asked for, or nobody hears it."""
    if settings.batch != "report" or invocation.carried is not None:
        return None
    # As it arrived: the handler may have changed what it was given.
    event = json.loads(invocation.raw or b"null")
    if answers.batch_policy(event, settings.batch) != "report":
        return None
    finished = json.loads(progress).get(RECORDS, "0") if isinstance(progress, bytes) else "0"
    return answers.unfinished(event, int(finished, 16))


def report(
    settings: Settings, invocation: Invocation, left: list[dict[str, Any]], *, time_is_up: str
) -> dict[str, Any]:
    """The answer that gives the rest of a batch back to its source.

    Raises:
        Failure: no record is left, so the handler was busy with something else, of which the source knows nothing.
    """
    if not left:
        raise Failure("TimeIsUp", f"{time_is_up}; every record is finished, but the handler is not")
    finished = len(json.loads(invocation.raw)["Records"]) - len(left)
    fields = {"records_finished": finished, "records_left": len(left)}
    log.say(settings, "reported", "INFO", "The rest of the batch is given back", invocation, fields)
    return {answers.FAILURES: left}


def not_carried(reason: NotCarried) -> Failure:
    """How an invocation fails whose state cannot travel."""
    line = ("delivery_failed", "The state cannot be carried on", {"cause": str(reason)})
    return Failure("StateNotSerializable", str(reason), line)


def settle(
    settings: Settings,
    invocation: Invocation,
    event: Any,
    order: Order,
    outcome: int,
    cause: str,
    began: float,
    result: bytes,
) -> Any:
    """Log how the delivery ended, and return the invocation's answer.

    Args:
        event: the original event, decoded.
        order: what was to be delivered.
        outcome: one of the board's.
        cause: why it did not succeed; of one that did at the second target, that one's ARN and why not at the first.
        began: when it was asked for, on the monotonic clock.
        result: what else the courier has said of it: members of the log line.

    Raises:
        Failure: the work is not carried on, or CARRYON_RESPONSE asks for an error.
    """
    delivery_ms = int((time.monotonic() - began) * 1000)
    arn = order.function
    fields = {"to": arn, "delivery_ms": delivery_ms, **_said(result), **chain_limits.as_fields(order.meta.get("spent"))}
    if outcome == on_board.TAKEN_OVER:
        raise Failure("Duplicate", cause, ("duplicate", cause, {}))
    if outcome != on_board.ACCEPTED:
        unanswered = outcome == on_board.UNANSWERED
        text = f"The continuation could not be delivered to {arn}: {cause}"
        fields.update(cause=cause, possible_duplicate=unanswered)
        if unanswered:
            raise Failure(
                "DeliveryFailed", f"{text}; it may have arrived all the same", ("delivery_failed", text, fields)
            )
        raise Failure("DeliveryFailed", text, ("delivery_failed", text, fields))
    metrics = {"Continued": (1, "Count"), "DeliveryTime": (delivery_ms, "Milliseconds")}
    if cause:
        arn, _, why_not_the_first = cause.partition(" ")
        fields.update(to=arn, cause=why_not_the_first)
    level, elsewhere = ("WARN", ", at CARRYON_FALLBACK_TO") if cause else ("INFO", "")
    log.say(
        settings, "continued", level, f"Hop {invocation.hop + 1} carries on{elsewhere}", invocation, fields, metrics
    )
    return answer(settings, invocation, event, arn)


def _said(result: bytes) -> dict[str, Any]:
    try:
        return {name: value for name, value in json.loads(result).items() if value}
    except (ValueError, AttributeError):
        return {}  # nothing was said, or a courier that was killed has said half of it


def answer(settings: Settings, invocation: Invocation, event: Any, to: str) -> Any:
    """The answer of an invocation whose work goes on in another.

    Args:
        event: the original event, decoded.
        to: ARN of where it does.

    Raises:
        Failure: CARRYON_RESPONSE asks for an error.
    """
    chain, hop = invocation.chain, invocation.hop
    if settings.response_error:
        raise Failure("Continued", f"The work goes on in hop {hop + 1} of chain {chain}, in {to}")
    if settings.response is not None:
        return json.loads(settings.response)
    return answers.answer(event, chain=chain, hop=hop + 1, to=to)


def say_failure(settings: Settings, invocation: Invocation, failure: Failure) -> None:
    """Write the line that belongs to a failure, if one does."""
    if failure.line is not None:
        event, message, fields = failure.line
        metrics = {"DeliveryFailed": (1, "Count")} if "to" in fields else None
        log.say(settings, event, "ERROR", message, invocation, fields, metrics)
