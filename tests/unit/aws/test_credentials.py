"""The keys that requests are signed with: from the environment, or from where Lambda and ECS hand them out."""

import http.server
import json
import os
import threading
import time
from unittest import mock

import botocore.credentials
import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carryon.aws import credentials, timestamps
from carryon.aws.credentials import NoCredentials, Source
from carryon.aws.endpoints import Unknown

FULL, RELATIVE = "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"


class Agent:
    """Hands out credentials on loopback; `answers` are taken one by one, the last one again and again."""

    def __init__(self):
        self.answers = [given_out("first")]
        self.asked = []
        agent = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                agent.asked.append((self.path, dict(self.headers)))
                status, body = agent.answers.pop(0) if len(agent.answers) > 1 else agent.answers[0]
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/2021-04-23/credentials?id=1"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def given_out(name, in_s=3_600):
    expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + in_s))
    return 200, json.dumps({"AccessKeyId": name, "SecretAccessKey": "s", "Token": "t", "Expiration": expires})


@pytest.fixture(name="agent")
def _agent(monkeypatch):
    monkeypatch.setattr(credentials, "_PAUSE_S", 0)
    agent = Agent()
    yield agent
    agent.close()


def get(source):
    return source.get(time.monotonic() + 5)


names = st.sampled_from(
    [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SECURITY_TOKEN",
        "AWS_SESSION_TOKEN",
        "AWS_CREDENTIAL_EXPIRATION",
    ]
)


@given(st.dictionaries(names, st.sampled_from(["", "a", "b"]), max_size=5))
def test_keys_of_the_environment(env):
    """As botocore takes them; what is set in part, or ends, is left to it."""
    try:
        with mock.patch("botocore.credentials.parse", return_value=None):
            theirs = botocore.credentials.EnvProvider(env).load()
    except Exception:
        theirs = None
    try:
        ours = get(Source(env))
    except Unknown:
        assert theirs is None or env.get("AWS_CREDENTIAL_EXPIRATION")
    else:
        assert (ours.access_key, ours.secret_key, ours.token) == (theirs.access_key, theirs.secret_key, theirs.token)


@pytest.mark.parametrize(
    ("env", "why"),
    [
        ({}, "no credentials"),
        ({"AWS_ACCESS_KEY_ID": "a"}, "AWS_SECRET_ACCESS_KEY"),
        ({FULL: "http://127.0.0.1/x", "AWS_WEB_IDENTITY_TOKEN_FILE": "/token"}, "AWS_WEB_IDENTITY_TOKEN_FILE"),
        ({FULL: "http://127.0.0.1/x", "AWS_CREDENTIAL_FILE": "/token"}, "AWS_CREDENTIAL_FILE"),
        ({FULL: "https://example.com/x"}, FULL),
        ({FULL: "http://example.com/x"}, FULL),
        ({FULL: "http://127.0.0.1.example.com/x"}, FULL),
        ({FULL: "http://127.0.0.01/x"}, FULL),
        ({FULL: "http://169.254.169.254/x"}, FULL),
    ],
)
def test_what_only_botocore_finds(env, why):
    """Or refuses: it may not send a token to just any host."""
    with pytest.raises(Unknown, match=why):
        Source(env)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1.2.3", "localhost", "[::1]", "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"]
)
def test_hosts_that_may_be_asked(host):
    """The ones that botocore asks."""
    url = f"http://{host}:1/x"
    botocore.utils.ContainerMetadataFetcher()._validate_allowed_url(url)

    assert str(Source({FULL: url})._url) == url


def test_the_relative_place_counts_more(agent):
    """It is on the address that ECS has for it."""
    assert (
        str(Source({FULL: agent.url, RELATIVE: "/v2/credentials/1?x=1"})._url)
        == "http://169.254.170.2/v2/credentials/1?x=1"
    )


