"""Functions that invoke themselves already: their own successor or ours, never both."""

import re
from collections import Counter

import pytest

from tests.support.emulator import Emulator
from tests.support.functions import FUNCTIONS, continuing

HOPS_MAX = 6
LAST = 60
NAME = "worker"


@pytest.fixture(name="start")
def _start(layer, lambda_api, newest_runtime):
    def start(runtime=newest_runtime, timeout_s=3, **settings):
        env = continuing(lambda_api, CARRYON_STATE="position=CURRENT_STATE", **settings)
        return Emulator(
            runtime, FUNCTIONS, "self_invoking.handler", layer=layer, env=env, timeout_s=timeout_s, name=NAME
        )

    return start


def follow(function, lambda_api, event):
    """Invoke, and each invocation that was sent after it; returns all results, the calls of each, and what was left."""
    payloads, results, sent = [event], [], []
    while payloads and len(results) < HOPS_MAX:
        before = len(lambda_api.calls)
        results.append(function.invoke(payloads.pop(0)))
        sent.append(lambda_api.calls[before:])
        payloads += [call.payload for call in sent[-1]]
    return results, sent, payloads


@pytest.mark.parametrize(("margin", "own_limit"), [("500ms", "1"), ("1s", "1"), ("1400ms", "0.4")])
@pytest.mark.parametrize(
    ("do", "by"),
    [
        ("with_alarm_at_import", "invoke"),
        ("with_alarm_at_start", "invoke_async"),
        ("with_decorator", "invoke"),
        ("with_clock", "invoke"),
    ],
)
def test_a_function_with_a_limit_of_its_own_has_one_successor(do, by, margin, own_limit, start, lambda_api):
    """Whichever limit comes first, and however slow Invoke is: one invocation per hop, the function's own or ours."""
    lambda_api.delay(0.3, times=100)
    own_alarm = {"OWN_ALARM": "0"} if do == "with_alarm_at_import" else {}
    with start(CARRYON_MARGIN=margin, OWN_LIMIT_S=own_limit, **own_alarm) as function:
        function.invoke({"do": "ready"})
        results, sent, left = follow(function, lambda_api, {"do": do, "by": by})
        after = [function.invoke({"do": "ready", "seconds": 0.5}) for _ in range(2)]

    assert left == []
    assert len(lambda_api.calls) == len(sent) - 1
    assert [len(calls) for calls in sent] == [1] * (len(sent) - 1) + [0]
    for result, (call,) in zip(results, sent[:-1], strict=False):
        is_ours = "carryon" in call.json
        said = [name for name in result.events if name in ("continued", "continued_itself")]
        assert said in ([["continued"]] if is_ours else [["continued_itself"], []]), result.events
        assert "carryon" in result.json if said else result.json == {"goes": "on"}
    assert results[-1].json == LAST
    if margin == "1400ms":
        assert all("carryon" in call.json for (call,) in sent[:-1])
        assert ("own_alarm" in results[0].events) is (do != "with_clock")
    items = Counter(re.findall(r"^item (\d+)$", "".join(result.log for result in results), re.MULTILINE))
    assert set(items) == set(map(str, range(LAST)))
    if do in ("with_decorator", "with_clock") or margin == "1400ms":
        assert set(items.values()) == {1}
    assert [result.lines for result in after] == [[], []]


@pytest.mark.parametrize("margin", ["600ms", "1900ms"])
def test_an_alarm_that_was_set_at_import_has_one_successor_too(margin, edge_runtime, start, lambda_api):
    """It rings before ours in the invocation of the import, or not at all any more."""
    with start(edge_runtime, timeout_s=4, CARRYON_MARGIN=margin, OWN_ALARM="2.2") as function:
        result = function.invoke({"do": "with_alarm_at_import", "CURRENT_STATE": -1_000})
        calls = list(lambda_api.calls)
        for _ in range(2):
            function.invoke({"do": "ready", "seconds": 1})

    assert len(calls) == 1
    said = "continued" if "carryon" in calls[0].json else "continued_itself"
    assert result.events[-1] == said
    assert len(lambda_api.calls) == 1


