"""One invocation that is struck, seen from outside: the handshakes to wait for, the processes, and the blow."""

from __future__ import annotations

import os
import random
import re
import signal
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.emulator import Emulator, Result, carryon_lines
from tests.support.lambda_api import Call, LambdaApi
from tests.support.processes import send, wait_until

TIMEOUT_S = 3
# So small that the courier starts 1.2 s before the alarm.
MEMORY_MB = 442
STOPPED_S = 1.0


class Scene:
    """An invocation to come, and the signal that it will be struck with.

    Args:
        margin_s: what CARRYON_MARGIN says.
        blow: SIGKILL, or SIGSTOP for a stop of one second.
        chance: decides where a phase leaves a choice.
    """

    def __init__(
        self, function: Emulator, api: LambdaApi, margin_s: float, blow: signal.Signals, chance: random.Random
    ) -> None:
        self.function = function
        self.margin_s = margin_s
        self.alarm_s = TIMEOUT_S - margin_s
        self.api = api
        self.blow = blow
        self.chance = chance
        self.request_id = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        self.place = ""
        self._running: Any = None
        self._began = self._let_go_at = 0.0
        self._release = threading.Event()
        self._arrived = threading.Event()

    def begin(self, do: str, **event: Any) -> None:
        """Invoke."""
        self._began = time.monotonic()
        self._running = self.function.begin({"do": do, **event}, request_id=self.request_id)

    def end(self) -> Result:
        """The invocation's end."""
        try:
            return self._running.result()
        finally:
            self._release.set()
            self.api.on_accept = None

    @property
    def stopped_past_deadline(self) -> bool:
        """Whether the process was still stopped when its time was over."""
        return self._let_go_at > self._began + TIMEOUT_S

    def says(self, word: str) -> int:
        """Wait until the function has said that word in this invocation, and return the process that did."""
        said = self.function.wait_for_log(rf"(?m)^{word} {self.request_id} (\d+) ?(.*)$")
        self.place = said[2]
        return int(said[1])

    def after(self, most_s: float) -> None:
        """Let up to that much time pass."""
        time.sleep(self.chance.uniform(0, most_s))

    def strike(self, pid: int, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Kill a process, or stop it for a second; `meanwhile` follows the signal at once."""
        assert not self._running or not self._running.done(), "the blow comes too late to be one"
        os.kill(pid, self.blow)
        meanwhile()
        self._let_go(pid)

    def set_trap(self, do: str, begin: list[str], end: list[str], steps: int, *, for_supervisor: bool = False) -> None:
        """Invoke, and have the process strike itself, or its supervisor, within a stretch of code.

        Args:
            begin: first step of the stretch, see functions/trap.py.
            end: its last step.
            steps: one of so many of them is drawn.
        """
        at = {"begin": begin, "end": end, "steps": self.chance.randrange(steps)}
        self.begin(do, trap={**at, "parent": for_supervisor, "signal": int(self.blow)})
        self._let_go(self.says("struck"))

    def _let_go(self, pid: int) -> None:
        if self.blow != signal.SIGSTOP:
            return
        time.sleep(STOPPED_S)
        self._let_go_at = time.monotonic()
        # It stands for a process that had no CPU for a second: what the supervisor has stopped meanwhile stays so.
        if not self._rescued():
            send([pid], signal.SIGCONT)

    def _rescued(self) -> bool:
        lines = carryon_lines(self.function.log)
        return any(line["carryon"]["event"] == "rescued" and line["requestId"] == self.request_id for line in lines)

    def hold_acceptance(self) -> None:
        """Have the endpoint accept the continuation, and keep its answer until `release`."""

        def hold(_: Call) -> None:
            self._arrived.set()
            self._release.wait(10)

        self.api.on_accept = hold

    def wait_for_call(self) -> None:
        """Wait until the continuation has arrived at the endpoint."""
        assert self._arrived.wait(20), "no continuation arrives"

    def release(self) -> None:
        """Have the endpoint answer."""
        self._release.set()

    def runtime(self) -> int:
        """The runtime process, between invocations."""
        result = self.function.invoke({"do": "finish"})
        return result.json["pid"]

    def courier(self, supervisor: int) -> int:
        """Wait until the supervisor has a courier; it is forked before the standby."""
        return wait_until(lambda: _children(supervisor)[1:2], 20, "there is no courier")[0]

    def imports(self) -> Callable[[], int]:
        """A function that waits for the next import of the function's module, and returns the process it is in."""
        begins = len(self.function.log)

        def wait() -> int:
            found = wait_until(
                lambda: re.search(r"(?m)^importing (\d+)$", self.function.log[begins:]), 20, "no import begins"
            )
            return int(found[1])

        return wait


def parent(pid: int) -> int:
    """Parent of a process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _children(pid: int) -> list[int]:
    """Children of a process, oldest first."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
