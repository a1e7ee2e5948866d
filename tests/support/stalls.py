"""Notice when the machine has not let this process run, as it may not have let the processes under test."""

from __future__ import annotations

import threading
import time

_EVERY_S = 0.005


class Stalls:
    """In the `with`, the longest time for which a thread that sleeps for 5 ms has slept more than that."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Stalls:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        began = time.monotonic()
        while not self._over.wait(_EVERY_S):
            now = time.monotonic()
            self.longest_s = max(self.longest_s, now - began - _EVERY_S)
            began = now
