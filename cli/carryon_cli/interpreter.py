from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from carryon_cli.errors import UsageError

SUPPORTED = ("3.10", "3.11", "3.12", "3.13", "3.14")

_PROBE = """
import json, os, sys, sysconfig
base = os.path.join(sys.base_prefix, "bin", "python%d.%d" % sys.version_info[:2])
own = sysconfig.get_path("purelib") if sys.prefix != sys.base_prefix else None
print(json.dumps(["%d.%d" % sys.version_info[:2], base if os.path.exists(base) else sys.executable, own]))
"""


class Interpreter(NamedTuple):
    """A Python to run functions with.

    Args:
        version: such as "3.11".
        base: the interpreter itself, outside any virtual environment.
        packages: the site-packages folder of the virtual environment that was named, None when it was none.
    """

    version: str
    base: Path
    packages: Path | None


def find(chosen: str | None) -> Interpreter:
    """Look at the interpreter that was chosen by path or by name; None means the one that runs this command.

    Raises:
        UsageError: there is none, or it is not of a version that Lambda has.
    """
    path = shutil.which(chosen) if chosen else sys.executable
    if path is None:
        raise UsageError(f"--python {chosen}: no such program")
    try:
        probe = subprocess.run([path, "-Ic", _PROBE], capture_output=True, text=True, timeout=30, check=False)
        version, base, packages = json.loads(probe.stdout)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"--python {path}: cannot be run: {error}") from error
    except ValueError as error:
        said = " ".join(probe.stderr.split())[:300]
        raise UsageError(f"--python {path}: does not run as Python 3: {said}") from error
    if version not in SUPPORTED:
        raise UsageError(f"--python {path} is Python {version}; supported are {', '.join(SUPPORTED)}")
    # The packages of a virtual environment count only if the user named it: otherwise it is the command's own.
    return Interpreter(version, Path(base), Path(packages) if packages and chosen else None)
