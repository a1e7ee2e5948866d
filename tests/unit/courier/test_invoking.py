"""A function is invoked as botocore would invoke it, or by botocore; and each answer is understood."""

import calendar
import datetime as dt
import json
import os
import time
from types import SimpleNamespace
from unittest import mock

import botocore.auth
import pytest

from carryon.aws import botocore_only, service, tls
from carryon.aws.credentials import NoCredentials
from carryon.aws.endpoints import Unknown
from carryon.aws.http1 import NotTrusted, ProxyFailed
from carryon.courier import invoking
from tests.support.botocore_requests import sent_by_botocore
from tests.support.lambda_api import LambdaApi

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:f:live"
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKID",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_SESSION_TOKEN": "t/+=",
    "HOME": "/nonexistent",
}
TRACE = {"AWS_LAMBDA_FUNCTION_NAME": "f", "_X_AMZN_TRACE_ID": 'Root=1-2;Parent=x;Sampled=1;Lineage=a:1|b:5,"é"'}
# Who asks, and for which attempt of an SDK.
NOT_COMPARED = {"user-agent", "amz-sdk-invocation-id", "amz-sdk-request"}


@pytest.fixture(name="environ", autouse=True)
def _environ():
    with mock.patch.dict(os.environ, KEYS, clear=True):
        yield os.environ


def invoke(light, payload=b"{}", tenant=None, within_ms=5_000, begin=lambda: None):
    try:
        return light.invoke(ARN, tenant, payload, within_ms, begin)
    finally:
        light.disconnect()


@pytest.mark.parametrize("env", [{}, TRACE, {"_X_AMZN_TRACE_ID": "Root=1-2"}], ids=["plain", "traced", "outside"])
@pytest.mark.parametrize("tenant", [None, "blue"])
def test_the_request_is_the_one_that_botocore_sends(env, tenant, environ):
    """Every header and the signature; the ARN is quoted once in the path, and twice where it is signed."""
    environ.update(env)
    with LambdaApi() as api:
        environ["AWS_ENDPOINT_URL_LAMBDA"] = api.url
        invoked = invoke(invoking.Light("eu-west-1"), tenant=tenant)
        (call,) = api.calls
        at = dt.datetime.fromtimestamp(_seconds(call.headers["x-amz-date"]), dt.timezone.utc)
        with mock.patch.object(botocore.auth, "get_current_datetime", return_value=at):
            theirs = sent_by_botocore("eu-west-1", FunctionName=ARN, **({"TenantId": tenant} if tenant else {}))

    assert invoked == (invoking.ACCEPTED, "")
    expected = {
        name.lower(): value.decode() if isinstance(value, bytes) else value for name, value in theirs.headers.items()
    }
    # What urllib3 adds.
    expected.update({"host": api.url.removeprefix("http://"), "accept-encoding": "identity"})
    kept = {name: value for name, value in call.headers.items() if name not in NOT_COMPARED}
    assert kept == {name: value for name, value in expected.items() if name not in NOT_COMPARED}
    assert call.path == theirs.url.removeprefix(api.url)
    assert "arn%3Aaws%3Alambda" in call.path


@pytest.mark.parametrize(
    ("error", "how"),
    [
        ("AccessDeniedException", invoking.REFUSED),
        ("RecursiveInvocationException", invoking.REFUSED),
        ("RequestTooLargeException", invoking.TOO_LARGE),
        ("TooManyRequestsException", invoking.PASSING),
        ("ServiceException", invoking.PASSING),
    ],
)
def test_errors_are_understood_as_botocores_are(error, how, environ):
    """Both name AWS's error and its text."""
    with LambdaApi() as api:
        environ["AWS_ENDPOINT_URL"] = api.url
        for invoker in (invoking.Light("eu-west-1"), invoking.Botocore(_client, "")):
            api.fail(error)
            found, cause = invoke(invoker)
            assert found == how
            assert f"{error}" in cause
            assert f"{error} as asked for" in cause


def _client(within_ms):
    from botocore.config import Config
    from botocore.session import get_session

    return get_session().create_client("lambda", "eu-west-1", config=Config(retries={"total_max_attempts": 1}))


def test_redirects_are_not_followed(environ):
    """Nor taken for a success."""
    with LambdaApi() as api:
        environ["AWS_ENDPOINT_URL"] = api.url
        api.redirect("http://127.0.0.1:1/")
        assert invoke(invoking.Light("eu-west-1")) == (invoking.REFUSED, "307:  (status 307)")


def test_what_was_not_sent_and_what_is_in_doubt(environ):
    """The errors say which."""
    with LambdaApi() as api:
        environ["AWS_ENDPOINT_URL"] = api.url
        api.reset_after_reading()
        how, cause = invoke(invoking.Light("eu-west-1"))
        assert (how, cause[:12]) == (invoking.IN_DOUBT, "NotAnswered:")
    how, cause = invoke(invoking.Light("eu-west-1"))
    assert (how, cause[:13]) == (invoking.NOT_REACHED, "NotConnected:")


@pytest.mark.parametrize("error", [NotTrusted, ProxyFailed, NoCredentials])
def test_what_no_second_attempt_mends(error, monkeypatch):
    """Refused, with its reason."""

    def fail(*_, **__):
        raise error("because")

    light = invoking.Light("eu-west-1")
    monkeypatch.setattr(light._service, "request", fail)
    assert invoke(light) == (invoking.REFUSED, f"{error.__name__}: because")


