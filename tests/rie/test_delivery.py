"""Each way a delivery can end, and that nothing is lost: accepted, refused, unreachable, unanswered."""

import http.server
import json
import shutil
import socket
import threading
import time
from pathlib import Path

import pytest

from tests.support import functions
from tests.support.certificates import Authority
from tests.support.emulator import RUNTIME_FOLDER, Emulator
from tests.support.functions import FUNCTIONS
from tests.support.lambda_api import LambdaApi
from tests.support.processes import wait_until

OTHER = "arn:aws:lambda:eu-central-1:123456789012:function:other:live"


def continuing(api, **settings):
    """As every function's, with room for a busy machine: what is tested is how the delivery ends."""
    return functions.continuing(api, **{"CARRYON_MARGIN": "1400ms", **settings})


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


NOT_ALLOWED = b"HTTP/1.1 403 Forbidden\r\nx-amzn-ErrorType: AccessDeniedException\r\n"
ANSWERS = {
    "a redirect": (b"HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n", "keep", "refused"),
    "cut off in its head": (b"HTTP/1.1 202 Accepted\r\nContent-Le", "close", "in doubt"),
    "cut off in an error": (b"HTTP/1.1 403 No\r\nContent-Length: 50\r\n\r\n{", "reset", "in doubt"),
    "no HTTP": (b"220 mail.example ESMTP\r\n", "close", "in doubt"),
    "after 100 Continue": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", "keep", "accepted",
    ),
    "in chunks": (
        b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "keep", "accepted",
    ),
    "an error in chunks": (
        NOT_ALLOWED + b'Transfer-Encoding: chunked\r\n\r\n19\r\n{"Message":"not allowed"}\r\n0\r\n\r\n',
        "keep", "refused",
    ),
    "a body that never ends": (b"HTTP/1.1 202 Accepted\r\n\r\n{", "keep", "accepted"),
}  # fmt: skip


@pytest.mark.parametrize("answer", ANSWERS)
def test_answers_of_every_shape(answer, run, lambda_api):
    """One request, whatever comes of it: a success is one, a refusal is none, and what is cut off is in doubt."""
    content, then, outcome = ANSWERS[answer]
    lambda_api.write(content, then=then, times=9)

    result = run(continuing(lambda_api))

    if outcome == "accepted":
        assert result.events == ["time_is_up", "continued"]
    else:
        line = failed(result, duplicate=outcome == "in doubt")
        if NOT_ALLOWED in content:
            assert "AccessDeniedException: not allowed" in line["cause"]
    assert len(lambda_api.calls) == 1


def test_a_connection_that_is_closed_between_rehearsal_and_delivery(newest_runtime, layer, lambda_api):
    """Nothing was sent on it, so another one is made."""
    with Emulator(newest_runtime, FUNCTIONS, "work.handler", layer=layer, env=continuing(lambda_api)) as function:
        running = function.begin({"do": "clean_up"})
        wait_until(lambda_api.drop_idle, 3, "no connection was made beforehand")
        result = running.result()

    assert result.events == ["time_is_up", "continued"]
    assert lambda_api.outcomes == ["accepted"]


@pytest.fixture(name="authority", scope="module")
def _authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(name="no_botocore")
def _no_botocore(tmp_path):
    """Environment of a function in whose runtime botocore cannot be imported."""
    folder = tmp_path / "runtime"
    shutil.copytree(RUNTIME_FOLDER, folder)
    for package in ("boto3", "botocore"):
        (folder / package).mkdir()
        (folder / package / "__init__.py").write_text("raise RuntimeError('botocore was imported')")
    return {"LAMBDA_RUNTIME_DIR": str(folder)}


def test_botocore_is_not_imported_for_a_continuation(runtime, layer, authority, no_botocore):
    """By TLS, signed with a key, and in every Python: its own client is all that is needed."""
    key = "k" * 40
    with LambdaApi(authority.context()) as api:
        env = continuing(api, AWS_CA_BUNDLE=str(authority.bundle), CARRYON_SIGNING_KEY=key, **no_botocore)
        with Emulator(runtime, FUNCTIONS, "work.handler", layer=layer, env=env) as function:
            result = function.invoke({"do": "clean_up"})

    assert result.events == ["time_is_up", "continued"], result.log
    assert result.lines[-1]["carryon"]["client"] == "light"
    assert api.outcomes == ["accepted"]


def test_what_only_botocore_knows_is_sent_with_it(run, lambda_api, no_botocore):
    """And the line says so, also where that fails."""
    env = continuing(lambda_api, AWS_ACCOUNT_ID_ENDPOINT_MODE="disabled")
    result = run(env)
    assert result.events == ["time_is_up", "continued"]
    line = result.lines[-1]["carryon"]
    assert (line["client"], line["client_reason"]) == ("botocore", "AWS_ACCOUNT_ID_ENDPOINT_MODE")

    line = failed(run({**env, **no_botocore}))
    assert (line["client"], line["cause"]) == ("botocore", "RuntimeError: botocore was imported")


@pytest.mark.parametrize("certificate", ["expired", "other_name", "nobody's"])
def test_a_certificate_that_is_wrong_is_refused(certificate, run, authority):
    """Nothing is sent to whoever has it, and the reason is told."""
    with LambdaApi(authority.context("right" if certificate == "nobody's" else certificate)) as api:
        env = {} if certificate == "nobody's" else {"AWS_CA_BUNDLE": str(authority.bundle)}
        line = failed(run(continuing(api, **env)))

    assert "NotTrusted: localhost" in line["cause"]
    assert "certificate verify failed" in line["cause"]
    assert api.calls == []


def test_credentials_of_a_container(run, lambda_api):
    """As after a SnapStart restore: from the address that is set, with its token."""
    asked = []

    class Agent(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.headers["Authorization"])
            expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3_600))
            given = {"AccessKeyId": "GIVEN", "SecretAccessKey": "s", "Token": "given", "Expiration": expires}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(given).encode())

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Agent) as agent:
        threading.Thread(target=agent.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        env = continuing(
            lambda_api,
            AWS_ACCESS_KEY_ID="",
            AWS_CONTAINER_CREDENTIALS_FULL_URI=f"http://127.0.0.1:{agent.server_port}/credentials",
            AWS_CONTAINER_AUTHORIZATION_TOKEN="token",
        )
        result = run(env)
        agent.shutdown()

    assert result.events == ["time_is_up", "continued"]
    (call,) = lambda_api.calls
    assert "Credential=GIVEN/" in call.headers["authorization"]
    assert call.headers["x-amz-security-token"] == "given"
    assert asked == ["token"]


def test_what_the_courier_imports_is_in_no_other_process(edge_runtime, layer, authority):
    """A runtime that takes another one's place has the modules that the first one had, so that patches still work."""
    with LambdaApi(authority.context()) as api:
        env = continuing(api, AWS_CA_BUNDLE=str(authority.bundle))
        with Emulator(edge_runtime, FUNCTIONS, "work.handler", layer=layer, env=env) as function:
            first = function.invoke({"do": "modules"}).json
            running = function.begin({"do": "swallow"})
            courier = _wait_for_courier(function)
            wait_until(lambda: "_ssl." in _mapped(courier), 3, "the courier has no TLS")
            others = [pid for pid in function.processes() if pid != courier]
            assert "_ssl." not in _mapped(others[0])
            assert running.result().events == ["rescued", "continued"]
            second = function.invoke({"do": "modules"}).json

    assert first["pid"] != second["pid"]
    assert first["there"] == second["there"]
    assert "botocore" not in first["there"]


def _mapped(pid):
    try:
        return Path(f"/proc/{pid}/maps").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


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
