"""Functions that invoke themselves already, on local AWS services: real Event invocations, each in its environment."""

import re
from collections import Counter

import pytest

from tests.support.functions import FUNCTIONS

from .conftest import TIMEOUT_S

LAST = 60


@pytest.mark.parametrize(("do", "margin"), [("with_clock", "600ms"), ("with_decorator", "1500ms")])
def test_a_chain_of_the_functions_own_or_of_ours_writes_each_item_once(do, margin, make_function):
    """With a limit of its own below or above ours: as many invocations as hops, and one result."""
    env = {
        "CARRYON_TO": "self",
        "CARRYON_MARGIN": margin,
        "CARRYON_STATE": "position=CURRENT_STATE",
        "OWN_LIMIT_S": "1",
        "PAUSE_S": str(0.05 * TIMEOUT_S / 3),
        "CARRYON_MAX_HOPS": "100",
    }
    function = make_function("self_invoking.handler", FUNCTIONS, env=env)

    function.send({"do": do})
    hops = function.wait_until(
        lambda hops: all(hop.ok is not None for hop in hops) and any(hop.answer == LAST for hop in hops)
    )

    ours = ["carryon" in hop.event for hop in hops[1:]]
    assert set(ours) == {do == "with_decorator"}
    items = Counter(re.findall(r"^item (\d+)$", "\n".join(hop.log for hop in hops), re.MULTILINE))
    assert items == {str(number): 1 for number in range(LAST)}
