"""Who carries on when an invocation's time is up, and what its caller hears.

The runtime process decides so for a handler that has ended, the supervisor for one that has not.
"""

from __future__ import annotations

import json
import time

from . import answers, chain_limits, log
from . import board as on_board
from .delivery import DELIVER, Order
from .envelope import wrap
from .left_progress import NotCarried

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .ending_hop import EndingHop
    from .invocation import Invocation
    from .settings import Settings


# Kinds of failures of a hop with which its chain does not end: it goes on, here or in whoever has taken the hop over.
_NOT_THE_END = ("Continued", "Duplicate")


class Failure(Exception):
    """How an invocation fails: `kind` is what follows `Carryon.` in the error type, the text is the error's message.

    `line` is the log line that says so (event, message, fields), where the line about the alarm does not.
    """

    def __init__(self, kind: str, text: str, line: tuple[str, str, dict[str, Any]] | None = None) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text
        self.line = line

    @property
    def ends_chain(self) -> bool:
        """Whether nobody has the work any more."""
        return self.kind not in _NOT_THE_END

    def say(self, settings: Settings, invocation: Invocation) -> None:
        """Write the line that belongs to it, if one does."""
        if self.line is not None:
            event, message, fields = self.line
            metrics = {"DeliveryFailed": (1, "Count")} if "to" in fields else None
            log.say(settings, event, "ERROR", message, invocation, fields, metrics)


def carry_on(hop: EndingHop) -> Any:
    """Have the work carried on by whoever is to do that, and return the invocation's answer.

    Raises:
        Failure: the work is not carried on, or CARRYON_RESPONSE asks for an error.
    """
    order = hop.order_on_its_way()
    if order is None:
        if hop.own_calls:
            from . import continued_itself

            return continued_itself.conclude(hop)
        left = hop.left_of_batch()
        if left is not None:
            return _report(hop, left)
        order = decide(hop)
    began = time.monotonic()
    outcome, cause, said = hop.deliver(order)
    return _settle(hop, order, outcome, cause, said, int((time.monotonic() - began) * 1000))


def decide(hop: EndingHop) -> Order:
    """Return what is to be delivered.

    Raises:
        Failure: the work is not carried on.
    """
    for rule in _RULES:
        failure = rule(hop)
        if failure is not None:
            raise failure
    to = hop.settings.to
    return Order.of(hop.invocation, DELIVER, hop.until_ms(), hop.next_envelope(), to=None if to == "self" else to)


def _event_cannot_travel(hop: EndingHop) -> Failure | None:
    try:
        hop.event_to_send()
    except NotCarried as reason:
        return _not_carried(reason)
    return None


def _no_target(hop: EndingHop) -> Failure | None:
    if hop.settings.to is not None and hop.settings.max_hops:
        return None
    return Failure("TimeIsUp", f"{hop.time_is_up}; set CARRYON_TO to have the work carried on")


def _source_delivers_again(hop: EndingHop) -> Failure | None:
    # Who asks for a report, and cannot have one, gets what suits the source.
    wanted = None if hop.settings.batch == "report" else hop.settings.batch
    if answers.batch_policy(hop.event(), wanted) != "fail":
        return None
    text = f"{hop.time_is_up}; this batch is not continued elsewhere, its source delivers it again"
    return Failure("TimeIsUp", text)


def _hop_limit(hop: EndingHop) -> Failure | None:
    if hop.invocation.hop < hop.settings.max_hops:
        return None
    text = (
        f"The chain {hop.invocation.chain} has reached CARRYON_MAX_HOPS={hop.settings.max_hops} and its work is not "
        "done"
    )
    return Failure("HopLimit", text, ("hop_limit", text, hop.costs()))


def _state_cannot_travel(hop: EndingHop) -> Failure | None:
    return _not_carried(hop.progress) if isinstance(hop.progress, NotCarried) else None


def _age_limit(hop: EndingHop) -> Failure | None:
    reason = chain_limits.too_old(hop.next_envelope(), hop.settings.max_age_ms)
    return Failure("AgeLimit", reason, ("age_limit", reason, hop.costs())) if reason is not None else None


