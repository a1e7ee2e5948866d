"""Write the layer's zip: `python tools/build_layer.py [OUTPUT]` (default dist/carryon-layer.zip).

The same tree and the same interpreters give the same bytes: names sorted, times and modes fixed, and the bytecode
compiled under the path it will have in Lambda.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pythons

ROOT = Path(__file__).resolve().parent.parent
WRAPPER = ROOT / "wrapper/carryon"
PACKAGE = ROOT / "layer/python/carryon"

# The oldest time that a zip can say.
_TIME = (1980, 1, 1, 0, 0, 0)

# Lambda's /opt is read-only, so Python could not cache bytecode there; unchecked, because no source changes there
# either. A fresh interpreter compiles each tree in the same order, or equal trees would share constants differently.
# Docstrings, asserts and columns are what nobody sees in Lambda and a third of the size.
_COMPILE = """
import os, py_compile, sys
folder, tag, *sources = sys.argv[1:]
for source in sources:
    name = os.path.basename(source)
    py_compile.compile(
        source,
        cfile=f"{folder}/{name[:-3]}.{tag}.pyc",
        dfile=f"/opt/python/carryon/{name}",
        doraise=True,
        optimize=2,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
"""


def main(arguments: list[str]) -> int:
    output = Path(arguments[0]) if arguments else ROOT / "dist/carryon-layer.zip"
    interpreters = pythons.find()
    output.parent.mkdir(parents=True, exist_ok=True)
    write(output, interpreters)
    print(f"{output}: {output.stat().st_size:,} bytes, bytecode for Python {', '.join(interpreters)}")
    missing = [version for version in pythons.SUPPORTED if version not in interpreters]
    if missing:
        print(f"no interpreter found for Python {', '.join(missing)}: it will compile the sources at each cold start")
    return 0


def write(output: Path, interpreters: dict[str, Path]) -> None:
    """Write the zip with bytecode for each interpreter (version to path), complete or not at all."""
    entries = {"carryon": (WRAPPER.read_bytes(), 0o755)}
    for source in sorted(PACKAGE.rglob("*")):
        if source.suffix in (".py", ".typed"):
            entries[f"python/carryon/{source.relative_to(PACKAGE)}"] = (source.read_bytes(), 0o644)
    for version, python in interpreters.items():
        for name, bytecode in _compile(python, version).items():
            entries[f"python/carryon/__pycache__/{name}"] = (bytecode, 0o644)

    partial = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name, (content, mode) in sorted(entries.items()):
                entry = zipfile.ZipInfo(name, _TIME)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.create_system = 3  # Unix: otherwise the mode below means nothing
                entry.external_attr = (0o100000 | mode) << 16
                archive.writestr(entry, content)
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)


def _compile(python: Path, version: str) -> dict[str, bytes]:
    """Return the unchecked-hash bytecode of every module, by its name in __pycache__."""
    tag = f"cpython-{version.replace('.', '')}"
    with tempfile.TemporaryDirectory() as temporary:
        # launch.py is run as a script, and Python never looks for the bytecode of one.
        sources = sorted(source for source in PACKAGE.glob("*.py") if source.name != "launch.py")
        command = [python, "-s", "-X", "no_debug_ranges", "-c", _COMPILE, temporary, tag, *sources]
        # Python 3.10 writes the members of a set in the order of their hashes, which differ from run to run.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        subprocess.run(command, check=True, cwd=temporary, env={**environment, "PYTHONHASHSEED": "0"})
        return {path.name: path.read_bytes() for path in sorted(Path(temporary).iterdir())}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
