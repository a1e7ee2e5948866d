from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from carryon_cli.chain import Chain, Hop, Outcome


class View(Protocol):
    """Shows a chain while it runs."""

    def shown(self) -> AbstractContextManager[None]:
        """Show it until the end of the `with` block."""

    def say(self, text: str) -> None:
        """Say what takes a while."""

    def warned(self, text: str) -> None:
        """Show what the layer complains about."""

    def printed(self, hop: Hop | None, line: str) -> None:
        """Show a line of the function's own, of no known hop while the function is loaded."""

    def changed(self, hop: Hop) -> None:
        """Show a hop that is new, or of which something new is known."""

    def refresh(self) -> None:
        """Let time pass."""

    def ended(self, chain: Chain, outcome: Outcome, elapsed_s: float) -> None:
        """Show the result and the totals; `elapsed_s` is the time from the first event, in seconds."""