def _stalled(hop: EndingHop) -> Failure | None:
    reason = chain_limits.stalled(hop.next_envelope(), hop.settings.stall_hops)
    return Failure("Stalled", reason, ("stalled", reason, hop.costs())) if reason is not None else None


def _dry_run(hop: EndingHop) -> Failure | None:
    if hop.settings.to != "log":
        return None
    raw, meta = hop.event_to_send(), hop.next_envelope()
    fields = {
        "would_be_hop": meta["hop"],
        "would_be_to": hop.invocation.arn,
        "event_bytes": len(raw),
        "envelope_bytes": len(wrap(raw, meta)),
        **hop.costs(),
    }
    if "state" in meta:
        fields["state_bytes"] = len(json.dumps(meta["state"], separators=(",", ":")))
    text = f"{hop.time_is_up}; CARRYON_TO=log is a dry run: the work is not carried on"
    return Failure("TimeIsUp", text, ("dry_run", "This would have been sent; the work is not carried on", fields))


# In the order in which they are asked; the first that has an answer says why the work is not carried on.
_RULES = (
    _event_cannot_travel,
    _no_target,
    _source_delivers_again,
    _hop_limit,
    _state_cannot_travel,
    _age_limit,
    _stalled,
    _dry_run,
)


def _not_carried(reason: NotCarried) -> Failure:
    line = ("delivery_failed", "The state cannot be carried on", {"cause": str(reason)})
    return Failure("StateNotSerializable", str(reason), line)


def _report(hop: EndingHop, left: list[dict[str, Any]]) -> dict[str, Any]:
    """The answer that gives the rest of a batch back to its source.

    Raises:
        Failure: no record is left, so the handler was busy with something else, of which the source knows nothing.
    """
    if not left:
        raise Failure("TimeIsUp", f"{hop.time_is_up}; every record is finished, but the handler is not")
    finished = len(hop.arrived()["Records"]) - len(left)
    fields = {"records_finished": finished, "records_left": len(left)}
    log.say(hop.settings, "reported", "INFO", "The rest of the batch is given back", hop.invocation, fields)
    return {answers.FAILURES: left}


def _settle(hop: EndingHop, order: Order, outcome: int, cause: str, said: bytes, delivery_ms: int) -> Any:
    """Log how the delivery ended, and return the invocation's answer.

    Args:
        outcome: one of the board's.
        cause: why it did not succeed; of one that did at the second target, that one's ARN and why not at the first.
        said: what else the courier has said of it: members of the log line.

    Raises:
        Failure: the work is not carried on, or CARRYON_RESPONSE asks for an error.
    """
    arn = order.function
    fields = {
        "to": arn,
        "delivery_ms": delivery_ms,
        **_members(said),
        **chain_limits.as_fields(order.meta.get("spent")),
    }
    if outcome == on_board.TAKEN_OVER:
        raise Failure("Duplicate", cause, ("duplicate", cause, {}))
    if outcome != on_board.ACCEPTED:
        unanswered = outcome == on_board.UNANSWERED
        text = f"The continuation could not be delivered to {arn}: {cause}"
        fields.update(cause=cause, possible_duplicate=unanswered)
        doubt = "; it may have arrived all the same" if unanswered else ""
        raise Failure("DeliveryFailed", text + doubt, ("delivery_failed", text, fields))
    metrics = {"Continued": (1, "Count"), "DeliveryTime": (delivery_ms, "Milliseconds")}
    if cause:
        arn, _, why_not_the_first = cause.partition(" ")
        fields.update(to=arn, cause=why_not_the_first)
    level, elsewhere = ("WARN", ", at CARRYON_FALLBACK_TO") if cause else ("INFO", "")
    text = f"Hop {hop.invocation.hop + 1} carries on{elsewhere}"
    log.say(hop.settings, "continued", level, text, hop.invocation, fields, metrics)
    return answer(hop.settings, hop.invocation, hop.event(), arn)


def _members(said: bytes) -> dict[str, Any]:
    try:
        return {name: value for name, value in json.loads(said).items() if value}
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
