"""The zip is what a function gets, so it is looked at as bytes."""

import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.support import layer as layer_support
from tests.support.runtimes import PYTHONS, ROOT

PACKAGE = ROOT / "layer/python/carryon"
SOURCES = sorted(str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py"))


@pytest.fixture(scope="module")
def archive(layer):
    """The zip that the session's layer was unpacked from."""
    with zipfile.ZipFile(layer.parent / "carryon-layer.zip") as archive:
        yield archive


def test_two_builds_of_one_tree_are_identical(archive, tmp_path):
    """Neither time, folder nor an earlier build shows in the bytes."""
    layer_support.build(tmp_path / "again.zip")

    assert (tmp_path / "again.zip").read_bytes() == Path(archive.filename).read_bytes()


def test_the_build_says_its_size_and_the_interpreters(tmp_path):
    """Who reads the build's output sees which Pythons start without compiling."""
    output = tmp_path / "layer.zip"

    said = layer_support.build(output)

    assert f"{output.stat().st_size:,} bytes" in said
    assert all(version in said for version in PYTHONS)


def test_the_wrapper_is_executable_at_the_root(archive):
    """AWS_LAMBDA_EXEC_WRAPPER=/opt/carryon must be a file that Lambda may execute."""
    wrapper = archive.getinfo("carryon")

    assert wrapper.external_attr >> 16 == 0o100755
    assert archive.read(wrapper) == (ROOT / "wrapper/carryon").read_bytes()


def test_every_module_is_there_as_source(archive):
    """An interpreter that the build did not have falls back to the sources."""
    shipped = {name for name in archive.namelist() if name.endswith(".py")}

    assert {f"python/carryon/{source}" for source in SOURCES} == shipped


def test_nothing_else_is_in_the_zip(archive):
    """No test, no cache of the developer's and no editor's file slips in."""
    suffixes = {Path(name).suffix for name in archive.namelist() if name != "carryon"}

    assert {".py", ".pyc"} == suffixes - {".typed"}
    assert all(name == "carryon" or name.startswith("python/carryon/") for name in archive.namelist())


@pytest.mark.parametrize("version", PYTHONS)
def test_bytecode_is_never_checked_against_its_source(archive, version):
    """Flag word 1: hash-based and unchecked, so a cold start reads no source."""
    tag = f"cpython-{version.replace('.', '')}"
    bytecode = {name: archive.read(name) for name in archive.namelist() if f".{tag}.pyc" in name}

    assert len(SOURCES) - 1 == len(bytecode)
    assert {(1).to_bytes(4, "little")} == {content[4:8] for content in bytecode.values()}


@pytest.mark.parametrize("version", PYTHONS)
def test_bytecode_names_the_files_where_lambda_has_them(layer, version):
    """Stack traces show /opt/python/carryon, not the folder of whoever built the zip."""
    program = (
        "import marshal, pathlib, sys\n"
        "for path in pathlib.Path(sys.argv[1]).rglob(f'*.{sys.implementation.cache_tag}.pyc'):\n"
        "    source = path.parent.parent / (path.name.split('.')[0] + '.py')\n"
        "    print(source.relative_to(sys.argv[1]), marshal.loads(path.read_bytes()[16:]).co_filename)\n"
    )
    command = [PYTHONS[version], "-I", "-c", program, layer / "python/carryon"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    names = dict(line.split() for line in output.splitlines())

    assert {source: f"/opt/python/carryon/{source}" for source in SOURCES if source != "launch.py"} == names


@pytest.mark.parametrize("version", PYTHONS)
def test_bytecode_has_no_types_and_the_lines_of_its_source(layer, version):
    """Annotations cost time at each cold start; a stack trace must still point at the right line."""
    program = (
        "import ast, marshal, pathlib, sys, types\n"
        "def lines(code):\n"
        "    assert '__annotations__' not in code.co_names and 'typing' not in code.co_names, code\n"
        "    yield code.co_name, code.co_firstlineno\n"
        "    for inner in code.co_consts:\n"
        "        if isinstance(inner, types.CodeType):\n"
        "            yield from lines(inner)\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "for path in folder.rglob(f'*.{sys.implementation.cache_tag}.pyc'):\n"
        "    source = path.parent.parent / (path.name.split('.')[0] + '.py')\n"
        "    compiled = compile(source.read_bytes(), source, 'exec', dont_inherit=True, optimize=2)\n"
        "    typed = [item for item in compiled.co_consts if isinstance(item, types.CodeType)]\n"
        "    untyped = marshal.loads(path.read_bytes()[16:])\n"
        "    untyped = [item for item in untyped.co_consts if isinstance(item, types.CodeType)]\n"
        "    defined = [(item.co_name, item.co_firstlineno) for item in typed if item.co_name != '__annotate__']\n"
        "    assert defined == [next(lines(item)) for item in untyped], path\n"
        "    for item in untyped:\n"
        "        list(lines(item))\n"
    )
    subprocess.run([PYTHONS[version], "-I", "-c", program, layer / "python/carryon"], check=True)


@pytest.mark.parametrize("version", PYTHONS)
def test_no_function_is_annotated_at_run_time(layer, version):
    """Signatures are what most annotations are in."""
    program = (
        "import importlib, sys, types\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "for name in sys.argv[2:]:\n"
        "    module = importlib.import_module('carryon.' + name)\n"
        "    for item in vars(module).values():\n"
        "        for function in [item, *vars(item).values()] if isinstance(item, type) else [item]:\n"
        "            if isinstance(function, types.FunctionType) and function.__module__ == module.__name__:\n"
        "                assert not function.__annotations__, function\n"
    )
    modules = [source[:-3].replace("/", ".") for source in SOURCES if source.startswith(("shared/", "runtime/"))]
    subprocess.run([PYTHONS[version], "-I", "-c", program, layer / "python", *modules], check=True)
