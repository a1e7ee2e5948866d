"""Put a chain of invocations together from what its execution environments do."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, Literal

from carryon_cli.events import Answer, Ended, Event, InitError, Output, Request, Started

if TYPE_CHECKING:
    from collections.abc import Callable

# Lambda's own words, so that what is read here is what will be read there.
_TIMED_OUT = "Sandbox.Timedout"
_EXITED = "Runtime.ExitError"
_INIT_LIMIT_S = 10.0


@dataclasses.dataclass(eq=False)
class Hop:
    """One invocation of a chain; None for what is not known (yet)."""

    number: int
    request_id: str
    environment: int
    started_at: float
    deadline: float
    elapsed_ms: int | None = None
    margin_ms: int | None = None
    stopped_at: list[str] = dataclasses.field(default_factory=list)
    state_bytes: int | None = None
    delivery_ms: int | None = None
    to: str | None = None
    outcome: Literal["running", "continued", "returned", "failed"] = "running"
    error: dict[str, Any] | None = None


@dataclasses.dataclass
class Outcome:
    """How a chain ended: with a result (JSON text), an error as Lambda reports it, or elsewhere (`to`)."""

    ok: bool
    result: str | None = None
    error: dict[str, Any] | None = None
    to: str | None = None


class Chain:
    """Follows one chain, from the first event that an environment receives.

    Args:
        function: its name.
        timeout_s: its timeout in seconds.
        changed: called with a hop that has begun, or of which something new is known.
        printed: called with a line of the function's own, and the hop it belongs to (None while it is loaded).
        warned: called with a line of the layer's that says something is wrong.
    """

    def __init__(
        self,
        function: str,
        timeout_s: int,
        changed: Callable[[Hop], None],
        printed: Callable[[Hop | None, str], None],
        warned: Callable[[str], None],
    ) -> None:
        self.hops: list[Hop] = []
        self.outcome: Outcome | None = None
        self._starting: set[int] = set()
        self._warnings: set[str] = set()
        self._function = function
        self._timeout_s = timeout_s
        self._changed = changed
        self._printed = printed
        self._warned = warned

    @property
    def running(self) -> bool:
        """Whether an invocation is running."""
        return any(hop.outcome == "running" for hop in self.hops)

    @property
    def busy(self) -> bool:
        """Whether an invocation is running, or an environment is loading the function."""
        return self.running or bool(self._starting)

    def take(self, event: Event) -> None:
        """Take the next thing that happened."""
        if isinstance(event, Output):
            self._take_line(event)
            return
        self._starting.discard(event.environment)
        if isinstance(event, Started):
            self._starting.add(event.environment)
        elif isinstance(event, Request):
            self._take_request(event)
        elif isinstance(event, Answer):
            self._take_answer(event)
        elif isinstance(event, InitError):
            self._end_at_init(_error(event.body))
        else:
            self._take_end(event)

    def _take_request(self, event: Request) -> None:
        number = 0
        if self.hops:
            envelope = _envelope(event.event)
            if envelope is None or envelope.get("chain") != self.hops[0].request_id:
                return  # an invocation that the function made itself
            number = int(envelope.get("hop", len(self.hops)))
        hop = Hop(number, event.request_id, event.environment, event.at, event.deadline)
        self.hops.append(hop)
        self._changed(hop)

    def _take_line(self, event: Output) -> None:
        hop = self._hop(event.request_id)
        fields = _own_fields(event.line)
        if fields is None:
            self._printed(hop, event.line)
            return
        said = fields["event"]
        text = str(fields["message"])
        if said in ("bad_setting", "stepped_aside") and text not in self._warnings:
            # Every environment says it; once is enough.
            self._warnings.add(text)
            self._warned(text)
        if hop is None:
            return
        if said == "time_is_up":
            hop.margin_ms = fields.get("margin_ms")
            hop.stopped_at = list(fields.get("stopped_at") or [])
            hop.state_bytes = fields.get("state_bytes")
        elif said == "continued":
            hop.to = fields.get("to")
            hop.delivery_ms = fields.get("delivery_ms")
        self._changed(hop)

    def _take_answer(self, event: Answer) -> None:
        hop = self._hop(event.request_id)
        if hop is None:
            return
        hop.elapsed_ms = round((event.at - hop.started_at) * 1000)
        if hop.to is not None or _says_continued(event.body):
            hop.outcome = "continued"
            if hop.to is not None and self._function not in hop.to.split(":"):
                self.outcome = Outcome(ok=True, to=hop.to)
        elif event.ok:
            hop.outcome = "returned"
            self.outcome = Outcome(ok=True, result=event.body.decode(errors="replace"))
        else:
            hop.outcome = "failed"
            hop.error = _error(event.body)
            self.outcome = Outcome(ok=False, error=hop.error)
        self._changed(hop)

    def _take_end(self, event: Ended) -> None:
        unanswered = [hop for hop in self.hops if hop.environment == event.environment and hop.outcome == "running"]
        for hop in unanswered:
            hop.outcome = "failed"
            # The platform may take its time to kill; for the caller the invocation ended at its deadline.
            ended_at = min(event.at, hop.deadline)
            hop.elapsed_ms = round((ended_at - hop.started_at) * 1000)
            if event.at >= hop.deadline:
                message = f"Task timed out after {self._timeout_s}.00 seconds"
                hop.error = {"errorType": _TIMED_OUT, "errorMessage": message}
            else:
                hop.error = {"errorType": _EXITED, "errorMessage": "Runtime exited without providing a reason"}
            self.outcome = Outcome(ok=False, error=hop.error)
            self._changed(hop)
        # Lambda stops an initialisation after ten seconds and starts it once more, with the function's timeout.
        if not event.served and event.lived_s < _INIT_LIMIT_S - 1:
            message = "Runtime exited before it asked for an event"
            self._end_at_init({"errorType": _EXITED, "errorMessage": message})

    def _end_at_init(self, error: dict[str, Any]) -> None:
        if self.outcome is None:
            self.outcome = Outcome(ok=False, error=error)

    def _hop(self, request_id: str | None) -> Hop | None:
        return next((hop for hop in self.hops if hop.request_id == request_id), None)


def _envelope(event: bytes) -> dict[str, Any] | None:
    try:
        decoded = json.loads(event)
    except ValueError:
        return None
    envelope = decoded.get("carryon") if isinstance(decoded, dict) else None
    return envelope if isinstance(envelope, dict) else None


def _own_fields(line: str) -> dict[str, Any] | None:
    """Return what the layer says in a line of its own, None for any other line."""
    if '"carryon"' not in line:
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict) or record.get("logger") != "carryon":
        return None
    fields = record.get("carryon")
    if not isinstance(fields, dict) or "event" not in fields:
        return None
    return {**fields, "message": record.get("message"), "level": record.get("level")}


def _says_continued(body: bytes) -> bool:
    """Whether the layer's usual answer says that the work goes on: its log line is lost at a high log level."""
    envelope = _envelope(body)
    return envelope is not None and envelope.get("continued") is True


def _error(body: bytes) -> dict[str, Any]:
    try:
        decoded = json.loads(body)
    except ValueError:
        decoded = None
    if isinstance(decoded, dict):
        return decoded
    return {"errorType": "Unknown", "errorMessage": body.decode(errors="replace")}
