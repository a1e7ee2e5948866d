"""Chains of five hops under faults of every kind, in as many functions as there are settings for."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.faults import FaultyProxy, Request
from tests.support.ministack import Invocation, LocalFunction, Services
from tests.support.pace import pace, seconds
from tests.support.plan import Plan
from tests.support.processes import wait_until
from tests.support.runtimes import ROOT, Runtime

from .book import Book

FUNCTIONS = Path(__file__).resolve().parent / "functions"
UNITS = 5
BALLAST = 1_100_000
TIMEOUT_S = RETRY_AFTER_S = seconds(4)
MARGIN_MS = 450 * TIMEOUT_S

# Shares of what goes wrong, of every request to a service and of every attempt at a hop.
INVOKES = {"throttle": 0.10, "fail": 0.06, "reset": 0.06, "lost": 0.06, "late": 0.06, "twice": 0.06}
REQUESTS = {"throttle": 0.03, "fail": 0.02, "reset": 0.02, "lost": 0.02, "late": 0.03}
ATTEMPTS = {"dies": 0.04, "is gone": 0.03, "is stuck": 0.04, "loses its helpers": 0.04}

# Each has up to three processes at work at a time, and a core is to do something else as well.
_IN_FLIGHT = 3 * (os.cpu_count() or 1)
_PATIENCE_S = 200
_POLL_S = 0.3
_POISONED_UNIT = 2
# Of an Invoke that Lambda has accepted, as often as it delivers its event.
_ACCEPTED = {"passed": 1, "late": 1, "lost": 1, "twice": 2}


class Chain(NamedTuple):
    """How a chain ended: what its invocations answered that finished it, and the record of what was given up."""

    finished: list[Any]
    kept: list[Any]


class Chaos:
    """A run of chains.

    Args:
        env: of each of the functions, which take turns.
        poisoned: numbers of the chains that can never be done.
    """

    def __init__(
        self,
        services: Services,
        runtime: Runtime,
        layer: Path,
        proxy: FaultyProxy,
        seed: int,
        env: Sequence[dict[str, str]],
        poisoned: set[int],
    ) -> None:
        self.seed = seed
        self.proxy = proxy
        self._services = services
        self._poisoned = poisoned
        self._sqs = services.client("sqs")
        self._queue, on_failure = services.queue("failed")
        self.book = Book(services.client("dynamodb"))
        # A first invocation's id is its chain's. For later ones the last function stands for a queue, which delivers
        # again under another id.
        *others, last = env
        self.functions = [
            *[self._function(runtime, layer, settings, on_failure, lambda event: True) for settings in others],
            self._function(runtime, layer, last, on_failure, lambda event: "carryon" not in event),
        ]
        self.env = list(env)
        self._plan = Plan(seed, INVOKES), Plan(seed, REQUESTS)
        self._kept: list[Any] = []
        self._numbers: dict[str, int] = {}
        self._deliveries: Counter[tuple[int, int]] = Counter()
        # How many of an event Lambda has to deliver.
        self._copies: Counter[tuple[Any, ...]] = Counter()
        proxy.decide = self._fate
        # Envelopes by chain and hop, as they were sent.
        self.sent: dict[tuple[int, int], bytes] = {}

    def _function(
        self,
        runtime: Runtime,
        layer: Path,
        settings: dict[str, str],
        on_failure: str,
        keeps_id: Callable[[Any], bool],
    ) -> LocalFunction:
        env = {
            "CARRYON_TO": "self",
            "CARRYON_MARGIN": f"{MARGIN_MS}ms",
            "AWS_ENDPOINT_URL": self.proxy.url,
            "BOOK_URL": self._services.url,
            "BOOK": self.book.name,
            "PYTHONPATH": str(ROOT),
            **settings,
        }
        return self._services.function(
            FUNCTIONS,
            runtime,
            "units.handler",
            layer=layer,
            timeout_s=TIMEOUT_S,
            env=env,
            retries=2,
            on_failure=on_failure,
            keeps_id=keeps_id,
        )

    def _fate(self, request: Request) -> str:
        invokes, others = self._plan
        if request.operation != "Invoke":
            return others.fault(request.service, request.operation, request.number)
        event = json.loads(request.body)
        hop = self.number(event), event["carryon"]["hop"]
        self.sent[hop] = request.body
        fate = invokes.fault("invoke", *hop, self._deliveries[hop])
        self._deliveries[hop] += 1
        self._copies[_key(event)] += _ACCEPTED.get(fate, 0)
        return fate

    def run(self, numbers: Iterable[int]) -> dict[int, Chain]:
        """Start chains, so many at a time, and return how each has ended, once nothing more will come."""
        waiting = list(numbers)
        running: set[int] = set()
        deadline = time.monotonic() + _PATIENCE_S * pace()
        while True:
            chains = self.chains()
            running -= set(chains)
            while waiting and len(running) < _IN_FLIGHT:
                running.add(number := waiting.pop(0))
                self._send(number)
            if not waiting and not running and self.is_quiet():
                return self.chains()
            if time.monotonic() > deadline:
                raise TimeoutError("not ended: " + "\n".join(map(self.story, running)))
            time.sleep(_POLL_S)

    def _send(self, number: int) -> None:
        # Some are too large for an envelope, where there is a bucket for them.
        ballast = BALLAST if number % 2 and "CARRYON_BUCKET" in self.env[number % len(self.functions)] else 0
        event = {"number": number, "seed": self.seed, "rates": ATTEMPTS, "ballast": ballast}
        if number in self._poisoned:
            event["poisoned"] = _POISONED_UNIT
        self._copies[(number,)] += 1
        self.functions[number % len(self.functions)].send(event)

    def send_again(self, number: int, hop: int) -> None:
        """Have Lambda deliver an envelope once more that has been delivered long ago."""
        body = self.sent[number, hop]
        self._copies[_key(json.loads(body))] += 1
        self.functions[number % len(self.functions)].send(json.loads(body))

    def chains(self) -> dict[int, Chain]:
        """Those that have ended so far, by number."""
        chains: dict[int, Chain] = {}
        for invocation in self.invocations():
            if invocation.ok and "units" in invocation.answer and "duplicate" not in invocation.events:
                chains.setdefault(invocation.answer["number"], Chain([], [])).finished.append(invocation.answer)
        for record in self._records():
            chains.setdefault(self.number(record["requestPayload"]), Chain([], [])).kept.append(record)
        return chains

    def invocations(self) -> list[Invocation]:
        """Of all functions."""
        return [invocation for function in self.functions for invocation in function.invocations]

    def is_quiet(self) -> bool:
        """Whether every event that Lambda has accepted was answered for good, or is in the queue."""
        ended = Counter(_key(invocation.event) for invocation in self.invocations() if invocation.ok)
        ended += Counter(_key(record["requestPayload"]) for record in self._records())
        return all(ended[key] >= copies for key, copies in self._copies.items())

    def wait_until_quiet(self) -> None:
        """Wait until nothing more will come."""
        wait_until(self.is_quiet, _PATIENCE_S, "something goes on and on")

    def story(self, number: int) -> str:
        """All that is known of a chain, for whoever has to find out what went wrong."""
        told = [f"seed {self.seed}, chain {number}:"]
        for one in self.invocations():
            if self.number(one.event) == number:
                meta = one.event.get("carryon", {})
                told.append(f"{one.request_id} ok={one.ok} until {one.ended_at}: {one.answer}\n    {meta}")
                told += [f"    {line}" for line in one.log.splitlines()]
        told += [f"{entry}" for entry in self.book.entries() if entry.number == number]
        return "\n".join(told)

    def copies_of(self, number: int) -> int:
        """How many events of a chain Lambda was given, those that came twice counted twice."""
        chains = {one.request_id for one in self.invocations() if one.event.get("number") == number}
        return sum(copies for key, copies in self._copies.items() if key[0] == number or key[0] in chains)

    def _records(self) -> list[Any]:
        while messages := self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self._kept.append(json.loads(message["Body"]))
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        return self._kept

    def number(self, event: Any) -> int:
        """Of the chain that an event belongs to; a stored one is known by its chain's first invocation."""
        if "number" in event:
            return event["number"]
        chain = event["carryon"]["chain"]
        if chain not in self._numbers:
            self._numbers.update(
                (one.request_id, one.event["number"]) for one in self.invocations() if "number" in one.event
            )
        return self._numbers[chain]


def _key(event: Any) -> tuple[Any, ...]:
    """What tells one event from another, but not its copies and repetitions."""
    meta = event.get("carryon")
    return (event["number"],) if meta is None else (meta["chain"], meta["hop"], meta.get("token"))
