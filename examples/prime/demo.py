"""Let `carryon local` run app.py with a timeout it cannot meet, and check its answer against a sieve's.

Exit status: 0 when both agree after at least four hops, 1 otherwise.
"""

import json
import math
import os
import sys
import time
from pathlib import Path

import app

from carryon_cli import session
from carryon_cli.errors import CommandError
from carryon_cli.terminal import Terminal

TIMEOUT_S = 3
HOPS_AT_LEAST = 4
# Five full hops, each without its margin of 500 ms, and half of another.
WORK_S = 5.5 * (TIMEOUT_S - 0.5)
CALIBRATION_S = 1.0
STATE = "count,candidate"


class Watched(Terminal):
    """The terminal's view, which keeps what the chain came to."""

    def ended(self, chain, outcome, elapsed_s):
        """Keep the number of hops and the answer."""
        super().ended(chain, outcome, elapsed_s)
        self.hops = len(chain.hops)
        self.answer = json.loads(outcome.result) if outcome.result else None


def main():
    n, expected = choose_n()
    os.chdir(Path(__file__).parent)
    print(f"$ carryon local app.handler --timeout {TIMEOUT_S} --env CARRYON_STATE={STATE} --event '{{\"n\": {n}}}'")
    view = Watched(TIMEOUT_S)
    status = session.run(
        "app.handler",
        json.dumps({"n": n}).encode(),
        timeout_s=TIMEOUT_S,
        memory_mb=1769,
        variables={"CARRYON_STATE": STATE},
        python=None,
        in_emulator=False,
        view=view,
    )
    print(f"\nprime number {n:,}: {view.answer and view.answer['prime']} after {view.hops} hops, {expected} by a sieve")
    if status or view.answer != {"n": n, "prime": expected}:
        print("demo: the answers differ", file=sys.stderr)
        return 1
    if view.hops < HOPS_AT_LEAST:
        print(f"demo: that took fewer than {HOPS_AT_LEAST} hops", file=sys.stderr)
        return 1
    return 0


def choose_n():
    """Return an n that takes this machine WORK_S seconds, and the n-th prime."""
    began = time.perf_counter()
    candidate = 1
    while time.perf_counter() - began < CALIBRATION_S:
        candidate += 1
        app.is_prime(candidate)
    # A prime costs its square root in divisions, and one number in log(number) is prime.
    wanted = cost(candidate) * WORK_S / CALIBRATION_S
    limit = candidate
    while cost(limit) < wanted:
        limit = int(limit * 1.01)
    primes = sieve(limit)
    return len(primes), primes[-1]


def cost(limit):
    """Return what all numbers up to `limit` cost, in some unit."""
    return limit**1.5 / math.log(limit)


def sieve(limit):
    """Return the primes up to `limit`, by the sieve of Eratosthenes."""
    is_prime = bytearray([0, 0]) + bytearray([1]) * (limit - 1)
    for number in range(2, math.isqrt(limit) + 1):
        if is_prime[number]:
            is_prime[number * number :: number] = bytes(len(range(number * number, limit + 1, number)))
    return [number for number in range(limit + 1) if is_prime[number]]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CommandError as error:
        sys.exit(f"demo: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
