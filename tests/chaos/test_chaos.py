"""Processes are killed, or stopped for a second, at every phase of an invocation whose time is up."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.support.emulator import Emulator, Result
from tests.support.functions import continuing
from tests.support.lambda_api import LambdaApi
from tests.support.processes import wait_until
from tests.support.runtimes import RUNTIMES
from tests.support.stalls import Stalls

from .phases import CONTINUED, DELIVER, DELIVERED, IMPORT_S, OUT_OF_TIME, PHASES, Ending
from .scene import MEMORY_MB, TIMEOUT_S, Scene

FUNCTIONS = Path(__file__).parent / "functions"

KILLS = 25
KILLS_SHORT = 2
# In one environment after the other, each with another runtime, margin and CARRYON_ON_CRASH. The margins are one that
# leaves time for everything, and what is the default for this timeout.
_KILLS_TOGETHER = 5
_MARGINS_S = (1.0, 0.5)
_AT_REST = 2
# Of the margin, half of what is left when the supervisor answers for a process that has handed over.
_STALL_SHARE = 0.125


def how_it_ended(result: Result) -> str:
    """One word for what the caller got."""
    if result.timed_out:
        return "timed out"
    if result.status != 200:
        return "dead environment"
    if result.error_type:
        return result.error_type
    if result.json.get("carryon", {}).get("continued"):
        return "continued"
    return "finished" if result.json.get("finished") == result.request_id else "nonsense"


def continuations(api: LambdaApi, request_id: str) -> int:
    """How many continuations of an invocation have arrived."""
    return sum(call.json["carryon"]["parent"] == request_id for call in api.accepted)


@pytest.mark.parametrize("phase", PHASES, ids=lambda name: name.replace(" ", "-"))
def test_a_kill_leaves_one_outcome_and_a_working_environment(phase, layer, sample, record_property):
    """Answered, or failed as Lambda would fail it; never two continuations, and the next invocations are right."""
    count = sample(full=KILLS, short=KILLS_SHORT)
    endings: Counter[str] = Counter()
    numbers = range(count)
    for first in numbers[::_KILLS_TOGETHER]:
        endings += _strike_repeatedly(phase, numbers[first : first + _KILLS_TOGETHER], layer)
    ended = ", ".join(f"{times} {ending}" for ending, times in sorted(endings.items()))
    record_property("sampled", f"    {phase}: {count} kills: {ended}")


def _strike_repeatedly(phase: str, numbers: range, layer: Path) -> Counter[str]:
    turn = numbers[0] // _KILLS_TOGETHER
    margin_s = _MARGINS_S[turn % 2]
    on_crash = ("report", "continue")[(list(PHASES).index(phase) + turn // 2) % 2]
    runtime = RUNTIMES[-1 - turn % len(RUNTIMES)]
    endings: Counter[str] = Counter()
    with LambdaApi() as api:
        env = continuing(
            api,
            CARRYON_ON_CRASH=on_crash,
            CARRYON_MARGIN=f"{int(margin_s * 1000)}ms",
            CARRYON_STATE="progress",
            IMPORT_S=str(IMPORT_S if phase == "in the respawned import" else 0),
        )
        with Emulator(runtime, FUNCTIONS, layer=layer, env=env, timeout_s=TIMEOUT_S, memory_mb=MEMORY_MB) as function:
            function.invoke({"do": "finish"})
            seen: dict[str, Ending] = {}
            for number in numbers:
                blow = (signal.SIGKILL, signal.SIGSTOP)[number % 2]
                scene = Scene(function, api, margin_s, blow, random.Random(f"{phase}-{number}"))
                told = f"{phase}-{number} {blow.name} {runtime} CARRYON_ON_CRASH={on_crash} CARRYON_MARGIN={margin_s}s"
                try:
                    with Stalls() as stalls:
                        allowed = PHASES[phase](scene)
                        result = scene.end()
                    told += f" {scene.place}"
                    ending = how_it_ended(result), continuations(api, result.request_id)
                    seen[result.request_id] = ending
                    if ending in OUT_OF_TIME and stalls.longest_s > margin_s * _STALL_SHARE:
                        # Nobody had a CPU in the time that the supervisor has for delivery and answer.
                        endings[f"{blow.name} {ending[0]}, as the machine stalled for {stalls.longest_s:.2f} s"] += 1
                        _assert_at_rest(function)
                        continue
                    assert ending in allowed.after(blow, on_crash), (ending, result)
                    assert not result.timed_out or scene.stopped_past_deadline, result
                    delivered = " and delivered" if ending[1] and ending[0] != "continued" else ""
                    endings[f"{blow.name} {ending[0]}{delivered}"] += 1
                    _assert_at_rest(function)
                except BaseException as error:
                    raise AssertionError(f"{told}: {error!r}\n{function.raw_log}") from error
        for request_id, ending in seen.items():
            # The courier may outlive an environment that dies by as long as the platform takes to kill it.
            late = 1 if ending[0] == "dead environment" else ending[1]
            assert ending[1] <= continuations(api, request_id) <= late, "a continuation arrived after the answer"
    assert function.leftovers == []
    return endings


def _assert_at_rest(function: Emulator) -> None:
    """The next invocations are right, and nothing of those before is left."""
    for _ in range(2):
        result = function.invoke({"do": "finish"})
        assert how_it_ended(result) == "finished", result
    wait_until(lambda: len(function.processes()) == _AT_REST, 5, "more or fewer than a supervisor and a runtime")


def test_a_process_that_dies_while_idle_ends_as_without_the_layer(layer, newest_runtime):
    """Killed in GET /next: the platform notices with the next event, and starts another."""
    outcomes = []
    for wrapper in (False, True):
        with Emulator(newest_runtime, FUNCTIONS, layer=layer, wrapper=wrapper, timeout_s=TIMEOUT_S) as function:
            os.kill(function.invoke({"do": "finish"}).json["pid"], signal.SIGKILL)
            results = [function.invoke({"do": "finish"}) for _ in range(2)]
        outcomes.append([(how_it_ended(result), result.status) for result in results])

    without, with_layer = outcomes
    assert with_layer == without
    assert with_layer[-1] == ("finished", 200)


def test_a_process_that_is_stopped_while_it_orders_the_delivery_is_answered_for(layer, newest_runtime):
    """It keeps everybody else off the order; the supervisor ends that, and orders by itself."""
    with LambdaApi() as api:
        env = continuing(api, CARRYON_MARGIN="1s")
        with Emulator(
            newest_runtime, FUNCTIONS, layer=layer, env=env, timeout_s=TIMEOUT_S, memory_mb=MEMORY_MB
        ) as function:
            function.invoke({"do": "finish"})
            scene = Scene(function, api, 1.0, signal.SIGSTOP, random.Random("ordering"))
            scene.set_trap("work", ["call", "carryon/shared/board.py", "put_order"], DELIVERED, 1)
            result = scene.end()
            _assert_at_rest(function)
        assert (how_it_ended(result), continuations(api, result.request_id)) == CONTINUED, result
    assert function.leftovers == []


def test_a_supervisor_that_slept_through_a_delivery_does_not_order_another(layer, newest_runtime):
    """The courier looks for orders by itself; it has delivered, and an outer layer keeps the answer back."""
    with LambdaApi() as api:
        env = continuing(api, CARRYON_MARGIN="2500ms")
        with Emulator(newest_runtime, FUNCTIONS, layer=layer, env=env, timeout_s=5, memory_mb=MEMORY_MB) as function:
            function.invoke({"do": "finish"})
            scene = Scene(function, api, 2.5, signal.SIGSTOP, random.Random("slept"))
            trap = {"begin": DELIVER, "end": DELIVERED, "steps": 0, "parent": True, "signal": signal.SIGSTOP}
            scene.begin("work", trap=trap, flush_s=1)
            supervisor = scene.says("struck")
            wait_until(lambda: api.accepted, 5, "the courier does not look")
            os.kill(supervisor, signal.SIGCONT)
            result = scene.end()
            _assert_at_rest(function)
        assert (how_it_ended(result), continuations(api, result.request_id)) == CONTINUED, result
    assert function.leftovers == []
