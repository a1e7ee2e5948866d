"""Chains on a model of Lambda: an event queue in virtual time, nothing else. The same seed gives the same run.

The model knows what decides at scale: the limit of concurrency and how fast it is reached, events that wait with a
backoff, Lambda's retries, the on-failure queue, the time that a hop has for its work, and what can go wrong on the way
to the next. It does not know the function's own errors, other functions of the account, and networks.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.support.plan import PASSED, Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FATAL = ("crash", "dies", "is gone", "loses its helpers")
# Of an Invoke: how often its event is delivered, and whether the sender hears of it.
_ACCEPTED = {PASSED: 1, "late": 1, "lost": 1, "twice": 2}
_ANSWERED = (PASSED, "late", "twice")
# What DynamoDB charges for, write and read units: to take a hop; to hand one over that has a lease, and one that has
# none; to end a chain. A transaction counts twice.
_TO_OPEN, _TO_HAND_OVER, _TO_HAND_OVER_FIRST, _TO_END = (1, 3), (5, 3), (1, 3), (4, 1)
# Mean of the jitter's factor, 0.5 to 1, by which the courier's pauses are shortened.
_PAUSE_S, _PAUSE_MAX_S, _JITTER = 0.05, 1.0, 0.75


@dataclass(frozen=True)
class Platform:
    """Lambda, as far as it matters here; times in seconds."""

    concurrency: int
    burst: int
    environments_per_s: float
    retry_after_s: tuple[float, ...]
    backoff_s: tuple[float, float]
    max_age_s: float
    # Lambda's retry has the request id of what it repeats, so it may take the hop over at once.
    retries_keep_id: bool = True


@dataclass(frozen=True)
class Function:
    """The function and its settings; times in seconds, memory in MB."""

    timeout_s: float
    margin_s: float
    memory_mb: int
    init_s: float
    opening_first_s: float  # of a hop, in an environment's first one
    opening_s: float
    delivery_s: float
    max_hops: int
    table: bool
    end_s: float = 0.0  # what it takes to record how a chain has ended

    @property
    def alarm_s(self) -> float:
        """When time is up, from the start."""
        return self.timeout_s - self.margin_s

    @property
    def delivery_within_s(self) -> float:
        """How long a delivery may be tried."""
        return self.margin_s / 2


@dataclass
class Hop:
    """An event in Lambda's queue, or the invocation that it became."""

    chain: int
    number: int
    work_s: float
    queued_at: float
    offers: int = 0
    errors: int = 0


@dataclass
class Outcome:
    """What a run came to: `ended_after_s` of each chain that has finished, `writes_in_s` those of each second, ..."""

    counts: Counter[str] = field(default_factory=Counter)
    gb_s: float = 0.0
    peak: int = 0
    busy_s: float = 0.0
    until_s: float = 0.0
    writes_in_s: Counter[int] = field(default_factory=Counter)
    ended_after_s: list[float] = field(default_factory=list)
    hops_of_chain: Counter[int] = field(default_factory=Counter)


