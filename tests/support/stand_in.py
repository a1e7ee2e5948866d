"""A stand-in for AWS's base image, made of a Python of this machine."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import docker
import docker.errors

from .runtimes import EMULATOR, RUNTIME_FOLDER, Runtime

_BASE_FILES = Path(__file__).parents[1] / "container/base"

# What a shell in the container and `RUN chmod` need; the AWS image has many more.
_TOOLS = ("cat", "chmod", "env", "id", "ls", "mkdir", "rm", "sleep")
_UNUSED_LIBRARY_FOLDERS = ("test", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "site-packages")
_IMAGE_SETTINGS = (
    'ENTRYPOINT ["/lambda-entrypoint.sh"]',
    "ENV LAMBDA_RUNTIME_DIR=/var/runtime",
    "ENV LAMBDA_TASK_ROOT=/var/task",
    "ENV LANG=C.UTF-8",
    "ENV LD_LIBRARY_PATH=/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task/lib:/opt/lib",
    "ENV PATH=/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin",
    "WORKDIR /var/task",
)


class StandInError(Exception):
    """The stand-in cannot be made of what this machine has; the text says why."""


def make(client: docker.DockerClient, runtime: Runtime | None) -> str:
    """Make an image laid out like AWS's base image from a Python of this machine, and return its name.

    It has the interpreter under /var/lang, the runtime client and boto3 under /var/runtime, and the emulator. It has
    the image's shape and contract, not Amazon Linux's libraries. An image of the same content is made only once.

    Raises:
        StandInError: it cannot be made of what this machine has.
    """
    if sys.platform != "linux":
        raise StandInError("a stand-in for the base image can be made on Linux only")
    if runtime is None or not EMULATOR.is_file():
        raise StandInError("a stand-in for the base image needs what ./build.sh setup makes")
    files = _files(runtime)
    name = f"carryon-base-stand-in:{_digest(files)[:16]}"
    try:
        client.images.get(name)
    except docker.errors.ImageNotFound:
        repository, tag = name.split(":")
        client.api.import_image_from_data(_archive(files), repository, tag, changes=list(_IMAGE_SETTINGS))
    return name


# What the interpreter knows about its own files; it is another one than runs the tests.
_INQUIRY = """
import importlib.metadata, json, os, re, sys, sysconfig
packages, wanted, seen = {}, ["awslambdaric", "boto3"], set()
while wanted:
    name = wanted.pop()
    if name not in seen:
        seen.add(name)
        found = importlib.metadata.distribution(name)
        packages.update({str(file): str(file.locate()) for file in found.files if ".." not in file.parts})
        required = [text for text in found.requires or () if "extra ==" not in text]
        wanted += [re.match("[A-Za-z0-9._-]+", text)[0] for text in required]
json.dump({
    "executable": os.path.realpath(sys.executable),
    "prefix": os.path.realpath(sys.base_prefix),
    "libraries": [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")],
    "stdlib_name": os.path.basename(sysconfig.get_path("stdlib")),
    "packages": packages,
}, sys.stdout)
"""


def _files(runtime: Runtime) -> dict[str, Path | bytes]:
    """The image's files by their path in it: a file to copy, or the content itself."""
    answer = subprocess.run([runtime.python, "-I", "-c", _INQUIRY], check=True, capture_output=True)
    python: dict[str, Any] = json.loads(answer.stdout)
    files: dict[str, Path | bytes] = {
        "usr/local/bin/aws-lambda-rie": EMULATOR,
        "lambda-entrypoint.sh": _BASE_FILES / "lambda-entrypoint.sh",
        "var/runtime/bootstrap": (_BASE_FILES / "bootstrap")
        .read_bytes()
        .replace(b"@VERSION@", runtime.version.encode()),
        "var/runtime/bootstrap.py": RUNTIME_FOLDER / "bootstrap.py",
        "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nsbx_user1051:x:993:990::/:/bin/sh\n",
        "etc/group": b"root:x:0:\nsbx_group:x:990:\n",
        "bin/sh": Path("/bin/sh").resolve(),
        "var/lang/bin/python3": Path(python["executable"]),
        f"var/lang/bin/python{runtime.version}": Path(python["executable"]),
    }
    for root in map(Path, python["libraries"]):
        files |= {f"var/lang/lib/{python['stdlib_name']}/{path}": root / path for path in _standard_library(root)}
    files |= {f"var/runtime/{path}": Path(source) for path, source in python["packages"].items()}
    for tool in _TOOLS:
        path = Path("/usr/bin", tool)
        files[f"usr/bin/{tool}"] = (path if path.exists() else Path("/bin", tool)).resolve()
    files = {name: content for name, content in files.items() if isinstance(content, bytes) or content.is_file()}

    binaries = [content for content in files.values() if isinstance(content, Path) and _is_binary(content)]
    return _libraries(binaries, Path(python["prefix"])) | files


def _standard_library(root: Path) -> list[Path]:
    found = []
    for folder, folders, names in os.walk(root):
        relative = Path(folder).relative_to(root)
        # The config folder holds what a build against this Python needs.
        unused = _UNUSED_LIBRARY_FOLDERS if relative == Path() else ("tests",)
        folders[:] = [name for name in folders if name not in unused and not name.startswith("config-")]
        # Optimised bytecode is for -O.
        found += [relative / name for name in names if ".opt-" not in name]
    return found


def _is_binary(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _libraries(binaries: list[Path], prefix: Path) -> dict[str, Path | bytes]:
    """The shared libraries that binaries are linked with, at the path where the loader looks for them."""
    listing = subprocess.run(["ldd", *binaries], capture_output=True, text=True, check=False).stdout
    needed = {Path(path) for path in re.findall(r"^\s+(?:\S+ => )?(/\S+) \(0x", listing, re.MULTILINE)}
    if not needed:
        raise StandInError("a stand-in for the base image needs ldd to name the libraries of Python")
    # The runtime client's extension asks for it by name where the C library has long been one file.
    needed |= {library.with_name("libpthread.so.0") for library in needed if library.name == "libc.so.6"}
    return {
        f"var/lang/lib/{library.name}" if prefix in library.resolve().parents else str(library).lstrip("/"): library
        for library in needed
        if library.exists()
    }


def _digest(files: dict[str, Path | bytes]) -> str:
    digest = hashlib.sha256(repr((_IMAGE_SETTINGS, platform.machine())).encode())
    # Cached bytecode comes and goes with every run of the interpreter.
    for name, content in sorted((name, files[name]) for name in files if not name.endswith(".pyc")):
        data = content if isinstance(content, bytes) else content.read_bytes()
        digest.update(f"{name} {hashlib.sha256(data).hexdigest()}\n".encode())
    return digest.hexdigest()


def _archive(files: dict[str, Path | bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for folder, mode in (("tmp", 0o1777), ("var/task", 0o755), ("opt", 0o755)):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            archive.addfile(entry)
        for name, content in sorted(files.items()):
            data = content if isinstance(content, bytes) else content.read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            entry.mode = 0o755 if data[:4] == b"\x7fELF" or data[:2] == b"#!" else 0o644
            if isinstance(content, Path):
                # Cached bytecode is valid for a source of this very time, in whole seconds.
                entry.mtime = int(content.stat().st_mtime)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()
