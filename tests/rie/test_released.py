"""What an interrupted invocation holds ends with it, without the help of a collector."""

import pytest

from tests.support.emulator import Emulator
from tests.support.functions import FUNCTIONS, continuing
from tests.support.runtimes import RUNTIMES

# The client makes no difference to what frames hold, the Python does.
PYTHONS = list({runtime.version: runtime for runtime in RUNTIMES}.values())
WAYS = ("let_through", "swallowed", "replaced", "event_loop", "each", "generator", "destructor", "shield")


@pytest.mark.parametrize("python", PYTHONS, ids=str)
@pytest.mark.parametrize("state", ["", "a,b"], ids=["plain", "with_state"])
def test_no_lock_object_or_event_of_an_interrupted_handler_is_kept(state, python, sample, layer, lambda_api, tmp_path):
    """However the exception gets out of the handler, or does not; and the innocent find nothing."""
    # In a process that is replaced nothing could be left.
    env = continuing(lambda_api, CARRYON_STATE=state, CARRYON_PROCESS="keep", CARRYON_MARGIN="500ms")
    env["HOLDING_IN"] = str(tmp_path)
    ways = WAYS if sample(len(WAYS), len(WAYS) // 2) == len(WAYS) else WAYS[bool(state) :: 2]
    with Emulator(python, FUNCTIONS, "holding.handler", layer=layer, env=env, timeout_s=1) as function:
        found = {}
        for how in ways:
            interrupted = function.invoke({"how": how})
            assert not interrupted.timed_out
            assert "time_is_up" in interrupted.events
            found[how] = [function.invoke({}).json for _ in range(2)]

    nothing = {"held": False, "event": False, "locked": True}
    assert found == {how: [nothing] * 2 for how in ways}