@pytest.mark.parametrize("error", ["InvalidSignatureException", "RequestTimeTooSkewed"])
@pytest.mark.parametrize("off_s", [-3_600, 3_600])
def test_a_wrong_clock_is_corrected_once(error, off_s, environ):
    """By the server's Date; what is refused once more is refused."""
    with LambdaApi() as api:
        environ["AWS_ENDPOINT_URL"] = api.url
        light = invoking.Light("eu-west-1")
        wrong = SimpleNamespace(**{name: getattr(time, name) for name in ("monotonic", "gmtime", "strftime")})
        wrong.time = lambda: time.time() + off_s
        with mock.patch.object(service, "time", wrong):
            api.fail(error)
            assert invoke(light) == (invoking.ACCEPTED, "")
            api.fail(error, times=9)
            assert invoke(light)[0] == invoking.REFUSED
    refused, accepted, again = (call.headers["x-amz-date"] for call in api.calls)
    assert abs(_seconds(refused) - time.time()) > 3_000
    assert abs(_seconds(accepted) - time.time()) < 300
    assert abs(_seconds(again) - time.time()) < 300


def _seconds(stamp):
    return calendar.timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ"))


def test_a_clock_that_is_right_is_no_reason_to_ask_again(environ):
    """The signature is wrong for another reason."""
    with LambdaApi() as api:
        environ["AWS_ENDPOINT_URL"] = api.url
        api.fail("InvalidSignatureException")
        assert invoke(invoking.Light("eu-west-1"))[0] == invoking.REFUSED
        assert len(api.calls) == 1


@pytest.mark.parametrize(
    ("env", "why"),
    [
        *[({name: "x"}, name) for name in botocore_only._BOTOCORES],
        ({"AWS_CONFIG_FILE": __file__}, __file__),
        ({"AWS_SHARED_CREDENTIALS_FILE": "$FOLDER/test_invoking.py", "FOLDER": os.path.dirname(__file__)}, __file__),
        ({"AWS_ACCESS_KEY_ID": ""}, "no credentials in the environment"),
        ({"HTTPS_PROXY": "http://user:secret@proxy"}, "the proxy for https wants a password"),
        ({"AWS_CA_BUNDLE": ""}, "an empty AWS_CA_BUNDLE"),
        ({"AWS_ENDPOINT_URL": "http://a/?b"}, "an endpoint URL with a query"),
    ],
)
def test_what_only_botocore_knows_is_left_to_it(env, why, environ):
    """And the reason is said."""
    environ.update(env)
    invoker = invoking.choose("eu-west-1", lambda _: None)

    assert (invoker.client, invoker.reason) == ("botocore", why)


def test_files_of_botocores(environ, tmp_path):
    """In the home folder; what is no file is none."""
    environ["HOME"] = str(tmp_path)
    environ["AWS_CONFIG_FILE"] = os.devnull
    assert invoking.choose("eu-west-1", lambda _: None).client == "light"
    (tmp_path / ".aws").mkdir()
    assert invoking.choose("eu-west-1", lambda _: None).client == "light"
    (tmp_path / ".aws/credentials").touch()
    assert invoking.choose("eu-west-1", lambda _: None).reason == f"{tmp_path}/.aws/credentials"
    (tmp_path / ".aws/credentials").unlink()
    (tmp_path / ".aws/models").mkdir()
    assert invoking.choose("eu-west-1", lambda _: None).reason == "~/.aws/models"


@pytest.mark.parametrize("error", [AttributeError, TypeError])
def test_a_python_whose_parts_are_others(error, monkeypatch):
    """Is no reason to send nothing; a bundle that cannot be read is for the request to say."""

    def fail(*_):
        raise error("_wrap_socket")

    monkeypatch.setattr(tls.Trust, "_make", fail)
    assert invoking.choose("eu-west-1", lambda _: None).reason == f"{error.__name__}: _wrap_socket"
    error = OSError
    assert invoking.choose("eu-west-1", lambda _: None).client == "light"


def test_an_application_id_goes_along(environ):
    """As AWS_SDK_UA_APP_ID wants it, and it cannot be another header."""
    environ["AWS_SDK_UA_APP_ID"] = "my app\r\nX: 1"
    with LambdaApi() as api:
        environ["AWS_ENDPOINT_URL"] = api.url
        invoke(invoking.Light("eu-west-1"))
    assert api.calls[0].headers["user-agent"].endswith(" app/my-app--X--1")


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({"x-amzn-errortype": "AError:http://x/"}, b'{"Message": "m"}', ("AError", "m")),
        ({}, b'{"__type": "com.amazon.x#AError", "message": "m"}', ("AError", "m")),
        ({}, b'{"code": "AError"}', ("AError", "")),
        ({}, b"<html>", ("502", "<html>")),
        ({}, b"[1]", ("502", "")),
        ({}, b"", ("502", "")),
        ({}, json.dumps({"message": None}).encode(), ("502", "None")),
    ],
)
def test_errors_have_a_code_and_a_message(headers, body, expected):
    """However the protocol, or a proxy, writes them."""
    from carryon.aws.http1 import Response

    response = Response(502, headers)
    response.body = body
    assert service.error_of(response) == expected


def test_unknown_is_said_of_a_region():
    """It is botocore that says what is wrong with it."""
    with pytest.raises(Unknown, match="no region"):
        invoking.Light(None)
