"""Measure what the layer costs: python bench/run.py [--only FIGURE,...] [--quick] [--python 3.13].

Prints a table and writes dist/bench.json. Figures: start, invocation, memory, alarm, hand_over, rescue, small, table,
torn, safe_point, checkpoint, captures, lost, kept, size.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from pathlib import Path

import figures
import kept
import lease_table
import rescue
import small
import state

from tests.support.layer import build_once
from tests.support.runtimes import ROOT, RUNTIMES

COUNTS = {
    "start": 60,
    "invocation": 2_000,
    "memory": 5,
    "alarm": 200,
    "hand_over": 30,
    "rescue": 100,
    "small": 50,
    "table": 30,
    "torn": 1_000,
    "safe_point": 300,
    "checkpoint": 2_000,
    "captures": 6,
    "lost": 20,
    "kept": 40,
}
RESULTS = ROOT / "dist/bench.json"


def main() -> int:
    parser = argparse.ArgumentParser(description="What the layer costs, against the bare runtime.")
    parser.add_argument("--only", metavar="FIGURE,...", help=f"of {', '.join(COUNTS)}, size")
    parser.add_argument("--quick", action="store_true", help="a tenth of the counts, to see that it runs")
    parser.add_argument("--python", metavar="VERSION", help="3.10 and so on; default: the newest there is")
    options = parser.parse_args()
    chosen = options.only.split(",") if options.only else [*COUNTS, "size"]
    unknown = set(chosen) - {*COUNTS, "size"}
    runtimes = [runtime for runtime in RUNTIMES if options.python in (None, runtime.version)]
    if unknown or not runtimes:
        parser.error(f"unknown figure {', '.join(unknown)}" if unknown else f"no runtime for Python {options.python}")
    runtime = runtimes[-1]

    measured = []
    with tempfile.TemporaryDirectory() as folder:
        layer = build_once(Path(folder))
        print(f"{runtime}, {platform.machine()}, {platform.release()}\n")
        print(f"{'figure':38}{'measured':>12}{'goal':>12}")
        for name in chosen:
            if name == "size":
                rows = figures.size(Path(folder) / "carryon-layer.zip")
            else:
                count = max(COUNTS[name] // 10, 2) if options.quick else COUNTS[name]
                modules = (figures, rescue, small, lease_table, state, kept)
                module = next(module for module in modules if hasattr(module, name))
                rows = getattr(module, name)(runtime, layer, count)
            for row in rows:
                goal = f"{row.goal:>9} {row.unit:2}" if row.goal is not None else ""
                over = "  over" if row.goal is not None and row.value > row.goal else ""
                print(f"{row.name:38}{row.value:>9.2f} {row.unit:2}{goal}{over}", flush=True)
            measured += rows
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"runtime": str(runtime), "figures": [row._asdict() for row in measured]}, indent=1))
    print(f"\nwritten to {RESULTS.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
