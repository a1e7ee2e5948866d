"""Build the layer as it ships, and unpack it as Lambda would under /opt."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import zipfile
from pathlib import Path

from .runtimes import ROOT


def build(output: Path) -> str:
    """Build the layer's zip from the tree and return what the build printed."""
    command = [sys.executable, ROOT / "tools/build_layer.py", output]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip with the modes it gives, which zipfile alone would drop."""
    with zipfile.ZipFile(archive) as layer:
        for entry in layer.infolist():
            Path(layer.extract(entry, folder)).chmod(entry.external_attr >> 16 & 0o777)


def build_once(shared: Path) -> Path:
    """Return the folder of the unpacked layer; the first of several processes that share the folder builds it."""
    folder = shared / "layer"
    with (shared / "layer.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            archive = shared / "carryon-layer.zip"
            build(archive)
            partial = shared / "layer.partial"
            unpack(archive, partial)
            partial.rename(folder)
    return folder
