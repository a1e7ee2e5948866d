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
# Docstrings, asserts, columns and annotations are what nobody sees in Lambda, and load at every cold start.
_COMPILE = """
import ast, importlib.util, os, sys
from importlib._bootstrap_external import _code_to_hash_pyc

class Untyped(ast.NodeTransformer):
    def visit_arg(self, node):
        node.annotation = None
        return node

    def visit_FunctionDef(self, node):
        node.returns = None
        return self.generic_visit(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_AnnAssign(self, node):
        bare = ast.Pass() if node.value is None else ast.Assign([node.target], node.value)
        return self.generic_visit(ast.copy_location(bare, node))

    def visit_If(self, node):
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return ast.copy_location(ast.Pass(), node)
        return self.generic_visit(node)

package, folder, tag, *names = sys.argv[1:]
for name in names:
    with open(f"{package}/{name}", "rb") as file:
        text = file.read()
    tree = Untyped().visit(ast.parse(text))
    code = compile(tree, f"/opt/python/carryon/{name}", "exec", dont_inherit=True, optimize=2)
    place, _, module = f"{folder}/{name}".rpartition("/")
    os.makedirs(f"{place}/__pycache__", exist_ok=True)
    with open(f"{place}/__pycache__/{module[:-3]}.{tag}.pyc", "wb") as file:
        file.write(_code_to_hash_pyc(code, importlib.util.source_hash(text), False))
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
            entries[f"python/carryon/{name}"] = (bytecode, 0o644)

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
    """Return the unchecked-hash bytecode of every module, by where it is in the package."""
    tag = f"cpython-{version.replace('.', '')}"
    with tempfile.TemporaryDirectory() as temporary:
        # launch.py is run as a script, and Python never looks for the bytecode of one.
        names = sorted(str(source.relative_to(PACKAGE)) for source in PACKAGE.rglob("*.py"))
        names.remove("launch.py")
        command = [python, "-s", "-X", "no_debug_ranges", "-c", _COMPILE, PACKAGE, temporary, tag, *names]
        # Python 3.10 writes the members of a set in the order of their hashes, which differ from run to run.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        subprocess.run(command, check=True, cwd=temporary, env={**environment, "PYTHONHASHSEED": "0"})
        found = sorted(Path(temporary).rglob("*.pyc"))
        return {str(path.relative_to(temporary)): path.read_bytes() for path in found}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
