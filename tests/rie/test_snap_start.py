"""SnapStart: the environment is restored once, however many runtime processes it sees."""

import pytest

from tests.support.emulator import Emulator
from tests.support.functions import FUNCTIONS, continuing
from tests.support.runtime_api import RuntimeApi


@pytest.fixture(name="runtime_api")
def _runtime_api():
    with RuntimeApi() as api:
        yield api


def test_a_replaced_process_runs_the_hooks_after_a_restore_and_asks_for_none(
    edge_runtime, layer, lambda_api, runtime_api, tmp_path
):
    """Its modules were not in the snapshot; before-snapshot hooks have nothing to do in it."""
    wrapper = runtime_api.wrapper(tmp_path)
    env = continuing(lambda_api, AWS_LAMBDA_INITIALIZATION_TYPE="snap-start", CARRYON_NEXT_WRAPPER=wrapper)
    with Emulator(edge_runtime, FUNCTIONS, "restored.handler", layer=layer, env=env) as function:
        runtime_api.upstream = function.runtime_port
        before = function.invoke({}).json
        stuck = function.invoke({"do": "swallow"})
        after = [function.invoke({}).json for _ in range(2)]

    assert before["ran"] == ["before snapshot", "after restore"]
    assert stuck.events == ["rescued", "continued"], stuck
    assert before["pid"] != after[0]["pid"] == after[1]["pid"]
    assert after[0]["ran"] == after[1]["ran"] == ["after restore"]
    assert runtime_api.restores == 1
