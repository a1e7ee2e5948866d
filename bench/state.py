"""What captured states are worth and what they cost: torn ones, a later alarm, checkpoints, captures, lost progress."""

from __future__ import annotations

import json
import random
import statistics
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from figures import BOOTSTRAP, Figure
from rescue import percentile
from runtime_api import Environment

from tests.support.lambda_api import LambdaApi

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.runtimes import Runtime

_T = TypeVar("_T")

_STATE = {"CARRYON_STATE": "count,total"}
_PROGRAMS = ("computing", "waiting", "helpers")
_MARGIN_S = 0.15
_SHORT = {"CARRYON_MARGIN": f"{int(_MARGIN_S * 1000)}ms"}

LATER_GOAL_MS = 2
LATER_P99_GOAL_MS = 10
CHECKPOINT_GOAL_US = 20
CAPTURES_GOAL_PERCENT = 0.1

# A capture takes what it takes, and their interval is a share of the time.
_CAPTURES_TIMEOUTS_S = 10, 30
# Of it. From half of the time on there are captures; 1.2 s before the alarm the courier begins to use the CPU.
_CAPTURES_FROM, _CAPTURES_TO = 0.51, 0.74
# Of an iteration and a timer interrupt; a capture takes a tenth of a millisecond or more.
_USUAL_S = 5e-5

_LOST_TIMEOUT_S, _LOST_LONG_TIMEOUT_S = 3, 30
_LOST_MARGIN_S = 0.5
_LOST_SHARE = 0.01
_LOST_TURNS_MAX = 3


def torn(runtime: Runtime, layer: Path, count: int) -> list[Figure]:
    """States in which the variables disagree; a plain signal handler, which copies them where it is, beside it."""
    chance = random.Random("torn")
    with (
        Environment(runtime.python, BOOTSTRAP, layer, "progress.interrupted", {**_STATE, **_SHORT}) as layered,
        Environment(runtime.python, BOOTSTRAP, None, "progress.interrupted_plainly") as plain,
    ):
        layered.start()
        plain.start()
        states, copies = [], []
        for number in range(count):
            event = {"program": _PROGRAMS[number % len(_PROGRAMS)], "after_s": chance.uniform(0.02, 0.06)}
            served = layered.serve(json.dumps(event).encode(), chance.uniform(0.3, 0.4))
            # On a busy machine the supervisor may have had to answer.
            states.append(None if served.is_error else served.answer)
            copies.append(_invoke(plain, event, 3))
    carried = [state for state in states if state]
    return [
        Figure("torn states", sum(map(_is_torn, carried)), "", 0, {"count": count, "captured": len(carried)}),
        Figure("  with a plain signal handler", sum(map(_is_torn, copies)), "", None, {"count": count}),
    ]


def safe_point(runtime: Runtime, layer: Path, count: int) -> list[Figure]:
    """How much later the alarm is raised where there is a state, which has to be whole."""

    def late(environment: Environment, number: int) -> float:
        return _late_ms(environment, {"program": _PROGRAMS[number % len(_PROGRAMS)]})

    late_ms = _paired(runtime, layer, "progress.told", _SHORT, count, late)
    first_ms = late_ms[1][0]
    later = [after - before for before, after in zip(*late_ms, strict=True)]
    detail = {"late without": statistics.median(late_ms[0]), "the first one": first_ms, "count": count}
    return [
        Figure("alarm later by the safe point", statistics.median(later), "ms", LATER_GOAL_MS, detail),
        Figure("  p99", percentile(later, 99), "ms", LATER_P99_GOAL_MS, detail),
    ]


def checkpoint(runtime: Runtime, layer: Path, count: int) -> list[Figure]:
    """One call, by the size of the state."""
    with Environment(runtime.python, BOOTSTRAP, layer, "progress.checkpoints") as environment:
        environment.start()
        figures = []
        for size, goal in ((1_000, CHECKPOINT_GOAL_US), (100_000, None)):
            taken = [seconds * 1e6 for seconds in _invoke(environment, {"size": size, "count": count}, 60)]
            detail = {"p99": percentile(taken, 99), "count": count}
            figures.append(Figure(f"checkpoint, {size // 1000} KB", statistics.median(taken), "us", goal, detail))
    return figures


def captures(runtime: Runtime, layer: Path, count: int) -> list[Figure]:
    """Share of the time that captures before the alarm take from a loop: where they are made, and of all of it."""
    return [figure for timeout_s in _CAPTURES_TIMEOUTS_S for figure in _captures(runtime, layer, count, timeout_s)]