@pytest.mark.parametrize(
    "how",
    [{}, {"by": "invoke_async"}, {"then": "swallow"}, {"in_thread": True}, {"in_thread": True, "then": "swallow"}],
)
def test_what_it_has_sent_itself_is_the_successor(how, edge_runtime, start, lambda_api):
    """By the process and by the supervisor; one that is in flight when time is up is let end, in whatever thread."""
    lambda_api.delay(1.9 if how.get("in_thread") and how.get("then") is None else 0.3)
    with start(edge_runtime, CARRYON_MARGIN="1200ms") as function:
        function.invoke({"do": "ready"})
        result = function.invoke({"do": "once", "then": "stay", **how})
        hop = function.invoke(lambda_api.calls[0].payload)
        after = function.invoke({"do": "ready"})

    assert len(lambda_api.calls) == 1
    assert result.json["carryon"]["continued"] is True
    (line,) = [one for one in result.lines if one["carryon"]["event"] == "continued_itself"]
    assert (line["level"], line["carryon"]["continued_itself"]) == ("WARN", "accepted")
    assert "CARRYON_TO" in line["message"]
    assert hop.json == 1
    assert after.lines == []


@pytest.mark.parametrize(
    ("how", "calls"),
    [({"times": 2}, 2), ({"and_waits": True}, 2), ({"times": 2, "then": "swallow"}, 2), ({"fault": "hang"}, 1)],
)
def test_what_nobody_can_tell_is_neither_continued_nor_a_success(how, calls, newest_runtime, start, lambda_api):
    """Several, a synchronous one, and one that is not answered when the supervisor takes over."""
    if how.get("fault"):
        lambda_api.hang()
    with start() as function:
        function.invoke({"do": "ready"})
        result = function.invoke({"do": "once", "then": "stay", **how})
        after = [function.invoke({"do": "ready"}) for _ in range(2)]

    assert result.error_type == "Carryon.TimeIsUp"
    (line,) = [one for one in result.lines if one["carryon"]["event"] == "continued_itself"]
    assert (line["level"], line["carryon"]["continued_itself"]) == ("ERROR", "ambiguous")
    assert len(lambda_api.calls) == calls
    assert [one.lines for one in after] == [[], []]


def test_what_was_refused_counts_for_nothing(start, lambda_api):
    """Nothing of the function's goes on, so the continuation is ours."""
    lambda_api.fail("TooManyRequestsException")
    with start() as function:
        function.invoke({"do": "ready"})
        result = function.invoke({"do": "once", "then": "stay"})

    assert result.events == ["time_is_up", "continued"]
    assert lambda_api.outcomes == ["refused:TooManyRequestsException", "accepted"]


def test_a_process_that_dies_after_it_has_invoked_itself_is_not_carried_on(start, lambda_api):
    """Not even where a death is to be."""
    with start(CARRYON_ON_CRASH="continue") as function:
        function.invoke({"do": "ready"})
        result = function.invoke({"do": "once", "then": "die"})
        after = function.invoke({"do": "ready"})

    assert result.json["carryon"]["continued"] is True
    assert result.events == ["crashed", "continued_itself"]
    assert len(lambda_api.calls) == 1
    assert after.lines == []


def test_a_function_that_invokes_itself_and_ends_in_time_is_none_of_our_business(start, lambda_api):
    """Its result and its log are its own; the invocation after it begins anew."""
    with start() as function:
        results = [function.invoke({"do": "once", "then": "return", "times": times}) for times in (1, 3)]
        cut_short = function.invoke({"do": "with_clock", "CURRENT_STATE": -1_000})

    assert [(result.json, result.lines) for result in results] == [("in time", [])] * 2
    assert len(lambda_api.calls) == 5
    assert "carryon" not in lambda_api.calls[-1].json or "continued" in cut_short.events


@pytest.mark.parametrize("to", ["log", ""])
def test_without_a_target_nobody_looks(to, start, lambda_api):
    """The function fails when time is up, as it does then."""
    with start(CARRYON_TO=to) as function:
        function.invoke({"do": "ready"})
        result = function.invoke({"do": "once", "then": "stay"})

    assert result.error_type == "Carryon.TimeIsUp"
    assert "continued_itself" not in result.events
    assert len(lambda_api.calls) == 1
