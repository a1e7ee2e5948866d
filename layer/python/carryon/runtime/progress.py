"""What the function itself says of its progress, by the calls that `import carryon` offers."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Sequence
from itertools import islice

from carryon.shared.board import COMPLETE
from carryon.shared.envelope import PROGRESS
from carryon.shared.left_progress import NOT_CARRIED, RECORDS, NotCarried, refused

from .watchdog import OFF

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType, TracebackType
    from typing import Any

    from .bootstrap import Shim
    from .watchdog import Watchdog

_MAX = 6 << 20

# FOR_ITER with the prefixes and caches that it may have; no second one can follow as soon.
_HEADER_SIZE = 8


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
        # Whether this hop itself has kept a state or a checkpoint.
        self._has_kept = False
        self._shim = shim
        self._has_state = shim is not None and shim.state is not None
        self._each_of_state = self.parts.get("each")
        self._finished: dict[str, int] = dict(carried.get("each", {}))
        self._loops: list[_Loop] = []
        self._batch = shim.batch if shim is not None else None
        self._begun: dict[str, int] = {}

    def complete(self) -> None:
        """See carryon.complete."""
        self.is_complete = True
        board = self._shim.board if self._shim is not None else None
        if board is not None and self._shim is not None:
            self._shim.board_is_used = True
            board.words[COMPLETE] = 1

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
                if self._batch is not None and self._batch.begin(item):
                    self._keep(RECORDS, b'"%x"' % self._batch.finished)
                loop.note_user(sys._getframe(1))
                yield item
                self._finish(loop, item)
        finally:
            self._loops.remove(loop)

    def _finish(self, loop: _Loop, item: Any) -> None:
        loop.count(self._begun)
        loop.count(self._finished)
        loop.finished += 1
        self._finished[loop.key] = loop.finished
        if self._batch is not None and self._batch.finish(item):
            self.parts[RECORDS] = b'"%x"' % self._batch.finished
        self._keep("each", _encode(self._finished))

    def give_back(self, record: Any) -> None:
        """See carryon.give_back."""
        if self._batch is not None and self._batch.give_back(record):
            self._keep(RECORDS, b'"%x"' % self._batch.finished)

    def shield(self) -> _Shield:
        """See carryon.shield."""
        return _Shield(self._shim.watchdog if self._shim is not None else None)

    def remaining_ms(self) -> float:
        """See carryon.remaining_ms."""
        dog = self._shim.watchdog if self._shim is not None else None
        return math.inf if dog is None or dog.phase == OFF else max(dog.alarm_at - time.time(), 0.0) * 1000

    def keep_state(self, state: bytes | NotCarried, at: tuple[FrameType, int] | None = None) -> None:
        """Keep the named variables as JSON, with what `each` has finished by then; or why they cannot travel.

        Args:
            at: frame and offset of a loop's first instruction, where an iteration has just ended there.
        """
        if isinstance(state, bytes):
            self._refusal = None
            finished = self._finished_at(*at) if at else self._finished
            if finished:
                self._each_of_state = _encode(finished)
            self._keep("state", state)
        else:
            self._refusal = state
            self._put(self._encode() if self._has_kept else refused(state))

    def _finished_at(self, frame: FrameType, offset: int) -> dict[str, int]:
        """What counts as finished where the frame is about to ask for the next item, and has not yet."""
        finished = dict(self._finished)
        for loop in self._loops:
            if loop.is_used_at(frame, offset):
                loop.count(finished)
                finished[loop.key] = loop.finished + 1
        return finished

    def progress(self) -> bytes | NotCarried | None:
        """What travels to the next hop: as `read` returns it."""
        if self._refusal is not None and not self._has_kept:
            return self._refusal
        return self._encode() if self.parts else None

    def begin(self) -> None:
        """Keep what was carried, for a supervisor that has to hand over."""
        if self.parts:
            self._put(self._encode(), is_first=True)

    def _keep(self, name: str, encoded: bytes) -> None:
        # Finished items alone do not make up for a state that cannot travel.
        self._has_kept = self._has_kept or name not in ("each", RECORDS)
        self.parts[name] = encoded
        if self._refusal is None or self._has_kept:
            self._put(self._encode())

    def _put(self, kept: bytes, is_first: bool = False) -> None:
        board = self._shim.board if self._shim is not None else None
        if board is not None and self._shim is not None:
            self._shim.board_is_used = True
            board.put_state(kept, is_first=is_first)

    def _encode(self) -> bytes:
        parts = self.parts
        if self._has_state:
            # As it was when the variables were: they belong together.
            parts = {name: part for name, part in parts.items() if name != "each"}
            if self._each_of_state is not None:
                parts["each"] = self._each_of_state
        if self._refusal is not None:
            parts = {**parts, NOT_CARRIED: json.dumps(str(self._refusal)).encode()}
        return b"{" + b",".join(b'"%s":%s' % (name.encode(), part) for name, part in parts.items()) + b"}"


class _Loop:
    def __init__(self, key: str, items: Any) -> None:
        self.key = key
        self.items = items
        self.finished = 0
        self._user = 0, 0

    def note_user(self, frame: FrameType) -> None:
        """Who asks for an item; not the frame itself, which would be a cycle."""
        self._user = id(frame), frame.f_lasti

    def is_used_at(self, frame: FrameType, offset: int) -> bool:
        """Whether the frame has asked for the item that is being worked on in the loop that begins there."""
        user, at = self._user
        return user == id(frame) and offset <= at < offset + _HEADER_SIZE

    def count(self, counts: dict[str, int]) -> None:
        """Forget the loops within the item that is finished."""
        within = f"{self.key}.{self.finished}."
        for key in [key for key in counts if key.startswith(within)]:
            del counts[key]


def _encode(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


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
