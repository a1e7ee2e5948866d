from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from carryon_cli import tree
from carryon_cli.errors import CommandError


def lay_out(opt: Path) -> None:
    """Put the layer into the folder `opt` as under /opt: the built zip in the project's tree, else what is installed.

    Raises:
        CommandError: the layer cannot be built, or the installation is incomplete.
    """
    root = tree.root()
    if root:
        built = root / "dist/carryon-layer.zip"
        if not _is_fresh(built, root):
            _build(root)
        with zipfile.ZipFile(built) as archive:
            archive.extractall(opt)
    else:
        import carryon

        package = Path(carryon.__file__).parent
        shutil.copytree(package, opt / "python/carryon", ignore=shutil.ignore_patterns("__pycache__"))
        wrapper = tree.CLI / "wrapper/carryon"
        if not wrapper.is_file():
            raise CommandError(f"this installation has no {wrapper}; install lambda-carryon again")
        shutil.copyfile(wrapper, opt / "carryon")
    # Neither zipfile nor pip keeps the mode.
    (opt / "carryon").chmod(0o755)


def _is_fresh(built: Path, root: Path) -> bool:
    if not built.is_file():
        return False
    built_at = built.stat().st_mtime
    sources = [root / "wrapper/carryon", *(root / "layer").rglob("*.py")]
    return all(source.stat().st_mtime < built_at for source in sources)


def _build(root: Path) -> None:
    build = subprocess.run([sys.executable, root / "tools/build_layer.py"], capture_output=True, text=True, check=False)
    if build.returncode != 0:
        raise CommandError(f"the layer cannot be built:\n{build.stderr.strip()}")
