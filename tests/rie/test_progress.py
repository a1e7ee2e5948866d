"""What a function says of its progress survives the hop, the process, and being stuck."""

import json

import pytest

from tests.support.emulator import Emulator
from tests.support.functions import FUNCTIONS, continuing, follow


@pytest.fixture(name="start")
def _start(layer, lambda_api):
    def start(runtime, **settings):
        env = continuing(lambda_api, **settings)
        return Emulator(runtime, FUNCTIONS, "progressing.handler", layer=layer, env=env, timeout_s=2)

    return start


def test_a_chain_with_checkpoints_ends_with_the_right_sum(edge_runtime, start, lambda_api):
    """Each hop goes on where the one before has stopped, and a new chain from the start."""
    with start(edge_runtime) as function:
        results = follow(function, lambda_api, {"do": "count_with_checkpoints"})
        fresh = function.invoke({"do": "echo"})

    assert results[-1].json == sum(range(60))
    assert len(results) > 1
    assert fresh.json["checkpoint"] == "none"


def test_a_chain_over_items_leaves_out_what_is_finished(edge_runtime, start, lambda_api, tmp_path):
    """Every item is done, and none twice but those that were interrupted."""
    path = tmp_path / "finished"
    with start(edge_runtime) as function:
        results = follow(function, lambda_api, {"do": "count_with_each", "path": str(path)})
    done = [int(line) for line in path.read_text().split()]

    assert results[-1].json == "done"
    assert sorted(set(done)) == list(range(60))
    assert len(done) < 60 + len(results)


def test_a_process_that_dies_carries_on_from_its_last_checkpoint(newest_runtime, start, lambda_api):
    """It was kept the moment the call returned."""
    with start(newest_runtime, CARRYON_ON_CRASH="continue") as function:
        results = follow(function, lambda_api, {"do": "count_with_checkpoints", "dies_at": 7})

    assert results[0].events == ["crashed", "continued"]
    assert lambda_api.calls[0].json["carryon"]["checkpoint"] == [7, sum(range(7))]
    assert results[-1].json == sum(range(60))


@pytest.mark.parametrize(
    ("do", "kept"), [("stuck_after_a_checkpoint", "before it got stuck"), ("checkpoint_in_clean_up", "in the end")]
)
def test_the_last_checkpoint_is_what_travels(do, kept, edge_runtime, start, lambda_api):
    """Of a process that had to be stopped, and of a clean-up."""
    with start(edge_runtime) as function:
        function.invoke({"do": do})
        (call,) = lambda_api.calls
        after = function.invoke(json.dumps({**call.json, "do": "echo"}).encode())

    assert after.json["checkpoint"] == kept


def test_a_shielded_block_is_not_torn_apart(edge_runtime, start, lambda_api):
    """The alarm comes behind it."""
    with start(edge_runtime) as function:
        result = function.invoke({"do": "shielded"})

    assert result.events == ["time_is_up", "continued"]
    assert "the second step" in result.log
    assert result.lines[0]["carryon"]["remaining_ms"] < 410


def test_the_time_that_is_left_ends_at_the_alarm(newest_runtime, start):
    """Not at the deadline."""
    with start(newest_runtime) as function:
        function.invoke({"do": "echo"})
        remaining_ms = function.invoke({"do": "two_steps"}).json

    assert 1_000 < remaining_ms < 1_500
