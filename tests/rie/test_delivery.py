"""Each way a delivery can end, and that nothing is lost: accepted, refused, unreachable, unanswered."""

import shutil
import socket

import pytest

from tests.support.emulator import Emulator
from tests.support.functions import FUNCTIONS, continuing

OTHER = "arn:aws:lambda:eu-central-1:123456789012:function:other:live"


@pytest.fixture(name="run")
def _run(newest_runtime, layer):
    """Invoke one behaviour once, and see that the environment serves the next invocation."""

    def run(env, **event):
        with Emulator(newest_runtime, FUNCTIONS, "work.handler", layer=layer, env=env) as function:
            result = function.invoke({"do": "clean_up", **event})
            following = function.invoke({"do": "echo"})
        assert following.json == {"do": "echo"}
        assert function.leftovers == []
        return result

    return run


def failed(result, *, duplicate=False):
    """The invocation failed so that Lambda keeps the event; returns the line that says why."""
    assert result.error_type == "Carryon.DeliveryFailed"
    assert not result.timed_out
    assert result.events == ["time_is_up", "delivery_failed"]
    line = result.lines[-1]["carryon"]
    assert line["possible_duplicate"] is duplicate
    assert line["cause"] in result.json["errorMessage"]
    return line


def test_another_function_can_carry_on(run, lambda_api):
    """`CARRYON_TO=<ARN>`: invoked by that name, alias included, in that region."""
    result = run(continuing(lambda_api, CARRYON_TO=OTHER))

    (call,) = lambda_api.calls
    assert call.function == OTHER
    assert "/eu-central-1/lambda/" in call.headers["authorization"]
    assert result.json["carryon"]["to"] == OTHER


def test_the_same_alias_carries_on(newest_runtime, layer, lambda_api):
    """`self` is the ARN that was invoked, so a published version goes on as that version."""
    env = continuing(lambda_api)
    with Emulator(newest_runtime, FUNCTIONS, "work.handler", layer=layer, env=env, name="f:live") as function:
        function.invoke({"do": "clean_up"})

    assert lambda_api.calls[0].function.endswith(":function:f:live")


@pytest.mark.parametrize("error", ["AccessDeniedException", "ResourceNotFoundException", "RequestTooLargeException"])
def test_a_refused_continuation_fails_the_invocation(error, run, lambda_api):
    """No second attempt, and the error names AWS's reason."""
    lambda_api.fail(error, times=9)

    line = failed(run(continuing(lambda_api)))

    assert error in line["cause"]
    assert len(lambda_api.calls) == 1


@pytest.mark.parametrize("error", ["TooManyRequestsException", "ServiceException"])
def test_a_passing_failure_is_tried_again(error, run, lambda_api):
    """Throttles and server errors pass; the continuation is accepted once."""
    lambda_api.fail(error, times=2)

    result = run(continuing(lambda_api))

    assert result.events == ["time_is_up", "continued"]
    assert lambda_api.outcomes == [f"refused:{error}"] * 2 + ["accepted"]
    assert result.lines[-1]["carryon"]["client"] == "light"


def test_a_throttle_that_does_not_pass_fails_the_invocation_in_time(run, lambda_api):
    """Tried until the answer has to go out, then the invocation fails and names the throttle."""
    lambda_api.fail("TooManyRequestsException", times=99)

    line = failed(run(continuing(lambda_api)))

    assert "TooManyRequestsException" in line["cause"]
    assert len(lambda_api.calls) > 1


def test_an_endpoint_that_refuses_connections_fails_the_invocation(run):
    """Nothing was ever sent, so there is no doubt."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"

        line = failed(run({"CARRYON_TO": "self", "AWS_ENDPOINT_URL": url}))

    assert "NotConnected: " in line["cause"]
    assert "refused" in line["cause"]
    assert line["client"] == "light"


@pytest.mark.parametrize("fault", ["hang", "reset_after_reading"])
def test_an_unanswered_request_is_in_doubt_and_not_sent_again(fault, run, lambda_api):
    """Invoke takes no token, so the invocation fails and says that the continuation may have arrived."""
    getattr(lambda_api, fault)(times=9)

    result = run(continuing(lambda_api))

    failed(result, duplicate=True)
    assert "may have arrived" in result.json["errorMessage"]
    assert len(lambda_api.calls) == 1


def test_a_tenant_goes_along(newest_runtime, layer, lambda_api):
    """A function with tenants is invoked for the same tenant, and never for the one before."""
    with Emulator(newest_runtime, FUNCTIONS, "work.handler", layer=layer, env=continuing(lambda_api)) as function:
        for tenant in ("blue", "green"):
            function.invoke({"do": "clean_up", "of": tenant}, tenant_id=tenant)

    assert [(call.tenant_id, call.json["of"]) for call in lambda_api.calls] == [("blue", "blue"), ("green", "green")]


def test_the_functions_own_boto3_is_never_used(run, lambda_api, tmp_path, newest_runtime, layer):
    """A boto3 in the task folder and on PYTHONPATH is the function's business alone."""
    shutil.copytree(FUNCTIONS, tmp_path / "task")
    for package in ("boto3", "botocore"):
        (tmp_path / "task" / package).mkdir()
        (tmp_path / "task" / package / "__init__.py").write_text("raise RuntimeError('the function\\'s own')")
    env = continuing(lambda_api, PYTHONPATH=str(tmp_path / "task"))
    with Emulator(newest_runtime, tmp_path / "task", "work.handler", layer=layer, env=env) as function:
        result = function.invoke({"do": "clean_up"})

    assert result.events == ["time_is_up", "continued"], result.log
    assert len(lambda_api.calls) == 1


