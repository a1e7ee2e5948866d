"""Which records of a batch are finished, for an answer that gives the others back to their source."""

from __future__ import annotations

from carryon.shared.answers import batch_policy, records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


def to_report(event: Any, carried: dict[str, Any] | None) -> Batch | None:
    """What an invocation with CARRYON_BATCH=report has to keep; None where its caller is no source of a batch.

    Args:
        event: decoded.
        carried: the members of the envelope it came in. The source of a continuation has let go of the batch.
    """
    return Batch(records(event)) if carried is None and batch_policy(event, "report") == "report" else None


class Batch:
    """The records of one invocation as they arrived; `finished` has a bit for each, the lowest for the first one.

    Records are known by their identity: in whatever order, selection or list of its own the function iterates over
    them, what it has not finished is not taken for finished.
    """

    def __init__(self, records: Iterable[Any]) -> None:
        # Held here, so that no other object gets the id of one that the function has thrown away.
        self._records = tuple(records)
        self._numbers = {id(record): number for number, record in enumerate(self._records)}
        self.finished = 0
        self._given_back = 0

    def begin(self, item: Any) -> bool:
        """Take note of an item that is worked on; True if that has changed `finished`.

        It does where the record was finished before: this is another pass then, which all of them are to go through.
        """
        if not self._bit(item) & self.finished:
            return False
        self.finished = 0
        return True

    def finish(self, item: Any) -> bool:
        """Take note of an item that is finished; True if it is a record that does not go back."""
        bit = self._bit(item) & ~self._given_back
        self.finished |= bit
        return bit != 0

    def give_back(self, item: Any) -> bool:
        """Take note of an item that will not be finished; True if that has changed `finished`."""
        bit = self._bit(item)
        was_finished = bit & self.finished
        self._given_back |= bit
        self.finished &= ~bit
        return was_finished != 0

    def _bit(self, item: Any) -> int:
        number = self._numbers.get(id(item))
        return 0 if number is None else 1 << number
