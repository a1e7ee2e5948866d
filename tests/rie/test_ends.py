"""Chains that end although their work is not done, and the dry run of one."""

import json

from carryon.shared import envelope
from tests.support.emulator import Emulator
from tests.support.functions import continuing

# Room for a delivery on a machine that is busy.
ROOMY = {"CARRYON_MARGIN": "1200ms"}
META = {"v": 1, "chain": "c-1", "hop": 3, "cause": "time", "parent": "r-2", "started_at_ms": 1}


def app(folder, body):
    (folder / "app.py").write_text(f"import time\ncount = 7\n\ndef handler(event, context):\n    global count\n{body}")
    return folder


STUCK = "    while True:\n        time.sleep(0.005)\n"
GIVES_UP = "    try:\n        time.sleep(9)\n    except BaseException:\n        return 'so far'\n"


def test_a_chain_that_comes_no_further_ends(newest_runtime, layer, lambda_api, tmp_path):
    """Each hop tells the next how long nothing has changed, and one of them fails, with no content in what it says."""
    env = continuing(lambda_api, **ROOMY, CARRYON_STATE="count", CARRYON_STALL_HOPS="1")
    with Emulator(newest_runtime, app(tmp_path, STUCK), layer=layer, env=env) as function:
        first = function.invoke({"a": 1})
        second = function.invoke(lambda_api.calls[0].payload)

    assert first.events == ["time_is_up", "continued"]
    assert second.events == ["resumed", "time_is_up", "stalled"]
    assert second.error_type == "Carryon.Stalled"
    assert "count of CARRYON_STATE" in second.json["errorMessage"]
    assert "CARRYON_STALL_HOPS=0" in second.json["errorMessage"]
    assert second.lines[-1]["carryon"]["requests"] == 2
    assert len(lambda_api.calls) == 1


def test_a_chain_that_is_too_old_ends(newest_runtime, layer, lambda_api, tmp_path):
    """The hop in which its time is over is the last one."""
    env = continuing(lambda_api, **ROOMY, CARRYON_MAX_AGE="2d")
    with Emulator(newest_runtime, app(tmp_path, STUCK), layer=layer, env=env) as function:
        result = function.invoke(envelope.wrap(b"{}", META))

    assert result.error_type == "Carryon.AgeLimit"
    assert result.events == ["resumed", "time_is_up", "age_limit"]
    assert lambda_api.calls == []


def test_each_hop_says_what_the_chain_has_cost(newest_runtime, layer, lambda_api, tmp_path):
    """GB-seconds and requests, with what the hops before it have spent."""
    carried = {**META, "spent": {"gb_s": 100, "requests": 3}}
    folder = app(tmp_path, "    if event['stuck']:\n        time.sleep(9)\n")
    with Emulator(newest_runtime, folder, layer=layer, env=continuing(lambda_api, **ROOMY), memory_mb=1024) as function:
        continued = function.invoke(envelope.wrap(b'{"stuck":true}', carried)).lines[-1]["carryon"]
        completed = function.invoke(envelope.wrap(b'{"stuck":false}', carried)).lines[-1]["carryon"]

    assert (continued["event"], continued["requests"]) == ("continued", 4)
    assert 101 < continued["gb_seconds"] < 103
    assert (completed["event"], completed["requests"]) == ("completed", 4)
    assert 100 <= completed["gb_seconds"] < 101
    assert lambda_api.calls[0].json["carryon"]["spent"] == {"gb_s": continued["gb_seconds"], "requests": 4}


def test_a_dry_run_does_all_but_the_continuation(newest_runtime, layer, lambda_api, tmp_path):
    """What would have been sent is said by its size; the invocation fails, whether or not the handler has returned."""
    env = continuing(lambda_api, **ROOMY, CARRYON_TO="log", CARRYON_STATE="count")
    results = []
    for body in (STUCK, GIVES_UP):
        with Emulator(newest_runtime, app(tmp_path, body), layer=layer, env=env, name="f:live") as function:
            results.append(function.invoke({"secret": "s3cr3t"}))

    for result in results:
        line = result.lines[-1]
        assert result.error_type == "Carryon.TimeIsUp"
        assert "CARRYON_TO=log" in result.json["errorMessage"]
        assert result.events == ["time_is_up", "dry_run"]
        assert line["carryon"]["would_be_hop"] == 1
        assert line["carryon"]["would_be_to"].endswith(":function:f:live")
        assert line["carryon"]["event_bytes"] == len(json.dumps({"secret": "s3cr3t"}))
        assert line["carryon"]["envelope_bytes"] > line["carryon"]["event_bytes"] + line["carryon"]["state_bytes"]
        assert "s3cr3t" not in result.log
    assert lambda_api.calls == []