def test_a_courier_that_dies_is_no_wedge(newest_runtime, layer, lambda_api):
    """Killed while it waits, the courier is replaced when it is needed."""
    with Emulator(newest_runtime, FUNCTIONS, "work.handler", layer=layer, env=continuing(lambda_api)) as function:
        running = function.begin({"do": "clean_up"})
        courier = _wait_for_courier(function)
        import os
        import signal

        os.kill(courier, signal.SIGKILL)
        result = running.result()

    assert result.events[0] == "time_is_up"
    assert result.events[1] in ("continued", "delivery_failed")
    assert len(lambda_api.accepted) == (result.events[1] == "continued")


def _wait_for_courier(function):
    from tests.support.processes import wait_until

    return wait_until(lambda: (function.processes()[2:] or [None])[0], 3, "no courier")


FALLBACK = OTHER.replace("other", "fallback")
TWO_TARGETS = {"CARRYON_FALLBACK_TO": FALLBACK, "CARRYON_MARGIN": "1200ms"}


@pytest.mark.parametrize("error", ["AccessDeniedException", "ResourceNotFoundException", "ServiceException"])
def test_a_second_target_takes_what_the_first_does_not(error, run, lambda_api):
    """Refused, or out of reach for its share of the time; the line says who has it and why not the first."""
    lambda_api.fail_for(":function:function", error)

    result = run(continuing(lambda_api, **TWO_TARGETS))

    (call,) = lambda_api.accepted
    line = result.lines[-1]
    assert call.function == FALLBACK
    assert call.json["carryon"]["hop"] == 1
    assert result.json["carryon"]["to"] == FALLBACK
    assert (line["level"], line["carryon"]["event"], line["carryon"]["to"]) == ("WARN", "continued", FALLBACK)
    assert error in line["carryon"]["cause"]


def test_where_nobody_takes_it_both_reasons_are_named(run, lambda_api):
    """The invocation fails, so that Lambda keeps the event."""
    lambda_api.fail_for(":function:function", "AccessDeniedException")
    lambda_api.fail_for(":function:fallback", "ResourceNotFoundException")

    line = failed(run(continuing(lambda_api, **TWO_TARGETS)))

    assert "AccessDeniedException" in line["cause"]
    assert f"{FALLBACK}: ResourceNotFoundException" in line["cause"]


def test_a_request_in_doubt_goes_nowhere_else(run, lambda_api):
    """It may have been accepted, and two successors are worse than a failure."""
    lambda_api.reset_after_reading()

    failed(run(continuing(lambda_api, **TWO_TARGETS)), duplicate=True)

    assert len(lambda_api.calls) == 1


def test_loop_detection_is_explained_and_not_dodged(run, lambda_api):
    """The failure says what to set, and no second target takes the chain on."""
    lambda_api.fail("RecursiveInvocationException", times=9)

    line = failed(run(continuing(lambda_api, **TWO_TARGETS)))

    assert "RecursiveLoop to Allow" in line["cause"]
    assert len(lambda_api.calls) == 1


def test_an_envelope_that_is_too_large_says_what_helps(run, lambda_api):
    """Its size, the largest part, and the setting."""
    line = failed(run(continuing(lambda_api, CARRYON_STATE="steps"), filler="x" * 1_100_000))

    assert "the envelope has 1,100," in line["cause"]
    assert "the target takes 1,048,576; the event has 1,100,0" in line["cause"]
    assert "CARRYON_BUCKET" in line["cause"]
    assert lambda_api.calls == []
