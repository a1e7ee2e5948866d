"""Carry On's own log lines as they come out of the real runtime."""

import json

import pytest

from tests.support.emulator import Emulator
from tests.support.functions import FUNCTIONS, continuing
from tests.support.log_schema import VALIDATOR, validated


@pytest.mark.parametrize("log_format", ["Text", "JSON"])
def test_lines_are_json_in_both_log_formats_and_come_last(log_format, edge_runtime, layer, lambda_api):
    """After what the function's clean-up printed and logged, one line per thing that happened."""
    env = continuing(lambda_api, AWS_LAMBDA_LOG_FORMAT=log_format, AWS_LAMBDA_LOG_LEVEL="INFO")
    with Emulator(edge_runtime, FUNCTIONS, "work.handler", layer=layer, env=env) as function:
        result = function.invoke({"do": "log_much"})

    assert [line["carryon"]["event"] for line in validated(result)] == ["time_is_up", "continued"]
    lines = result.log.splitlines()
    assert "last words" in lines[0]
    assert lines[1] == "printed at the end"
    assert len(lines) == 4


def test_the_line_tells_where_and_when(newest_runtime, layer, lambda_api):
    """The function's own innermost frames, the times, and the state's size; never its content."""
    env = continuing(lambda_api, CARRYON_STATE="steps")
    with Emulator(newest_runtime, FUNCTIONS, "work.handler", layer=layer, env=env) as function:
        result = function.invoke({"do": "clean_up", "secret": "s3cr3t"})

    first, second = (line["carryon"] for line in validated(result))
    assert first["stopped_at"][0].endswith(" work")
    assert [place.split(":")[0] for place in first["stopped_at"]] == ["work.py"] * 3
    assert [place.split()[1] for place in first["stopped_at"]] == ["work", "clean_up", "handler"]
    assert first["margin_ms"] == 500
    assert 0 < first["remaining_ms"] <= 500
    assert 2_000 < first["elapsed_ms"] <= 3_000
    assert first["state_bytes"] > 10
    assert (first["chain"], first["hop"]) == (result.request_id, 0)
    assert second["to"] == lambda_api.calls[0].function
    assert second["delivery_ms"] >= 0
    assert "s3cr3t" not in result.log


def test_the_functions_frames_are_named_when_a_library_is_interrupted(newest_runtime, layer, tmp_path):
    """`stopped_at` begins where the function itself was, not in the library it called."""
    (tmp_path / "app.py").write_text(
        "import urllib.request, socket\n\n"
        "def handler(event, context):\n"
        "    server = socket.create_server(('127.0.0.1', 0))\n"
        "    urllib.request.urlopen(f'http://127.0.0.1:{server.getsockname()[1]}/')\n"
    )
    with Emulator(newest_runtime, tmp_path, layer=layer) as function:
        (line,) = validated(function.invoke())

    assert line["carryon"]["stopped_at"] == ["app.py:5 handler"]


def test_a_deep_stack_stays_under_4_kb(newest_runtime, layer, tmp_path):
    """A longer write could be mixed with others in the pipe to the log."""
    name = "a_function_with_a_name_that_goes_on_and_on_" * 8
    (tmp_path / "app.py").write_text(
        f"import time\n\ndef {name}(depth):\n    {name}(depth - 1) if depth else time.sleep(30)\n\n"
        f"def handler(event, context):\n    {name}(200)\n"
    )
    with Emulator(newest_runtime, tmp_path, layer=layer) as function:
        result = function.invoke()

    validated(result)
    assert max(len(line) for line in result.log.splitlines() if "time_is_up" in line) < 4_096


@pytest.mark.parametrize(
    ("level", "events"),
    [
        ("DEBUG", ["resumed", "time_is_up", "continued"]),
        ("WARN", ["time_is_up"]),
        ("ERROR", []),
        ("nonsense", ["resumed", "time_is_up", "continued"]),
    ],
)
def test_the_log_level_counts(level, events, newest_runtime, layer, lambda_api):
    """AWS_LAMBDA_LOG_LEVEL drops our lines as it drops the function's."""
    from carryon.shared import envelope

    meta = {"v": 1, "chain": "c", "hop": 1, "cause": "time", "parent": "r", "started_at_ms": 1}
    env = continuing(lambda_api, AWS_LAMBDA_LOG_FORMAT="JSON", AWS_LAMBDA_LOG_LEVEL=level)
    with Emulator(newest_runtime, FUNCTIONS, "work.handler", layer=layer, env=env) as function:
        result = function.invoke(envelope.wrap(b'{"do":"clean_up"}', meta))

    assert result.events == events
    assert len(lambda_api.calls) == 1