def _captures(runtime: Runtime, layer: Path, count: int, timeout_s: int) -> list[Figure]:
    event = {"usual_s": _USUAL_S, "from_s": _CAPTURES_FROM * timeout_s, "to_s": _CAPTURES_TO * timeout_s}

    def share_and_longest(environment: Environment, _: int) -> tuple[float, float]:
        share, longest_s = _invoke(environment, event, timeout_s)
        return share * 100, longest_s * 1e3

    pairs = _paired(runtime, layer, "progress.gaps", {"CARRYON_TO": "self"}, count, share_and_longest)
    shares = [[share for share, _ in measured] for measured in pairs]
    taken = [after - before for before, after in zip(*shares, strict=True)]
    detail = {
        "without": statistics.median(shares[0]),
        "with": statistics.median(shares[1]),
        "differences": taken,
        "longest pauses, ms": [longest_ms for _, longest_ms in pairs[1]],
    }
    share = statistics.median(taken)
    of_all = share * (_CAPTURES_TO - _CAPTURES_FROM) / _CAPTURES_TO
    name = f"captures before the alarm, T = {timeout_s} s"
    return [
        Figure(name, of_all, "%", CAPTURES_GOAL_PERCENT, detail),
        Figure("  of the second half", share, "%", CAPTURES_GOAL_PERCENT, detail),
    ]


def lost(runtime: Runtime, layer: Path, count: int) -> list[Figure]:
    """Work done that is not in the state which travels; one iteration or a hundredth of the time may be."""
    stuck = "lost, stuck in C at the end"
    cases = {
        "lost per hop": (_LOST_TIMEOUT_S, 0.005, False, count),
        "lost per hop, iterations of 100 ms": (_LOST_TIMEOUT_S, 0.1, False, count),
        f"{stuck}, T = {_LOST_TIMEOUT_S} s": (_LOST_TIMEOUT_S, 0.005, True, count),
        f"{stuck}, T = {_LOST_LONG_TIMEOUT_S} s": (_LOST_LONG_TIMEOUT_S, 0.005, True, max(count // 3, 1)),
    }
    with ThreadPoolExecutor(len(cases)) as pool:
        jobs = [pool.submit(_lost_ms, runtime, layer, *case) for case in cases.values()]
        taken = [job.result() for job in jobs]
    figures = []
    for (name, (timeout_s, step_s, _, _)), lost_ms in zip(cases.items(), taken, strict=True):
        goal = max(step_s, timeout_s * _LOST_SHARE) * 1e3
        detail = {"worst": max(lost_ms), "count": len(lost_ms)}
        figures.append(Figure(name, statistics.median(lost_ms), "ms", goal, detail))
    return figures


def _lost_ms(runtime: Runtime, layer: Path, timeout_s: int, step_s: float, is_stuck: bool, count: int) -> list[float]:
    chance = random.Random(step_s)
    taken = []
    with LambdaApi() as api, tempfile.TemporaryDirectory() as folder:
        told_at = Path(folder) / "told-at"
        env = {
            "CARRYON_TO": "self",
            "AWS_ENDPOINT_URL": api.url,
            "CARRYON_STATE": "count,ended_at",
            "CARRYON_MARGIN": f"{int(_LOST_MARGIN_S * 1000)}ms",
        }
        with Environment(runtime.python, BOOTSTRAP, layer, "progress.lose", env) as environment:
            environment.start()
            for _ in range(count * _LOST_TURNS_MAX):
                stuck_after_s = chance.uniform(0.6, 0.8) * timeout_s if is_stuck else 0
                event = {"step_s": step_s, "stuck_after_s": stuck_after_s, "told_at": str(told_at)}
                served = environment.serve(json.dumps(event).encode(), timeout_s)
                if len(api.calls) == len(taken):
                    continue  # on a busy machine the courier may be late, which is measured elsewhere
                began = served.deadline_ms / 1000 - timeout_s
                state: dict[str, float] = api.calls[-1].json["carryon"].get("state", {})
                taken.append((float(told_at.read_text()) - (state.get("ended_at") or began)) * 1e3)
                if len(taken) == count:
                    return taken
    raise RuntimeError(f"carried on {len(taken)} of {count * _LOST_TURNS_MAX} times: {served.answer}")


def _paired(
    runtime: Runtime,
    layer: Path,
    handler: str,
    env: dict[str, str],
    count: int,
    measure: Callable[[Environment, int], _T],
) -> tuple[list[_T], list[_T]]:
    """What is measured without a state and with one, turn by turn."""
    measured: tuple[list[_T], list[_T]] = [], []
    with (
        Environment(runtime.python, BOOTSTRAP, layer, handler, env) as without,
        Environment(runtime.python, BOOTSTRAP, layer, handler, {**_STATE, **env}) as with_state,
    ):
        order = [(without, measured[0]), (with_state, measured[1])]
        for environment, _ in order:
            environment.start()
        for number in range(count):
            for environment, into in order:
                into.append(measure(environment, number))
            order.reverse()
    return measured


def _invoke(environment: Environment, event: dict[str, Any], timeout_s: float) -> Any:
    return environment.invoke(json.dumps(event).encode(), timeout_s)[1]


def _late_ms(environment: Environment, event: dict[str, Any]) -> float:
    served = environment.serve(json.dumps(event).encode(), 0.35)
    return served.answer * 1e3 - (served.deadline_ms - _MARGIN_S * 1e3)


def _is_torn(state: dict[str, int]) -> bool:
    return state["total"] != state["count"] * (state["count"] + 1) // 2
