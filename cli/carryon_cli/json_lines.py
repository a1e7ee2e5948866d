from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from carryon_cli.chain import Chain, Hop, Outcome


class JsonLines:
    """What happens in a chain as one JSON document a line on stdout, each with a member `event`.

    progress (text), warning (text), hop_started, log (hop, line), hop_ended, and at last ended (ok, result or error).
    """

    def __init__(self) -> None:
        self._begun: set[str] = set()

    def shown(self) -> contextlib.AbstractContextManager[None]:
        """There is nothing to begin or to end."""
        return contextlib.nullcontext()

    def say(self, text: str) -> None:
        """Say what takes a while."""
        _write("progress", text=text)

    def warned(self, text: str) -> None:
        """Pass on what the layer complains about."""
        _write("warning", text=text)

    def printed(self, hop: Hop | None, line: str) -> None:
        """Pass on a line of the function's own."""
        _write("log", hop=hop.number if hop else None, line=line)

    def changed(self, hop: Hop) -> None:
        """Pass on that a hop has begun or ended."""
        if hop.outcome != "running":
            _write(
                "hop_ended",
                hop=hop.number,
                request_id=hop.request_id,
                outcome=hop.outcome,
                elapsed_ms=hop.elapsed_ms,
                margin_ms=hop.margin_ms,
                stopped_at=hop.stopped_at,
                state_bytes=hop.state_bytes,
                delivery_ms=hop.delivery_ms,
                to=hop.to,
                error=hop.error,
            )
        elif hop.request_id not in self._begun:
            self._begun.add(hop.request_id)
            _write("hop_started", hop=hop.number, request_id=hop.request_id)

    def refresh(self) -> None:
        """Nothing changes between two events."""

    def ended(self, chain: Chain, outcome: Outcome, elapsed_s: float) -> None:
        """Pass on the result (a JSON value) and the totals."""
        _write(
            "ended",
            ok=outcome.ok,
            result=_decoded(outcome.result),
            error=outcome.error,
            to=outcome.to,
            hops=len(chain.hops),
            function_ms=sum(hop.elapsed_ms or 0 for hop in chain.hops),
            elapsed_ms=round(elapsed_s * 1000),
        )


def _decoded(text: str | None) -> Any:
    try:
        return json.loads(text) if text is not None else None
    except ValueError:
        return text  # not every runtime client insists on JSON


def _write(event: str, **members: Any) -> None:
    sys.stdout.write(json.dumps({"event": event, **members}) + "\n")
    sys.stdout.flush()