@pytest.mark.parametrize("metrics", ["on", "off"])
def test_metrics_ride_in_the_lines(metrics, newest_runtime, layer, lambda_api):
    """Embedded metric format, every dimension and metric a member at the root; `CARRYON_METRICS=off` has none."""
    env = continuing(lambda_api, CARRYON_METRICS=metrics)
    with Emulator(newest_runtime, FUNCTIONS, "work.handler", layer=layer, env=env) as function:
        first, second = validated(function.invoke({"do": "clean_up"}))

    if metrics == "off":
        assert "_aws" not in first
        assert "_aws" not in second
        return
    for line, names in ((first, {"TimeIsUp"}), (second, {"Continued", "DeliveryTime"})):
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "CarryOn"
        assert directive["Dimensions"] == [["function"]]
        assert {metric["Name"] for metric in directive["Metrics"]} == names
        assert names <= set(line)


BAD = {
    "CARRYON_TO": "arn:aws:s3:::bucket",
    "CARRYON_MARGIN": "soon",
    "CARRYON_STATE": "not a name",
    "CARRYON_MAX_HOPS": "-1",
    "CARRYON_RAISE": "KeyboardInterrupt",
    "CARRYON_RESPONSE": "{not json",
    "CARRYON_NEXT_WRAPPER": "/nonexistent/wrapper",
    "CARRYON_METRICS": "maybe",
    "CARRYON_DISABLED": "perhaps",
    "CARRYON_TIMEOUT": "3",
    "CARRYON_SIGNING_KEY": "not shown",
}
# Values that may be a key.
NOT_SHOWN = ("CARRYON_TIMEOUT", "CARRYON_SIGNING_KEY")


@pytest.mark.parametrize("name", BAD)
def test_a_bad_setting_never_stops_the_function(name, newest_runtime, layer):
    """The default is used, and the cold start logs one ERROR with variable, value and what is allowed."""
    with Emulator(newest_runtime, FUNCTIONS, "work.handler", layer=layer, env={name: BAD[name]}) as function:
        function.invoke({"do": "finish"})
        second = function.invoke({"do": "finish"})
        log = function.log

    assert second.json["event"] == {"do": "finish"}
    assert second.log == ""
    (line,) = [json.loads(line) for line in log.splitlines()]
    VALIDATOR.validate(line)
    assert (line["level"], line["carryon"]["event"]) == ("ERROR", "bad_setting")
    shown = "(not shown)" if name in NOT_SHOWN else BAD[name]
    assert (line["carryon"]["name"], line["carryon"]["value"]) == (name, shown)
    assert line["carryon"]["allowed"]


def test_a_bad_target_fails_at_the_alarm_so_that_lambda_tries_again(newest_runtime, layer):
    """No continuation from a mistake, and no false success."""
    env = {"CARRYON_TO": "the other one"}
    with Emulator(newest_runtime, FUNCTIONS, "work.handler", layer=layer, env=env) as function:
        result = function.invoke({"do": "clean_up"})

    assert result.error_type == "Carryon.TimeIsUp"


def test_a_margin_of_half_the_time_is_taken_without_a_word(newest_runtime, layer):
    """Although a moment of the time is over when the handler is called."""
    with Emulator(newest_runtime, FUNCTIONS, "work.handler", layer=layer, env={"CARRYON_MARGIN": "1500ms"}) as function:
        result = function.invoke({"do": "clean_up"})

    assert result.events == ["time_is_up"]


def test_a_margin_of_more_than_half_the_time_is_cut_and_said(newest_runtime, layer):
    """A margin larger than the timeout leaves half of it to the function."""
    with Emulator(newest_runtime, FUNCTIONS, "work.handler", layer=layer, env={"CARRYON_MARGIN": "9s"}) as function:
        result = function.invoke({"do": "clean_up"})

    assert result.events == ["bad_setting", "time_is_up"]
    assert result.lines[0]["level"] == "WARN"
    assert 1_000 <= result.lines[1]["carryon"]["margin_ms"] <= 1_500
