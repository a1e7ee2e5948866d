"""What the function itself says of its progress, by the calls that `import carryon` offers."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from itertools import islice

from .answers import records
from .envelope import PROGRESS
from .watchdog import OFF

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType
    from typing import Any

    from .board import Board
    from .bootstrap import Shim
    from .watchdog import Watchdog

_MAX = 6 << 20


# How many records of a batch are finished; it stays in this invocation.
RECORDS = "records"

# No JSON begins with it.
_REFUSAL = b"!"


class NotCarried(Exception):
    """A value that cannot travel; the text names the variable and says why."""


def read(board: Board) -> bytes | NotCarried | None:
    """What a Run left on the board: JSON of its parts, or why there is none; None where it left nothing."""
    kept = board.state()
    if kept is not None and kept.startswith(_REFUSAL):
        return NotCarried(kept[len(_REFUSAL) :].decode("utf-8", "replace"))
    return kept


class Run:
    """One invocation's progress.

    Args:
        shim: None where the layer is not attached.
        carried: the members of the envelope that this invocation came in; empty for the first of a chain.
    """

    def __init__(self, shim: Shim | None, carried: dict[str, Any]) -> None:
        self.is_complete = False
        # Each as JSON. What was carried is passed on until something newer is said.
        self.parts = {name: json.dumps(carried[name]).encode() for name in PROGRESS if name in carried}
        self._refusal: NotCarried | None = None
        self._shim = shim
        self._finished: dict[str, int] = dict(carried.get("each", {}))
        self._loops: list[_Loop] = []
        self._begun: dict[str, int] = {}

    def checkpoint(self, state: Any) -> None:
        """See carryon.checkpoint."""
        try:
            encoded = json.dumps(state, allow_nan=False, separators=(",", ":")).encode()
        except (TypeError, ValueError, RecursionError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"a checkpoint has to be JSON, and this {type(state).__name__} is not: {error}") from None
        if len(encoded) > _MAX:
            raise ValueError(f"a checkpoint of {len(encoded):,} bytes is more than the {_MAX:,} that Lambda accepts")
        self._keep("checkpoint", encoded)

    def restore(self, default: Any) -> Any:
        """See carryon.restore."""
        encoded = self.parts.get("checkpoint")
        return default if encoded is None else json.loads(encoded)

    def each(self, items: Iterable[Any]) -> Iterator[Any]:
        """See carryon.each."""
        above = f"{self._loops[-1].key}.{self._loops[-1].finished}." if self._loops else ""
        number = self._begun.get(above, 0)
        self._begun[above] = number + 1
        return self._iterate(_Loop(f"{above}{number}", items))

    def _iterate(self, loop: _Loop) -> Iterator[Any]:
        items = loop.items
        loop.finished = self._finished.get(loop.key, 0)
        rest = items[loop.finished :] if isinstance(items, Sequence) else islice(items, loop.finished, None)
        self._loops.append(loop)
        try:
            for item in rest:
                yield item
                self._finish(loop)
        finally:
            self._loops.remove(loop)

    def _finish(self, loop: _Loop) -> None:
        within = f"{loop.key}.{loop.finished}."
        loop.finished += 1
        for counts in (self._finished, self._begun):
            for key in [key for key in counts if key.startswith(within)]:
                del counts[key]
        self._finished[loop.key] = loop.finished
        if self._shim is not None and self._shim.settings.batch == "report" and loop.items is records(self._shim.event):
            self.parts[RECORDS] = str(loop.finished).encode()
        self._keep("each", json.dumps(self._finished, separators=(",", ":")).encode())

    def shield(self) -> _Shield:
        """See carryon.shield."""
        return _Shield(self._shim.watchdog if self._shim is not None else None)

    def remaining_ms(self) -> float:
        """See carryon.remaining_ms."""
        dog = self._shim.watchdog if self._shim is not None else None
        return math.inf if dog is None or dog.phase == OFF else max(dog.alarm_at - time.time(), 0.0) * 1000

    def keep_state(self, state: bytes | NotCarried) -> None:
        """Keep the named globals as JSON, or why they cannot travel."""
        if isinstance(state, bytes):
            self._keep("state", state)
        else:
            self._refusal = state
            self._put(_REFUSAL + str(state).encode("utf-8", "replace"))

    def progress(self) -> bytes | NotCarried | None:
        """What travels to the next hop: as `read` returns it."""
        return self._refusal or (self._encode() if self.parts else None)

    def begin(self) -> None:
        """Keep what was carried, for a supervisor that has to hand over."""
        if self.parts:
            self._put(self._encode(), is_first=True)

    def _keep(self, name: str, encoded: bytes) -> None:
        self.parts[name] = encoded
        self._put(self._encode())

    def _put(self, kept: bytes, is_first: bool = False) -> None:
        board = self._shim.board if self._shim is not None else None
        if board is not None and self._shim is not None:
            self._shim.board_is_used = True
            board.put_state(kept, is_first=is_first)

    def _encode(self) -> bytes:
        return b"{" + b",".join(b'"%s":%s' % (name.encode(), part) for name, part in self.parts.items()) + b"}"


class _Loop:
    def __init__(self, key: str, items: Any) -> None:
        self.key = key
        self.items = items
        self.finished = 0


class _Shield:
    def __init__(self, dog: Watchdog | None) -> None:
        self._dog = dog

    def __enter__(self) -> None:
        if self._dog is not None:
            self._dog.shields += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._dog is not None:
            self._dog.shields -= 1
            if error is None:
                self._dog.make_up()
