"""A container engine, and functions that run in its containers."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import socket
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import docker
import docker.errors
import jsonschema

from . import stand_in
from .runtimes import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .runtimes import Runtime

PORT = 8080
_SCHEMA = json.loads((ROOT / "docs/log-line.schema.json").read_text())
_INVOKE = "/2015-03-31/functions/function/invocations"
_PATIENCE_S = 30.0


class EngineUnavailableError(Exception):
    """No container engine answers, or no base image can be had; the text says which and why."""


def connect() -> docker.DockerClient:
    """Return a client of the engine at DOCKER_HOST or at the default socket.

    Raises:
        EngineUnavailableError: nothing answers there.
    """
    address = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    client = None
    try:
        if address.startswith("unix://"):
            # The SDK forgets to close a socket that it could not connect.
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(address.removeprefix("unix://"))
        client = docker.from_env()
        client.ping()
    except (OSError, docker.errors.DockerException) as error:
        if client:
            client.close()
        message = f"no container engine answers at {address} ({error}); try tools/with-docker.sh ./build.sh test"
        raise EngineUnavailableError(message) from error
    return client


def base_image(client: docker.DockerClient, wanted: str, runtime: Runtime | None) -> str:
    """Return the name of an image that `FROM` can take: `wanted`, or the stand-in where it cannot be pulled.

    Args:
        client: the engine's client.
        wanted: an image laid out as AWS's base images are.
        runtime: the Python that the stand-in is made of.

    Raises:
        EngineUnavailableError: it cannot be pulled and no stand-in can be made.
    """
    with contextlib.suppress(docker.errors.ImageNotFound):
        client.images.get(wanted)
        return wanted
    try:
        client.images.pull(wanted)
    except docker.errors.APIError as refusal:
        try:
            return stand_in.make(client, runtime)
        except stand_in.StandInError as error:
            raise EngineUnavailableError(f"{wanted} cannot be pulled ({refusal}), and {error}") from error
    return wanted


class ContainerFunction:
    """A function in a running container that has the emulator's port published on loopback."""

    def __init__(self, container: Any) -> None:
        self.container = container

    def invoke(self, event: object, timeout_s: float = 60.0) -> Any:
        """Return what the emulator answers: the decoded JSON, or the text where it is none."""
        address = self._address()
        self._wait_until(lambda: _answers(address), "no answer from the emulator")
        request = urllib.request.Request(f"http://{address}{_INVOKE}", json.dumps(event).encode())
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as response:
                body = response.read()
        except urllib.error.HTTPError as error:
            with error:
                body = error.read()
        try:
            return json.loads(body)
        except ValueError:
            return body.decode()

    def log(self) -> str:
        """Everything the container has written so far."""
        return self.container.logs().decode(errors="replace")

    def wait_for(self, text: str) -> None:
        """Wait until the container has written `text`."""
        self._wait_until(lambda: text in self.log(), f"no {text!r}")

    def lines(self, event: str = "") -> list[dict[str, Any]]:
        """Carry On's log lines so far, of one event or of all; each is checked against the schema."""
        found = [json.loads(text) for text in re.findall(r"^{.*}$", self.log(), re.MULTILINE)]
        own = [line for line in found if line.get("logger") == "carryon"]
        for line in own:
            jsonschema.validate(line, _SCHEMA)
        return [line for line in own if event in ("", line["carryon"]["event"])]

    def line(self, event: str) -> dict[str, Any]:
        """The one line of an event; waited for, because the engine collects what a container writes in its own time."""
        self._wait_until(lambda: self.lines(event), f"no line of {event}")
        (line,) = self.lines(event)
        return line

    def _wait_until(self, holds: Callable[[], object], failure: str) -> None:
        give_up_at = time.monotonic() + _PATIENCE_S
        while not holds():
            if time.monotonic() > give_up_at:
                raise AssertionError(f"{failure}; the container wrote:\n{self.log()}")
            time.sleep(0.02)

    def _address(self) -> str:
        self.container.reload()
        (binding, *_) = self.container.attrs["NetworkSettings"]["Ports"][f"{PORT}/tcp"]
        return f"{binding['HostIp']}:{binding['HostPort']}"


@contextlib.contextmanager
def running(client: docker.DockerClient, image: str, **options: Any) -> Iterator[Any]:
    """Run a container and remove it in the end, whatever happens; `options` are those of the docker SDK."""
    container = client.containers.create(image, **options)
    try:
        container.start()
        yield container
    finally:
        container.remove(force=True, v=True)


def _answers(address: str) -> bool:
    connection = http.client.HTTPConnection(address, timeout=5)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True
