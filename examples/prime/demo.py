"""Let `carryon local` run app.py with a timeout it cannot meet, and check its answer against a sieve's.

Exit status: 0 when both agree after at least four hops, 1 otherwise.
"""

import json
import math
import os
import shlex
import sys
import time
from pathlib import Path

import app

from carryon_cli import session
from carryon_cli.errors import CommandError
from carryon_cli.terminal import Terminal

TIMEOUT_S = 3
MARGIN_S = 0.5
HOPS_AT_LEAST = 4
# So many that a machine which becomes twice as fast needs three and a half still, ...
HOPS_PLANNED = 7
# ... and one which becomes ten times as slow, for all that runs beside it, comes to the end.
HOPS_AT_MOST = 100
CALIBRATION_S = 1.0
VARIABLES = {"CARRYON_STATE": "count,candidate", "CARRYON_MAX_HOPS": str(HOPS_AT_MOST)}

# What a machine without time for it does to a hop.
TOO_SLOW = ("Carryon.DeliveryFailed", "Carryon.Lost", "Sandbox.Timedout")


class Watched(Terminal):
    """The terminal's view, which keeps what the chain came to."""

    def ended(self, chain, outcome, elapsed_s):
        """Keep the hops and the outcome."""
        super().ended(chain, outcome, elapsed_s)
        self.hops = chain.hops
        self.outcome = outcome


def main():
    print("measuring how fast this machine is", flush=True)
    n, prime = choose_n(calibrate())
    os.chdir(Path(__file__).parent)
    print("$ " + command(n), flush=True)
    view = Watched(TIMEOUT_S)
    session.run(
        "app.handler",
        json.dumps({"n": n}).encode(),
        timeout_s=TIMEOUT_S,
        memory_mb=1769,
        variables=VARIABLES,
        python=None,
        in_emulator=False,
        view=view,
    )
    complaint = judge(view.outcome, view.hops, n, prime)
    if complaint:
        print(f"\ndemo: {complaint}", file=sys.stderr)
        return 1
    print(f"\nprime number {n:,} is {prime} after {len(view.hops)} hops, and by a sieve")
    return 0


def command(n):
    """What does the same by hand."""
    variables = [word for name, value in VARIABLES.items() for word in ("--env", f"{name}={value}")]
    event = json.dumps({"n": n})
    return shlex.join(["carryon", "local", "app.handler", "--timeout", str(TIMEOUT_S), *variables, "--event", event])


def judge(outcome, hops, n, prime):
    """Return what is wrong with the chain's end and what to do about it, None when nothing is."""
    if not outcome.ok:
        error = outcome.error or {}
        kind = error.get("errorType")
        if kind == "Carryon.HopLimit":
            advice = "something else has nearly all of the processor: try again without it"
        elif kind in TOO_SLOW:
            advice = f"the last {MARGIN_S} s of a hop were not enough: try again when less runs beside it"
        else:
            advice = "this should not happen: please report it, with all that was printed above"
        failed = f"hop {hops[-1].number}" if hops else "the start"
        return f"there is no answer: {failed} failed with {kind}: {error.get('errorMessage')}\n{advice}"
    answer = json.loads(outcome.result) if outcome.result else None
    if answer != {"n": n, "prime": prime}:
        return f"the answers differ: {answer}, and {prime} by a sieve\nplease report it"
    if len(hops) < HOPS_AT_LEAST:
        return (
            f"the answer is right, but it took {len(hops)} hops and not {HOPS_AT_LEAST}\n"
            "the machine has become more than twice as fast as it was measured to be: try again"
        )
    return None


def calibrate():
    """Return up to which number this machine searches in CALIBRATION_S seconds on a processor of its own."""
    # Of the processor's time, so that n does not depend on what else is running just now and may soon be gone.
    began = time.process_time()
    candidate = 1
    while time.process_time() - began < CALIBRATION_S:
        # To ask for the time costs as much as a number.
        for _ in range(100):
            candidate += 1
            app.is_prime(candidate)
    return candidate


def choose_n(searched):
    """Return an n that takes HOPS_PLANNED hops where CALIBRATION_S suffice up to `searched`, and the n-th prime."""
    # A prime costs its square root in divisions, and one number in log(number) is prime.
    wanted = cost(searched) * HOPS_PLANNED * (TIMEOUT_S - MARGIN_S) / CALIBRATION_S
    limit = searched
    while cost(limit) < wanted:
        limit = int(limit * 1.01) + 1
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
