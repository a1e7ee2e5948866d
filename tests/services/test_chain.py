"""Chains on local AWS services: real Event invocations, one environment for each that runs at the same time."""

from pathlib import Path

from tests.support.runtimes import ROOT

SELF = {"CARRYON_TO": "self"}
# More than two hops' worth.
STEPS = {"steps": 350}


def test_the_search_for_a_prime_ends_with_the_right_one(make_function):
    """The demo's function, unchanged, finds its prime over several hops and says so once."""
    env = {**SELF, "CARRYON_STATE": "count,candidate", "CARRYON_MAX_HOPS": "200"}
    function = make_function("app.handler", ROOT / "examples/prime", env=env)

    function.send({"n": 90_000})
    hops = function.wait_for_result()

    assert hops[-1].answer == {"n": 90_000, "prime": 1_159_523}
    assert [hop.answer["carryon"]["hop"] for hop in hops[:-1]] == list(range(1, len(hops)))
    assert len(hops) > 1


def test_each_hop_is_told_and_logged_as_one_chain(make_function):
    """All hops carry the first request's id, count up, and every one but the last is continued exactly once."""
    function = make_function("work.count", env={**SELF, "CARRYON_STATE": "steps"})

    function.send(STEPS)
    first, *others = function.wait_for_result()

    assert first.events == ["time_is_up", "continued"]
    assert first.event == STEPS
    for number, hop in enumerate(others, start=1):
        assert hop.event["carryon"]["chain"] == first.request_id
        assert hop.event["carryon"]["hop"] == number
        assert {name: value for name, value in hop.event.items() if name != "carryon"} == STEPS
        assert hop.events == ["resumed", "completed"] if hop is others[-1] else ["resumed", "time_is_up", "continued"]
    assert others[-1].answer == STEPS


def test_a_synchronous_caller_hears_that_the_work_goes_on(make_function):
    """The first hop's answer comes at once, while the chain goes on to its result."""
    function = make_function("work.count", env={**SELF, "CARRYON_STATE": "steps"})

    error, answer = function.call(STEPS)
    hops = function.wait_for_result()

    assert error is None
    assert answer["carryon"] == {"continued": True, "chain": hops[0].request_id, "hop": 1, "to": function.arn}
    assert hops[-1].answer == STEPS


def test_another_function_can_carry_on(make_function):
    """With another function's ARN the next hop runs there, with the same event and the state."""
    successor = make_function("work.count", env={"CARRYON_STATE": "steps"})
    function = make_function("work.count", env={"CARRYON_TO": successor.arn, "CARRYON_STATE": "steps"})

    function.send({"steps": 200})
    (first,) = function.wait_for(1)
    (second,) = successor.wait_for(1)

    assert first.answer["carryon"]["to"] == successor.arn
    assert second.event["carryon"]["chain"] == first.request_id
    assert second.event["carryon"]["state"]["steps"] > 0
    assert second.answer == {"steps": 200}


def test_a_failure_in_a_later_hop_loses_nothing(make_function, services, tmp_path):
    """The failed hop's event is in the on-failure queue with its state; sent again, it carries on to the result."""
    url, arn = services.queue("failed")
    function = make_function("work.fragile", env={**SELF, "CARRYON_STATE": "steps"}, on_failure=arn)
    event = {**STEPS, "mark": str(tmp_path / "mark")}

    function.send(event)
    kept = services.receive(url)
    Path(event["mark"]).touch()
    function.send(kept["requestPayload"])
    hops = function.wait_for_result()

    assert kept["responsePayload"]["errorType"] == "ValueError"
    assert kept["requestPayload"]["carryon"]["chain"] == hops[0].request_id
    assert kept["requestPayload"]["carryon"]["state"]["steps"] > 0
    assert hops[-1].answer == STEPS
