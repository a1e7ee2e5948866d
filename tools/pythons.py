"""Find the Python interpreters of this machine that Carry On supports."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SUPPORTED = ("3.10", "3.11", "3.12", "3.13", "3.14")

# ensurepip tells a complete installation from one that cannot make an environment (Debian without python3-venv).
_PROBE = (
    "import sys, venv, ensurepip, zlib; print('%d.%d' % sys.version_info[:2], sys.executable, sys.implementation.name)"
)


def find(versions: tuple[str, ...] = SUPPORTED) -> dict[str, Path]:
    """Return the first usable interpreter of each of these versions, e.g. {"3.11": Path("/usr/bin/python3.11")}."""
    found = {}
    for version in versions:
        for candidate in _candidates(version):
            executable = _probe(candidate, version)
            if executable:
                found[version] = executable
                break
    return found


def _candidates(version: str) -> Iterator[Path]:
    on_path = shutil.which(f"python{version}")
    if on_path:
        yield Path(on_path)
    home = Path.home()
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or home / ".local/share/uv/python")
    pyenv = Path(os.environ.get("PYENV_ROOT") or home / ".pyenv") / "versions"
    for folder in (pyenv, uv):
        matching = (
            entry for entry in folder.glob(f"*{version}.*") if re.search(rf"(^|-){re.escape(version)}\.\d", entry.name)
        )
        yield from (entry / "bin" / f"python{version}" for entry in sorted(matching, key=_patch_level, reverse=True))
    for name in ("python3", "python"):
        default = shutil.which(name)
        if default:
            yield Path(default)


def _patch_level(folder: Path) -> int:
    match = re.search(r"\d+\.\d+\.(\d+)", folder.name)
    return int(match[1]) if match else -1


def _probe(candidate: Path, version: str) -> Path | None:
    """Run the candidate: a shim on PATH may stand for nothing."""
    try:
        run = subprocess.run([candidate, "-Ic", _PROBE], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    found, executable, implementation = run.stdout.split()
    return Path(executable) if (found, implementation) == (version, "cpython") else None


if __name__ == "__main__":
    for found_version, path in find().items():
        print(found_version, path)
