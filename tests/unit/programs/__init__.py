"""Programs that each Python runs with the modules of the layer, and what runs them."""

import os
import subprocess

from tests.support.runtimes import ROOT

FOLDER = ROOT / "tests/unit/programs"


def environment(**env):
    """This process's, with the layer's modules to be found."""
    return {**os.environ, "PYTHONPATH": str(ROOT / "layer/python"), **env}


def run(python, program, *arguments, task_root, timeout_s, **env):
    """What a program of this folder writes to stdout.

    Args:
        python: path of the interpreter.
        program: the file's name.
        arguments: the program's own.
        task_root: folder of the function's code.
        timeout_s: how long it may take.
        env: variables beside this process's own.
    """
    result = subprocess.run(
        [python, FOLDER / program, *arguments],
        env=environment(LAMBDA_TASK_ROOT=str(task_root), **env),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert result.returncode == 0, (result.args, result.stderr[-3_000:])
    return result.stdout
