"""Delivery through a Lambda API that throttles, fails, refuses or loses its answers."""

import pytest

STEPS = {"steps": 250}


@pytest.fixture
def make_continuing(make_function, faulty):
    """A function `make_continuing(**settings)` whose continuations go through the faulty proxy."""
    env = {"CARRYON_TO": "self", "CARRYON_STATE": "steps", "AWS_ENDPOINT_URL_LAMBDA": faulty.url}

    def make(**settings):
        return make_function("work.count", env=env, **settings)

    return make


@pytest.mark.parametrize("faults", [["throttle", "throttle"], ["fail"], ["fail", "throttle"]])
def test_a_passing_fault_only_delays_the_continuation(make_continuing, faulty, faults):
    """429 and 5xx are tried again within the margin, and the continuation is sent exactly once."""
    function = make_continuing()
    faulty.plan(*faults)

    function.send(STEPS)
    hops = function.wait_for_result()

    assert faulty.outcomes == [*faults, *["passed"] * (len(hops) - 1)]
    assert len(hops) > 1
    assert hops[-1].answer == STEPS


@pytest.mark.parametrize(
    ("fault", "cause"),
    [("throttle", "TooManyRequestsException"), ("fail", "ServiceException"), ("deny", "AccessDeniedException")],
)
def test_what_cannot_be_delivered_stays_with_lambda(make_continuing, faulty, services, fault, cause):
    """The invocation fails and names the cause, and the on-failure queue holds the original event."""
    url, arn = services.queue("failed")
    function = make_continuing(on_failure=arn)
    faulty.always = fault

    function.send(STEPS)
    kept = services.receive(url)
    (hop,) = function.invocations

    assert kept["requestPayload"] == STEPS
    assert kept["responsePayload"]["errorType"] == "Carryon.DeliveryFailed"
    assert cause in kept["responsePayload"]["errorMessage"]
    assert hop.events == ["time_is_up", "delivery_failed"]
    assert hop.lines[-1]["possible_duplicate"] is False
    assert "passed" not in faulty.outcomes


def test_a_refusal_is_not_tried_again(make_continuing, faulty):
    """What will not pass is asked once."""
    function = make_continuing()
    faulty.always = "deny"

    function.send(STEPS)
    (hop,) = function.wait_for(1)

    assert hop.ok is False
    assert faulty.outcomes == ["deny"]


def test_a_lost_answer_is_neither_delivered_nor_not(make_continuing, faulty):
    """The request was sent once and never answered: the invocation fails and says that a successor may be running."""
    function = make_continuing()
    faulty.plan("lost")

    function.send(STEPS)
    hops = function.wait_for(2)

    assert faulty.outcomes == ["lost"]
    assert hops[0].answer["errorType"] == "Carryon.DeliveryFailed"
    assert hops[0].lines[-1]["possible_duplicate"] is True
    assert hops[-1].answer == STEPS


def test_a_target_without_concurrency_keeps_the_work_in_its_queue(make_function, services):
    """An accepted continuation that the target may not run arrives in the target's on-failure queue, with its state."""
    url, arn = services.queue("failed")
    target = make_function("work.count", on_failure=arn)
    target.throttle()
    function = make_function("work.count", env={"CARRYON_TO": target.arn, "CARRYON_STATE": "steps"})

    function.send(STEPS)
    (hop,) = function.wait_for(1)
    kept = services.receive(url)

    assert hop.events == ["time_is_up", "continued"]
    assert kept["requestPayload"]["carryon"]["state"]["steps"] > 0
    assert target.invocations == []
