"""What pyproject.toml says of imports is held by `./build.sh lint`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.runtimes import ROOT

LAYER = Path("layer/python/carryon")


@pytest.fixture(name="lint")
def _lint(tmp_path):
    """A function `lint(module, text)`: exit status and output with that text at the end of a module, new or not."""
    for folder in ("layer", "cli"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)

    def lint(module, text):
        with (tmp_path / module).open("a") as file:
            file.write(f"\n\n{text}\n")
        result = subprocess.run(
            [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": "layer/python:cli"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        # One line for the eye: the output is set in columns.
        return result.returncode, " ".join(result.stdout.split())

    return lint


ORDER = "each process imports what lies below it"
BOTOCORE = "only the courier imports botocore"
COMMAND = "the layer does not import the command"


@pytest.mark.parametrize(
    ("module", "imported", "contract"),
    [
        ("runtime/state", "carryon.supervisor.runtimes", ORDER),
        ("runtime/state", "carryon.courier.parcels", ORDER),
        ("supervisor/rescue", "carryon.courier.parcels", ORDER),
        ("supervisor/rescue", "carryon.runtime.progress", ORDER),
        ("courier/parcels", "carryon.supervisor.rescue", ORDER),
        ("courier/parcels", "carryon.runtime.state", ORDER),
        ("safe_points/search", "carryon.runtime.alarm", ORDER),
        ("shared/handover", "carryon.runtime.progress", ORDER),
        ("shared/handover", "carryon.safe_points.search", ORDER),
        ("shared/handover", "carryon.aws.service", ORDER),
        ("aws/service", "carryon.shared.settings", ORDER),
        ("aws/service", "carryon.courier.invoking", ORDER),
        ("runtime/bootstrap", "carryon.startup", ORDER),
        ("runtime/bootstrap", "botocore.session", BOTOCORE),
        ("supervisor/rescue", "boto3", BOTOCORE),
        ("shared/processes", "carryon_cli.processes", COMMAND),
    ],
)
def test_an_import_against_the_order_is_named(module, imported, contract, lint):
    """Also where it is made within a function only; with who makes it, and which rule is broken."""
    status, output = lint(LAYER / f"{module}.py", f"def late():\n    import {imported}\n")

    assert status == 1
    assert f"{contract} BROKEN" in output
    importer, top = f"carryon.{module.replace('/', '.')}", imported if "carryon" in imported else imported.split(".")[0]
    assert f"{importer} -> {top}" in output


@pytest.mark.parametrize("new", ["new.py", "new/__init__.py"])
def test_a_module_that_no_layer_names_is_named(new, lint, tmp_path):
    """Whoever adds one says where it belongs."""
    (tmp_path / LAYER / new).parent.mkdir(exist_ok=True)

    status, output = lint(LAYER / new, "")

    assert status == 1
    assert "carryon.new" in output


@pytest.mark.parametrize(
    "text",
    [
        "from carryon.safe_points import search",
        "from carryon.aws import service",
        "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    from carryon.supervisor import runtimes",
    ],
)
def test_what_lies_below_and_what_is_for_annotations_only_is_imported_freely(text, lint):
    """The rules are kept as the layer is."""
    status, output = lint(LAYER / "runtime/state.py", text)

    assert (status, "0 broken" in output) == (0, True), output
