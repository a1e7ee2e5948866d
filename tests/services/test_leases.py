"""Chains with a lease table on local AWS services: one owner for each hop, whoever comes twice."""

import pytest

STEPS = {"steps": 350}
CHAIN = {"CARRYON_TO": "self", "CARRYON_STATE": "steps"}


@pytest.fixture
def table(services):
    """An empty table as the template makes it; `table.items(chain)` are its items by hop."""
    return services.table("leases")


def test_a_chain_leaves_its_way_and_its_result_in_the_table(make_function, table):
    """Every hop but the last is handed over, the last finished, and the chain's item has the answer."""
    function = make_function("work.count", env={**CHAIN, "CARRYON_TABLE": table.name})

    function.send(STEPS)
    hops = function.wait_for_result()
    items = table.items(hops[0].request_id)

    assert hops[-1].answer == STEPS
    assert {number: item["status"] for number, item in items.items()} == {
        -1: "finished",
        **dict.fromkeys(range(1, len(hops) - 1), "handed"),
        len(hops) - 1: "finished",
    }
    assert items[-1]["result"] == '{"steps": 350}'
