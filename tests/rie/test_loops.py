"""asyncio in the handler: every task is cancelled and cleans up, wherever in the loop the alarm comes."""

import pytest

from tests.support.emulator import Emulator
from tests.support.functions import FUNCTIONS, continuing

TASKS = {
    "many_tasks": ["task 0", "task 1", "task 2", "gathered"],
    "in_idle_loop": ["task"],
    "in_busy_task": ["task"],
    "in_busy_callback": ["task"],
    "catching_exceptions": ["task"],
}


@pytest.mark.parametrize("alarm", ["TimeIsUp", "TimeoutError"])
@pytest.mark.parametrize("do", TASKS)
def test_tasks_are_cancelled_and_clean_up_before_the_work_goes_on(do, alarm, edge_runtime, layer, lambda_api):
    """What they await in `finally` is waited for; another process serves on, as the event loop was interrupted."""
    env = continuing(lambda_api, CARRYON_RAISE=alarm)
    with Emulator(edge_runtime, FUNCTIONS, "loops.handler", layer=layer, env=env) as function:
        before = function.invoke({"do": "echo"})
        stopped = function.invoke({"do": do})
        after = function.invoke({"do": "echo"})

    assert stopped.events == ["time_is_up", "continued"], stopped
    for name in TASKS[do]:
        assert f"cleaned up {name}" in stopped.log
        assert f"awaited {name}" in stopped.log
    assert "caught" not in stopped.log
    assert before.json != after.json
    assert len(lambda_api.calls) == 1
