"""What an execution environment consists of: folders, command and variables, as near to Lambda's as they can be."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from carryon_cli import layer
from carryon_cli.function import REGION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from carryon_cli.interpreter import Interpreter

_ENVIRONMENT = Path(__file__).with_name("environment.py")
_RUNTIME = """\
import os, sys
task_root = os.environ["LAMBDA_TASK_ROOT"]
sys.path[:0] = [task_root, {layer!r}]
sys.path += {packages!r}
from awslambdaric.__main__ import main
main([task_root, os.environ["_HANDLER"]])
"""
# What Lambda sets, and the value where the local platform has none.
_PLATFORM_VARIABLES = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "",
    "AWS_LAMBDA_FUNCTION_NAME": "",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_LOG_STREAM_NAME": "local",
    "AWS_LAMBDA_RUNTIME_API": "",
    "AWS_REGION": REGION,
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_SESSION_TOKEN": "test",
    "_HANDLER": "",
}


def lay_out(folder: Path, interpreter: Interpreter, runtime: Path) -> list[str]:
    """Put the layer and the runtime's script into `folder`, and return the command that starts the runtime.

    Args:
        folder: for both.
        interpreter: whose version the function asked for, and whose packages it may use.
        runtime: a Python of that version, with awslambdaric.

    Raises:
        CommandError: there is no layer.
    """
    opt = folder / "opt"
    layer.lay_out(opt)
    script = folder / "runtime/bootstrap.py"
    script.parent.mkdir()
    packages = [str(interpreter.packages)] if interpreter.packages else []
    script.write_text(_RUNTIME.format(layer=str(opt / "python"), packages=packages))
    return [str(opt / "carryon"), str(runtime), str(script)]


def bootstrap(socket: Path) -> str:
    """Return the script that starts an environment, which registers at `socket`."""
    return f"#!/bin/sh\nexec {shlex.join([sys.executable, '-IS', str(_ENVIRONMENT), str(socket)])}\n"


def variables(platform: Mapping[str, str], version: str, task_root: str) -> dict[str, str]:
    """Return the variables that every function has in Lambda, and none of the developer's shell but search paths.

    Args:
        platform: the variables that the local platform has set.
        version: of Python, such as "3.11".
        task_root: the function's folder.
    """
    searched = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    given = {name: platform.get(name, default) for name, default in _PLATFORM_VARIABLES.items()}
    return {
        **searched,
        **given,
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "LAMBDA_TASK_ROOT": task_root,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{version}",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{given['AWS_LAMBDA_FUNCTION_NAME']}",
        # boto3 would find the developer's own below the home folder, and Lambda has none.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
