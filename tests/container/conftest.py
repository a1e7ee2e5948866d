"""The image of Dockerfile.test, built once, and containers of it that are gone after each test."""

import contextlib
import fcntl
import os
import re
import shutil
import uuid
from pathlib import Path

import pytest

from tests.support import engine, layer
from tests.support.runtimes import NEWEST, ROOT

DOCKERFILE = ROOT / "Dockerfile.test"
FUNCTION = Path("tests/container/function")
REQUIRED = "CARRYON_REQUIRE_CONTAINER"


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.container)
            # The first one may have to wait for the base image.
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session", name="client")
def _client():
    try:
        client = engine.connect()
    except engine.EngineUnavailableError as error:
        _give_up(str(error))
    yield client
    client.close()


@pytest.fixture(scope="session", name="image")
def _image(client, tmp_path_factory):
    wanted = re.search("^ARG BASE_IMAGE=(.+)$", DOCKERFILE.read_text(), re.MULTILINE)[1]
    try:
        with _one_worker_at_a_time(tmp_path_factory):
            base = engine.base_image(client, wanted, NEWEST)
    except engine.EngineUnavailableError as error:
        _give_up(str(error))
    # The tree as a build leaves it, with the layer of this moment.
    context = tmp_path_factory.mktemp("context")
    for name in (DOCKERFILE.name, ".dockerignore"):
        shutil.copy(ROOT / name, context)
    shutil.copytree(ROOT / FUNCTION, context / FUNCTION)
    (context / "dist").mkdir()
    layer.build(context / "dist/carryon-layer.zip")
    # Workers share the image, because its content is the same, and each removes no more than its own name for it.
    name = f"carryon-test:{uuid.uuid4().hex}"
    # The host's network, because names do not resolve on the bridge of an engine that leaves the machine's alone.
    options = {"dockerfile": DOCKERFILE.name, "buildargs": {"BASE_IMAGE": base}, "network_mode": "host"}
    with _one_worker_at_a_time(tmp_path_factory):
        client.images.build(path=str(context), tag=name, rm=True, forcerm=True, **options)
    yield name
    client.images.remove(name, force=True)


@pytest.fixture(name="start")
def _start(client, image):
    """Start the function in a container: `start(*command, **options of docker run)`."""
    with contextlib.ExitStack() as containers:

        def start(*command, **options):
            options.setdefault("ports", {f"{engine.PORT}/tcp": ("127.0.0.1", None)})
            container = containers.enter_context(
                engine.running(client, image, command=list(command) or None, **options)
            )
            return engine.ContainerFunction(container)

        yield start


@contextlib.contextmanager
def _one_worker_at_a_time(tmp_path_factory):
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    with (shared / "container.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _give_up(reason):
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(f"{reason} ({REQUIRED}=1)", pytrace=False)
    pytest.skip(f"{reason} (set {REQUIRED}=1 to fail instead)")
