"""What goes wrong in a run, by seed: the same for everyone who asks about the same thing, in whatever order."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

PASSED = "passed"


class Plan:
    """Decides what becomes of a request, an invocation or an event.

    Args:
        seed: of the run.
        rates: share of each fault, by its name; what is left passes.
    """

    def __init__(self, seed: int, rates: Mapping[str, float]) -> None:
        assert sum(rates.values()) <= 1, rates
        self._seed = seed
        self._rates = rates

    def fault(self, *what: object) -> str:
        """What becomes of it: the name of a fault, or `passed`. The same thing has the same fate, always."""
        share = self.share(*what)
        for name, rate in self._rates.items():
            if share < rate:
                return name
            share -= rate
        return PASSED

    def share(self, *what: object) -> float:
        """A number from 0 to 1 that belongs to it."""
        digest = hashlib.blake2b(f"{self._seed} {what}".encode(), digest_size=7).digest()
        return int.from_bytes(digest, "big") / (1 << 56)
