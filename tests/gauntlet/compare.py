"""The gauntlet without and with Carry On, as a Markdown table: `python -m tests.gauntlet.compare [WAY...]`.

With `--memory MB`, Carry On alone at the CPU share of that memory, and with `--timeout S` another timeout than 3 s.

Each way is taken by the second invocation of an environment of its own: by the bare function, by the function under a
decorator that raises TimeoutError from SIGALRM half a second before the deadline, and with Carry On.
"""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
import tempfile
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.support import layer as layer_support
from tests.support.emulator import Emulator, Result
from tests.support.functions import continuing
from tests.support.lambda_api import LambdaApi
from tests.support.processes import wait_until
from tests.support.quota import Quota
from tests.support.runtimes import NEWEST

from .family import Watch
from .services import SERVICES, packages
from .ways import DEADLY, WAYS

FUNCTIONS = Path(__file__).parent / "functions"
TIMEOUT_S = 3
AT_ONCE = 3
_REST_S = 2

PLAIN, DECORATOR, CARRY_ON, ON_CRASH = "plain", "SIGALRM decorator", "Carry On", "Carry On, on crash"
OPTIONS: dict[str, dict[str, Any]] = {
    PLAIN: {"wrapper": False, "handler": "app.handler"},
    DECORATOR: {"wrapper": False, "handler": "decorated.handler"},
    CARRY_ON: {"handler": "app.handler"},
    ON_CRASH: {"handler": "app.handler"},
}
_SETTINGS = {ON_CRASH: {"CARRYON_ON_CRASH": "continue"}}

KILLED, DIED, ERROR = "killed at the timeout", "process died", "error in time"
CONTINUED, FINISHED = "continued", "returned as if done"
_ANSWERED = (ERROR, CONTINUED)

_busy = threading.Lock()


def main() -> None:
    """Take the ways in every mode and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ways", nargs="*", metavar="WAY")
    parser.add_argument("--memory", type=int, metavar="MB")
    parser.add_argument("--timeout", type=int, metavar="S", default=TIMEOUT_S)
    options = parser.parse_args()
    names = options.ways or list(WAYS)
    modes = OPTIONS if options.memory is None else [CARRY_ON]
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as servers:
        layer = layer_support.build_once(Path(folder))
        services = {name: servers.enter_context(server()) for name, server in SERVICES.items()}
        jobs = [(name, mode) for name in names for mode in modes if mode != ON_CRASH or name in DEADLY]
        place = layer, services, options.timeout, options.memory
        with ThreadPoolExecutor(AT_ONCE) as pool:
            cells = dict(zip(jobs, pool.map(lambda job: _take(*job, *place), jobs), strict=True))
    print(table(names, cells) if options.memory is None else small_table(names, cells))


def _take(name: str, mode: str, layer: Path, services: dict[str, Any], timeout_s: int, memory_mb: int | None) -> str:
    way = WAYS[name]
    with contextlib.ExitStack() as stack:
        options: dict[str, Any] = {**OPTIONS[mode], "timeout_s": timeout_s, "layer": layer}
        quota = None
        if memory_mb is not None:
            quota = stack.enter_context(Quota(memory_mb, full_core_first=True))
            wrapper = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "in-quota"
            wrapper.write_text(f'#!/bin/sh\nexec {shlex.join(quota.command([]))} "$@"\n')
            wrapper.chmod(0o755)
            options["memory_mb"] = memory_mb
            options["env"] = {"CARRYON_NEXT_WRAPPER": str(wrapper)}
        elif way.busy:
            stack.enter_context(_busy)
        cell = _outcome(name, mode, services, options, quota)
    print(f"{name}, {mode}: {cell}", file=sys.stderr, flush=True)
    return cell


def _outcome(name: str, mode: str, services: dict[str, Any], options: dict[str, Any], quota: Quota | None) -> str:
    way = WAYS[name]
    assert NEWEST
    event = {"do": name, **({way.service: services[way.service]} if way.service else {})}
    echo = {"do": "echo", "next": name}
    with LambdaApi() as api:
        env = continuing(api, PACKAGES=str(packages(NEWEST)), **_SETTINGS.get(mode, {}), **options.pop("env", {}))
        with (
            Emulator(NEWEST, FUNCTIONS, env=env, **options) as function,
            Watch(function) as watch,
        ):
            function.invoke(echo)
            at_rest = len(watch.alive())
            if quota:
                quota.limit()
            result = watch.invoke(event)
            words = [_ending(result)]
            after = function.invoke(echo)
            if after.status != 200 or after.timed_out or after.json.get("echo") != echo:
                words.append("the next one lost")
            try:
                wait_until(lambda: len(watch.alive()) == at_rest, _REST_S, "processes are left")
            except TimeoutError:
                words.append("a process left over")
            if len(api.calls) != (words[0] == CONTINUED):
                words.append(f"{len(api.calls)} continuations")
    return ", ".join(words)


def _ending(result: Result) -> str:
    if result.timed_out:
        return KILLED
    if result.status != 200:
        return DIED
    if result.error_type:
        return ERROR
    return CONTINUED if result.json and "carryon" in result.json else FINISHED


def small_table(names: list[str], cells: dict[tuple[str, str], str]) -> str:
    """Markdown: a row for each way that was not answered in time, and how many were."""
    lost = [name for name in names if cells[name, CARRY_ON] not in _ANSWERED]
    lines = ["| way | Carry On |", "|---|---|", *(f"| {WAYS[name].text} | {cells[name, CARRY_ON]} |" for name in lost)]
    return "\n".join(
        [*lines, f"| **answered in time, nothing left over** | {len(names) - len(lost)} of {len(names)} |"]
    )


def table(names: list[str], cells: dict[tuple[str, str], str]) -> str:
    """Markdown: a row for each way, and how often a mode answered in time and left everything in order."""
    modes = (PLAIN, DECORATOR, CARRY_ON)
    lines = [f"| way | {' | '.join(modes)} |", "|---" * (len(modes) + 1) + "|"]
    answered: Counter[str] = Counter()
    for name in names:
        row = [cells[name, mode] for mode in modes]
        answered.update(mode for mode, cell in zip(modes, row, strict=True) if cell in _ANSWERED)
        if name in DEADLY:
            row[-1] += f"; on request {cells[name, ON_CRASH]}"
        lines.append(f"| {WAYS[name].text} | {' | '.join(row)} |")
    totals = [f"{answered[mode]} of {len(names)}" for mode in modes]
    lines.append(f"| **answered in time, nothing left over** | {' | '.join(totals)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
