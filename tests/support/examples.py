"""The examples, run as their READMEs say: what is tested is the command line that is printed there."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from carryon_cli import local
from carryon_cli.function import REGION

from .runtimes import ROOT, Runtime

NAMES = sorted(path.parent.name for path in (ROOT / "examples").glob("*/app.py"))
_COMMAND = re.compile(r"^carryon (local (?:.*\\\n)*.*)$", re.MULTILINE)


class Example(NamedTuple):
    """One of examples/, and the first `carryon local` in its README: all words behind `carryon` but --python's."""

    name: str
    arguments: list[str]
    handler: str
    event: Any
    timeout_s: int
    env: dict[str, str]
    setup: Path | None

    @property
    def folder(self) -> Path:
        """Its code."""
        return ROOT / "examples" / self.name

    def set_up(self, runtime: Runtime, endpoint: str) -> None:
        """Make what it needs in the services at the endpoint."""
        if self.setup:
            variables = {
                "AWS_ENDPOINT_URL": endpoint,
                "AWS_DEFAULT_REGION": REGION,
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
            }
            environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
            subprocess.run([runtime.python, self.setup], env={**environment, **variables}, check=True, timeout=120)

    @property
    def packages(self) -> dict[str, str]:
        """The variables by which it finds the packages of its requirements.txt."""
        if not (self.folder / "requirements.txt").is_file():
            return {}
        folder = ROOT / ".cache/examples" / self.name
        assert folder.is_dir(), f"no packages for {self.name}: ./build.sh setup"
        return {"PYTHONPATH": str(folder)}


def find(name: str) -> Example:
    """Return the example of that name."""
    folder = ROOT / "examples" / name
    command = _COMMAND.search((folder / "README.md").read_text())
    assert command, f"{folder}/README.md has no line that begins with `carryon local`"
    parser = argparse.ArgumentParser(exit_on_error=False)
    local.add_parser(parser.add_subparsers())
    words = shlex.split(command[1].replace("\\\n", " "))
    arguments = parser.parse_args(words)
    if arguments.python:
        at = words.index("--python")
        del words[at : at + 2]
    in_file = (folder / arguments.event).is_file()
    return Example(
        name,
        words,
        arguments.handler,
        json.loads((folder / arguments.event).read_text() if in_file else arguments.event),
        int(arguments.timeout),
        dict(assignment.split("=", 1) for assignment in arguments.env),
        folder / arguments.setup if arguments.setup else None,
    )
