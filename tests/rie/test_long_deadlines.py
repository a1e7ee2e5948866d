"""A runtime API that is not Lambda's may know of no timeout."""

import pytest

from bench.runtime_api import Environment
from tests.support.emulator import carryon_lines
from tests.support.functions import FUNCTIONS
from tests.support.runtimes import RUNTIME_FOLDER

DAY_S = 86_400


@pytest.mark.parametrize("timeout_s", [50 * DAY_S, 200 * 365 * DAY_S])
@pytest.mark.parametrize("settings", [{}, {"CARRYON_MARGIN": "50%", "CARRYON_STATE": "steps", "CARRYON_TO": "self"}])
def test_a_deadline_may_be_as_far_away_as_can_be(settings, timeout_s, newest_runtime, layer, tmp_path):
    """49 days were more than the board had room for; the layer has no part in such an invocation and says nothing."""
    log = tmp_path / "log"
    bootstrap = RUNTIME_FOLDER / "bootstrap.py"
    env = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", **settings}
    with Environment(
        newest_runtime.python, bootstrap, layer, "work.handler", env, log=log, folder=FUNCTIONS, apart=False
    ) as environment:
        environment.start()
        answers = [environment.invoke(b'{"do": "echo"}', timeout_s)[1] for _ in range(3)]
        environment.cpu_s()

    assert answers == [{"do": "echo"}] * 3
    assert carryon_lines(log.read_text()) == []
