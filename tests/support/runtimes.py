"""The Pythons and runtime clients (awslambdaric) that this machine can test with, as tools/prepare.py made them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
EMULATOR = ROOT / ".cache/rie/aws-lambda-rie"
RUNTIME_FOLDER = Path(__file__).resolve().parent / "runtime"
SUPPORTED = ("3.10", "3.11", "3.12", "3.13", "3.14")


class Runtime(NamedTuple):
    """One Python with one version of awslambdaric (`client`) and boto3 in its site-packages."""

    version: str
    client: str
    python: Path

    def __str__(self) -> str:
        return f"py{self.version}-ric{self.client}"


def _find() -> list[Runtime]:
    found = []
    for stamp in (ROOT / ".cache/runtimes").glob("py*-ric*/.made-from"):
        version, client = re.fullmatch(r"py([\d.]+)-ric([\d.]+)", stamp.parent.name).groups()
        found.append(Runtime(version, client, stamp.parent / "bin/python"))
    return sorted(found, key=lambda runtime: (_numbers(runtime.version), _numbers(runtime.client)))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


# Every runtime, oldest Python first.
RUNTIMES = _find()

# The interpreter of each Python, by version.
PYTHONS = {runtime.version: runtime.python for runtime in RUNTIMES}

# The oldest and the newest Python with the oldest and the newest client.
EDGES = [RUNTIMES[0], RUNTIMES[-1]] if len(RUNTIMES) > 1 else RUNTIMES

# For what cannot differ between versions.
NEWEST = RUNTIMES[-1] if RUNTIMES else None

MISSING = [version for version in SUPPORTED if version not in {runtime.version for runtime in RUNTIMES}]
