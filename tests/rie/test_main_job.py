"""The main job under the real emulator: out of time, clean up, carry on, answer, serve the next."""

import json
from urllib.parse import unquote

import pytest

from tests.support.emulator import Emulator
from tests.support.functions import FUNCTIONS, continuing

TIMEOUT_S = 3
TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a87bd80c:1|68fd508a:5"


@pytest.mark.parametrize("flavour", ["platform", "module"])
def test_a_function_that_runs_out_of_time_cleans_up_and_is_continued(runtime, flavour, layer, lambda_api):
    """Alarm, clean-up, one continuation, an answer before the deadline, the next invocation in the same process."""
    env = continuing(lambda_api, CARRYON_STATE="steps")
    with Emulator(runtime, FUNCTIONS, "work.handler", layer=layer, flavour=flavour, env=env) as function:
        before = function.invoke({"do": "finish"})
        stopped = function.invoke({"do": "clean_up", "trace": TRACE})
        after = function.invoke({"do": "finish"})

    assert stopped.seconds < TIMEOUT_S
    assert stopped.json == {
        "carryon": {
            "continued": True,
            "chain": stopped.request_id,
            "hop": 1,
            "to": "arn:aws:lambda:us-east-1:012345678912:function:function",
        }
    }
    assert stopped.events == ["time_is_up", "continued"]
    assert stopped.log.index("cleaned up") < stopped.log.index('"time_is_up"')
    (call,) = lambda_api.calls
    meta = call.json["carryon"]
    assert call.invocation_type == "Event"
    assert call.function == stopped.json["carryon"]["to"]
    assert unquote(call.trace_id) == TRACE
    assert {**call.json, "carryon": None} == {"carryon": None, "do": "clean_up", "trace": TRACE}
    assert (meta["v"], meta["hop"], meta["cause"], meta["chain"]) == (1, 1, "time", stopped.request_id)
    assert meta["parent"] == stopped.request_id
    assert meta["state"]["steps"] > 100
    assert after.json == before.json
    assert function.leftovers == []


def test_a_chain_ends_with_the_result_of_an_uninterrupted_run(newest_runtime, layer, lambda_api):
    """State and event travel from environment to environment; the last hop's answer is the function's own."""
    env = continuing(lambda_api, CARRYON_STATE="steps")
    with Emulator(newest_runtime, FUNCTIONS, "work.handler", layer=layer, env=env) as function:
        function.invoke({"do": "clean_up"})
        (first,) = lambda_api.calls
        second = function.invoke(first.payload)
        envelope = lambda_api.calls[1].json["carryon"]
    with Emulator(newest_runtime, FUNCTIONS, "work.handler", layer=layer, env=env) as function:
        last = function.invoke(json.dumps({"carryon": envelope, "do": "finish"}).encode())
        fresh = function.invoke({"do": "finish"})

    assert second.events == ["resumed", "time_is_up", "continued"]
    assert envelope["hop"] == 2
    assert envelope["chain"] == first.json["carryon"]["chain"]
    assert envelope["parent"] == second.request_id
    assert envelope["state"]["steps"] > first.json["carryon"]["state"]["steps"]
    assert last.json["steps"] == envelope["state"]["steps"]
    assert last.json["event"] == {"do": "finish"}
    assert last.events == ["resumed", "completed"]
    assert fresh.json["steps"] == 0
    assert fresh.events == []


def test_a_function_that_finishes_in_time_gets_no_line(newest_runtime, layer, lambda_api):
    """Nothing is logged, nothing is sent, nothing stays behind."""
    with Emulator(newest_runtime, FUNCTIONS, "work.handler", layer=layer, env=continuing(lambda_api)) as function:
        results = [function.invoke({"do": "finish"}) for _ in range(3)]

    assert [result.log for result in results] == ["", "", ""]
    assert lambda_api.calls == []
    assert function.leftovers == []


def test_a_function_stopped_in_an_ordered_batch_fails_so_that_its_source_delivers_again(
    newest_runtime, layer, lambda_api
):
    """SQS FIFO, Kinesis and DynamoDB streams: a continuation would break the order."""
    event = {"do": "clean_up", "Records": [{"eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:r:1:q.fifo"}]}
    with Emulator(newest_runtime, FUNCTIONS, "work.handler", layer=layer, env=continuing(lambda_api)) as function:
        result = function.invoke(event)

    assert result.error_type == "Carryon.TimeIsUp"
    assert lambda_api.calls == []
