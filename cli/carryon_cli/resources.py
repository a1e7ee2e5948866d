"""What a function finds in its account: buckets, tables and queues, made by a script of the user's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carryon_cli.errors import CommandError
from carryon_cli.processes import Kept

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from carryon_cli.view import View


def make(script: Path, python: Path, variables: Mapping[str, str], view: View) -> None:
    """Run the script in the current folder and show what it prints.

    Args:
        script: in Python.
        python: what runs it; has boto3.
        variables: its environment: that of the function, whose endpoint and name it finds there.
        view: shows its output.

    Raises:
        CommandError: it fails.
    """
    view.say(f"running {script.name}")
    with Kept([python, script], variables) as process:
        status = process.wait()
        if status != 0:
            raise CommandError(f"--setup {script}: exit status {status}\n{process.last_words()}")
        for line in process.output().splitlines():
            view.printed(None, line)
