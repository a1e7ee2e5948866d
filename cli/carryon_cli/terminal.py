from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carryon_cli.chain import Chain, Hop, Outcome

_BAR_CELLS = 24
# Where nobody can say how wide it is: a file, a pipe, the log of a build.
_PLAIN_WIDTH = 120


class Terminal:
    """Hops as rows of a table that grows, the function's output above it, the result below.

    Args:
        timeout_s: the function's timeout in seconds; the bars' full length.
    """

    def __init__(self, timeout_s: int) -> None:
        self._timeout_ms = timeout_s * 1000
        self._console = Console(highlight=False, width=None if sys.stdout.isatty() else _PLAIN_WIDTH)
        self._hops: list[Hop] = []
        self._status = ""
        self._live = Live(console=self._console, auto_refresh=False, transient=False)
        self._is_live = self._console.is_terminal

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Show it until the end of the `with` block."""
        if self._is_live:
            self._live.start()
        try:
            yield
        finally:
            self._status = ""
            if self._is_live:
                self._live.update(self._table(self._hops, header=True) if self._hops else "")
                self._live.stop()

    def say(self, text: str) -> None:
        """Say what takes a while."""
        self._status = text
        if self._is_live:
            self.refresh()
        else:
            self._console.print(text, style="dim")

    def warned(self, text: str) -> None:
        """Show what the layer complains about."""
        self._console.print(Text(text, style="yellow"))

    def printed(self, hop: Hop | None, line: str) -> None:
        """Show a line of the function's own."""
        # The runtime client writes line ends within a record as carriage returns.
        for part in line.split("\r"):
            self._console.print(Text.assemble((f"{hop.number if hop else '':>3} | ", "dim"), part), soft_wrap=True)

    def changed(self, hop: Hop) -> None:
        """Show what is new about a hop."""
        self._status = ""
        if hop not in self._hops:
            self._hops.append(hop)
        if self._is_live:
            self.refresh()
        elif hop.elapsed_ms is not None:
            self._console.print(self._table([hop], header=hop.number == 0))

    def refresh(self) -> None:
        """Let the bars of running hops grow."""
        if self._is_live:
            # A table that is higher than the screen would hide the row that moves.
            last = self._hops[-max(self._console.height - 4, 1) :]
            parts: list[Any] = [self._table(last, header=True)] if last else []
            if self._status:
                parts.append(Text(self._status, style="dim"))
            self._live.update(Group(*parts), refresh=True)

    def ended(self, chain: Chain, outcome: Outcome, elapsed_s: float) -> None:
        """Show the result and the totals."""
        used_s = sum(hop.elapsed_ms or 0 for hop in chain.hops) / 1000
        hops = f"{len(chain.hops)} hop{'' if len(chain.hops) == 1 else 's'}"
        totals = f"{hops}, {used_s:.1f} s in the function, {elapsed_s:.1f} s in all"
        self._console.print()
        if outcome.error:
            kind, message = outcome.error.get("errorType"), outcome.error.get("errorMessage")
            self._console.print(Text.assemble(("failed  ", "bold red"), f"{kind}: {message}"), soft_wrap=True)
            for frame in outcome.error.get("stackTrace") or ():
                self._console.print(Text(str(frame).rstrip(), style="dim"), soft_wrap=True)
        elif outcome.to:
            self._console.print(Text.assemble(("goes on  ", "bold green"), outcome.to), soft_wrap=True)
        else:
            self._console.print(Text.assemble(("result  ", "bold green"), outcome.result or ""), soft_wrap=True)
        self._console.print(Text(totals, style="dim"))

    def _table(self, hops: list[Hop], *, header: bool) -> Table:
        table = Table(box=None, show_header=header, header_style="dim", padding=(0, 2, 0, 0))
        table.add_column("hop", justify="right", min_width=3)
        table.add_column("time used", min_width=_BAR_CELLS, no_wrap=True)
        table.add_column("", justify="right", min_width=9, no_wrap=True)
        table.add_column("stopped at", min_width=24, overflow="fold")
        table.add_column("state", justify="right", min_width=8, no_wrap=True)
        table.add_column("then", overflow="fold")
        for hop in hops:
            stopped_at = hop.stopped_at[0] if hop.stopped_at else ""
            state = f"{hop.state_bytes:,} B" if hop.state_bytes is not None else ""
            used_ms = self._used_ms(hop)
            table.add_row(str(hop.number), self._bar(hop, used_ms), _seconds(used_ms), stopped_at, state, _then(hop))
        return table

    def _used_ms(self, hop: Hop) -> int:
        if hop.elapsed_ms is not None:
            return hop.elapsed_ms
        return round((time.monotonic() - hop.started_at) * 1000)

    def _bar(self, hop: Hop, used_ms: int) -> Text:
        """Draw the timeout as a line: used time thick, of it what lies in the margin yellow, the rest thin."""
        margin_at = self._cells(self._timeout_ms - hop.margin_ms) if hop.margin_ms is not None else _BAR_CELLS
        used = max(self._cells(used_ms), 1)
        colour = "red" if hop.outcome == "failed" else "green"
        return Text.assemble(
            ("━" * min(used, margin_at), colour),
            ("━" * max(used - margin_at, 0), "red" if hop.outcome == "failed" else "yellow"),
            ("─" * max(margin_at - used, 0), "dim"),
            ("╌" * (_BAR_CELLS - max(used, margin_at)), "yellow dim"),
        )

    def _cells(self, ms: int) -> int:
        return min(round(_BAR_CELLS * ms / self._timeout_ms), _BAR_CELLS)


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.2f} s"


def _then(hop: Hop) -> Text:
    if hop.outcome == "running":
        return Text("running" if not hop.stopped_at else "time is up", style="cyan")
    if hop.outcome == "continued":
        took = f" ({hop.delivery_ms} ms)" if hop.delivery_ms is not None else ""
        return Text(f"carries on{took}", style="green")
    if hop.outcome == "returned":
        return Text("returned", style="bold green")
    return Text(str((hop.error or {}).get("errorType", "failed")), style="bold red")