class Simulation:
    """One run.

    Args:
        invokes: fate of each Invoke: throttle, fail, reset (not accepted), lost (accepted, not answered), late, twice.
        invocations: fate of each attempt at a hop; it fails of those in FATAL.
        events: fate of each event that was accepted: twice.
    """

    def __init__(self, platform: Platform, function: Function, invokes: Plan, invocations: Plan, events: Plan) -> None:
        self._platform = platform
        self._function = function
        self._invokes = invokes
        self._invocations = invocations
        self._events = events
        self._agenda: list[tuple[float, int, Callable[..., None], tuple[object, ...]]] = []
        self._numbers = itertools.count()
        self._now = self._tokens_at = 0.0
        self._busy = self._idle = 0
        self._tokens = float(platform.burst)
        self._arrived: dict[int, float] = {}
        self._attempts: Counter[tuple[int, int]] = Counter()
        self._deliveries: Counter[tuple[int, int]] = Counter()
        # Of a hop: until when it has an owner; None once it has handed over or finished.
        self._leases: dict[tuple[int, int], float | None] = {}
        self._open = Counter[int]()
        self.outcome = Outcome()

    def run(self, chains: Iterable[tuple[int, float, float]]) -> Outcome:
        """Run chains to their end: number, when it arrives, and its work, both in seconds."""
        for number, at, work_s in chains:
            self._arrived[number] = at
            self._at(at, self._accept, Hop(number, 0, work_s, at))
        while self._agenda:
            at, _, action, arguments = heapq.heappop(self._agenda)
            self.outcome.busy_s += self._busy * (at - self._now)
            self._now = at
            action(*arguments)
        self.outcome.until_s = self._now
        return self.outcome

    def _at(self, at: float, action: Callable[..., None], *arguments: object) -> None:
        heapq.heappush(self._agenda, (at, next(self._numbers), action, arguments))

    def _accept(self, hop: Hop) -> None:
        """Lambda takes an event into its queue."""
        copies = 2 if self._events.fault("event", hop.chain, hop.number) == "twice" else 1
        for _ in range(copies):
            self._open[hop.chain] += 1
            self._offer(Hop(hop.chain, hop.number, hop.work_s, self._now))

    def _offer(self, hop: Hop) -> None:
        """Lambda has an event that is due, and looks for an environment."""
        cold = not self._idle
        if self._busy >= self._platform.concurrency or (cold and not self._may_scale()):
            self._throttle(hop)
            return
        self._busy += 1
        self._idle -= not cold
        self.outcome.peak = max(self.outcome.peak, self._busy)
        self.outcome.counts["invocations"] += 1
        self.outcome.counts["cold starts"] += cold
        self._invoke(hop, self._function.init_s if cold else 0.0, cold)

    def _may_scale(self) -> bool:
        platform = self._platform
        self._tokens += (self._now - self._tokens_at) * platform.environments_per_s
        self._tokens, self._tokens_at = min(self._tokens, platform.burst), self._now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _throttle(self, hop: Hop) -> None:
        self.outcome.counts["throttled"] += 1
        least, most = self._platform.backoff_s
        pause = min(least * 2**hop.offers, most)
        hop.offers += 1
        if self._now + pause - hop.queued_at > self._platform.max_age_s:
            self._end(hop, "too old")
        else:
            self._at(self._now + pause, self._offer, hop)

    def _invoke(self, hop: Hop, init_s: float, cold: bool) -> None:
        function, key = self._function, (hop.chain, hop.number)
        guarded = function.table and hop.number > 0
        opening_s = (function.opening_first_s if cold else function.opening_s) if guarded else 0.0
        if guarded:
            self._use_table(*_TO_OPEN)
            owned_until = self._leases.get(key, 0.0)
            if owned_until is None or owned_until > self._now:
                how = "duplicates" if owned_until is None else "busy"
                self._at(self._now + init_s + opening_s, self._turned_away, hop, how, init_s + opening_s)
                return
            self._leases[key] = self._now + init_s + function.timeout_s
        attempt = self._attempts[key]
        self._attempts[key] += 1
        alarm_s = function.alarm_s - opening_s
        if self._invocations.fault("invocation", *key, attempt) in FATAL:
            spent_s = opening_s + min(hop.work_s, alarm_s) * self._invocations.share("when", *key, attempt)
            self._at(self._now + init_s + spent_s, self._failed, hop, init_s + spent_s, "crashes")
        elif hop.work_s <= alarm_s:
            spent_s = init_s + opening_s + hop.work_s + (function.end_s if guarded else 0.0)
            self._at(self._now + spent_s, self._finished, hop, spent_s)
        elif hop.number >= function.max_hops:
            spent_s = init_s + function.alarm_s
            self._at(self._now + spent_s, self._failed, hop, spent_s, "at the limit of hops")
        else:
            self._at(self._now + init_s + function.alarm_s, self._hand_over, hop, alarm_s, init_s + function.alarm_s)

    def _hand_over(self, hop: Hop, worked_s: float, spent_s: float) -> None:
        """Send the next hop's event until it is accepted, in doubt, or time is over."""
        function = self._function
        key = (hop.chain, hop.number + 1)
        successor = Hop(hop.chain, hop.number + 1, hop.work_s - worked_s, self._now)
        if function.table:
            self._use_table(*(_TO_HAND_OVER if hop.number else _TO_HAND_OVER_FIRST))
        took_s = 0.0
        accepted_after_s = []
        for attempt in itertools.count():
            fault = self._invokes.fault("invoke", hop.chain, hop.number + 1, self._deliveries[key])
            self._deliveries[key] += 1
            self.outcome.counts["invokes"] += 1
            took_s += function.delivery_s
            accepted_after_s += [took_s] * _ACCEPTED.get(fault, 0)
            if fault in _ANSWERED or (fault == "lost" and not function.table):
                break
            took_s += min(_PAUSE_S * 2**attempt, _PAUSE_MAX_S) * _JITTER
            if took_s > function.delivery_within_s:
                break
        if fault in _ANSWERED:
            self._at(self._now + took_s, self._handed, hop, spent_s + took_s)
        else:
            self._at(self._now + took_s, self._failed, hop, spent_s + took_s, "not delivered")
        # Last: the answer is faster than Lambda's queue, so that the environment is free for the next hop.
        for after_s in accepted_after_s:
            self._at(self._now + after_s, self._accept, successor)

    def _handed(self, hop: Hop, spent_s: float) -> None:
        self._leave(hop, spent_s, over=True)
        self.outcome.counts["hops"] += 1
        self._open[hop.chain] -= 1

    def _finished(self, hop: Hop, spent_s: float) -> None:
        self._leave(hop, spent_s, over=True)
        if self._function.table and hop.number:
            self._use_table(*_TO_END)
        self._end(hop, "finished")

    def _failed(self, hop: Hop, spent_s: float, why: str) -> None:
        self._leave(hop, spent_s, over=False)
        self.outcome.counts[why] += 1
        self._retry(hop)

    def _turned_away(self, hop: Hop, how: str, spent_s: float) -> None:
        self._bill(spent_s)
        self.outcome.counts[how] += 1
        if how == "busy":
            self._retry(hop)
        else:
            self._open[hop.chain] -= 1

    def _retry(self, hop: Hop) -> None:
        if hop.errors == len(self._platform.retry_after_s):
            self._end(hop, "kept")
            return
        self.outcome.counts["retries"] += 1
        pause = self._platform.retry_after_s[hop.errors]
        hop.errors += 1
        self._at(self._now + pause, self._offer, hop)

    def _end(self, hop: Hop, how: str) -> None:
        self._open[hop.chain] -= 1
        if hop.chain not in self._arrived:
            self.outcome.counts["ended twice"] += 1
            return
        if how != "finished" and self._open[hop.chain]:
            return  # another copy of it is on its way
        self.outcome.counts[how] += 1
        arrived = self._arrived.pop(hop.chain)
        if how == "finished":
            self.outcome.ended_after_s.append(self._now - arrived)
            self.outcome.hops_of_chain[hop.number + 1] += 1

    def _leave(self, hop: Hop, spent_s: float, over: bool) -> None:
        self._bill(spent_s)
        key = (hop.chain, hop.number)
        if over:
            self._leases[key] = None
        elif self._platform.retries_keep_id:
            self._leases.pop(key, None)

    def _bill(self, spent_s: float) -> None:
        self._busy -= 1
        self._idle += 1
        self.outcome.gb_s += spent_s * self._function.memory_mb / 1024

    def _use_table(self, writes: int, reads: int) -> None:
        self.outcome.counts["writes"] += writes
        self.outcome.counts["reads"] += reads
        self.outcome.writes_in_s[int(self._now)] += writes