def test_those_of_a_container(agent, tmp_path):
    """Asked for once, with the token; the one in a file counts more and may be another each time."""
    file = tmp_path / "token"
    file.write_text("in the file")
    env = {FULL: agent.url, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "set"}
    source = Source({**env, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(file)})

    first, second = get(source), get(source)
    get(Source(env))

    assert first is second
    assert (first.access_key, first.secret_key, first.token) == ("first", "s", "t")
    assert [(path, headers["Authorization"]) for path, headers in agent.asked] == [
        ("/2021-04-23/credentials?id=1", "in the file"),
        ("/2021-04-23/credentials?id=1", "set"),
    ]


def test_botocore_is_given_the_same(agent):
    """The same request, but for what says who asks."""
    env = {FULL: agent.url, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "set"}
    ours = get(Source(env))
    with mock.patch.dict(os.environ, env):
        theirs = botocore.credentials.ContainerProvider().load().get_frozen_credentials()

    (one, other) = agent.asked
    assert (ours.access_key, ours.secret_key, ours.token) == (theirs.access_key, theirs.secret_key, theirs.token)
    assert one[0] == other[0]
    assert {name: one[1][name] for name in ("Accept", "Authorization", "Host")} == {
        name: other[1][name] for name in ("Accept", "Authorization", "Host")
    }


def test_new_ones_before_they_end(agent):
    """A quarter of an hour before; where that fails the old ones are good until ten minutes before."""
    agent.answers = [given_out("old", 14 * 60), given_out("new")]
    source = Source({FULL: agent.url})
    assert get(source).access_key == "old"
    assert get(source).access_key == "new"

    agent.answers = [given_out("old", 14 * 60), (500, "")]
    source = Source({FULL: agent.url})
    assert get(source).access_key == "old"
    assert get(source).access_key == "old"
    agent.answers = [given_out("old", 9 * 60), (500, "")]
    source = Source({FULL: agent.url})
    assert get(source).access_key == "old"
    with pytest.raises(NoCredentials, match="status 500"):
        get(source)


def test_asked_again_where_it_fails(agent):
    """A few times, and the last problem is told."""
    agent.answers = [(500, ""), (503, ""), given_out("third")]
    assert get(Source({FULL: agent.url})).access_key == "third"

    agent.answers = [(404, "")]
    with pytest.raises(NoCredentials, match=r"127.0.0.1.*status 404"):
        get(Source({FULL: agent.url}))


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((200, "{}"), "KeyError: 'Expiration'"),
        ((200, "no"), "JSONDecodeError"),
        ((200, "[]"), "TypeError"),
        (given_out("late", -5), "have expired"),
        ((200, '{"Expiration": "tomorrow"}'), "ValueError"),
    ],
)
def test_answers_that_are_no_credentials(answer, why, agent):
    """What is wrong is told."""
    agent.answers = [answer]
    with pytest.raises(NoCredentials, match=why):
        get(Source({FULL: agent.url}))


@pytest.mark.parametrize("token", ["a\r\nX-Evil: 1", "a\n"])
def test_a_token_cannot_be_more_than_one_header(token, agent):
    """Nothing is asked."""
    with pytest.raises(NoCredentials, match="header"):
        get(Source({FULL: agent.url, "AWS_CONTAINER_AUTHORIZATION_TOKEN": token}))
    assert agent.asked == []


@given(st.integers(0, 1 << 34))
def test_times_are_read_as_they_were_written(seconds):
    """As ISO 8601 and as in headers."""
    moment = time.gmtime(seconds)
    written = time.strftime("%Y-%m-%dT%H:%M:%S", moment)
    day, month = (
        ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][moment.tm_wday],
        timestamps._MONTHS[moment.tm_mon - 1],
    )

    assert timestamps.from_iso(f"{written}Z") == timestamps.from_iso(f"{written}.123Z") == seconds
    assert timestamps.from_http(f"{day}, {time.strftime(f'%d {month} %Y %H:%M:%S', moment)} GMT") == seconds


@pytest.mark.parametrize("text", ["", "2015-08-30", "2015-08-30T12:36:00+02:00", "now", "2015-08-30T12:36Z"])
def test_other_ways_to_write_a_time_are_refused(text):
    """And never taken for another time."""
    for read in (timestamps.from_iso, timestamps.from_http):
        with pytest.raises(ValueError, match=r"."):
            read(text)
