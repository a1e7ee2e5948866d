"""Requests are signed as botocore signs them."""

import datetime as dt
from unittest import mock

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import example, given
from hypothesis import strategies as st

from carryon.aws import sigv4
from carryon.aws.credentials import Credentials

words = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)
names = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,20}", fullmatch=True) | st.sampled_from(sorted(sigv4._NOT_SIGNED))
# Inner blanks are folded into one, and characters beyond ASCII travel as UTF-8.
values = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=30)
segments = st.sampled_from(["", ".", "..", "a", "b c", "arn:aws:lambda", "é", "%3A", "~", "a+b", "$LATEST"])
hosts = st.sampled_from(["lambda.eu-west-1.amazonaws.com", "localhost:4566", "10.0.0.1", "[::1]:80"])
OWN = {"authorization", "x-amz-date", "x-amz-security-token", "date", "x-amz-content-sha256", "host", "content-length"}


@st.composite
def requests(draw):
    headers = draw(st.dictionaries(names.filter(lambda name: name.lower() not in OWN), values, max_size=6))
    headers = {name: value for name, value in headers.items() if [n.lower() for n in headers].count(name.lower()) == 1}
    pairs = draw(st.lists(st.tuples(words.map(sigv4.quote), words.map(sigv4.quote) | st.just("")), max_size=4))
    return {
        "method": draw(st.sampled_from(["GET", "POST", "PUT", "DELETE"])),
        "host": draw(hosts),
        "path": "/" + "/".join(sigv4.quote(segment) for segment in draw(st.lists(segments, max_size=5))),
        "query": "&".join(f"{name}={value}" for name, value in pairs),
        "headers": headers,
        "body": draw(st.binary(max_size=60)),
        "service": draw(st.sampled_from(["lambda", "sqs", "dynamodb"])),
        "region": draw(st.sampled_from(["eu-west-1", "us-gov-west-1", "cn-north-1"])),
        "keys": (draw(words), draw(words), draw(st.none() | words)),
        "at": draw(st.integers(0, 1 << 32)),
    }


INVOKE = {
    "method": "POST",
    "host": "lambda.eu-west-1.amazonaws.com",
    "path": "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Af%3Alive/invocations",
    "query": "",
    "headers": {"X-Amz-Invocation-Type": "Event", "X-Amz-Tenant-Id": "blue é", "X-Amzn-Trace-Id": "Root=1-2"},
    "body": b'{"a":1}',
    "service": "lambda",
    "region": "eu-west-1",
    "keys": ("AKID", "secret", "t/+="),
    "at": 1_772_323_199,
}


@given(requests())
@example(INVOKE)
@example({**INVOKE, "path": "/base/../a//b/./", "query": "b=2&a=1&a=0&c"})
def test_every_header_is_as_botocore_makes_it(request):
    """Of any path, query, header, body, key and time."""
    url = f"https://{request['host']}{request['path']}" + (f"?{request['query']}" if request["query"] else "")
    theirs = AWSRequest(request["method"], url, dict(request["headers"]), request["body"])
    access_key, secret_key, token = request["keys"]
    signer = botocore.auth.SigV4Auth(
        BotocoreCredentials(access_key, secret_key, token), request["service"], request["region"]
    )
    at = dt.datetime.fromtimestamp(request["at"], dt.timezone.utc)
    with mock.patch.object(botocore.auth, "get_current_datetime", return_value=at):
        signer.add_auth(theirs)

    added = sigv4.sign(
        request["method"],
        request["path"],
        request["query"],
        {"Host": request["host"], **request["headers"]},
        request["body"],
        service=request["service"],
        region=request["region"],
        credentials=Credentials(access_key, secret_key, token),
        at=at.strftime("%Y%m%dT%H%M%SZ"),
    )

    assert {**request["headers"], **added} == dict(theirs.headers.items())


@given(st.text(), st.sampled_from(["", "/", "-=;:+&[]{}\"',"]))
def test_texts_are_quoted_as_the_standard_library_does(text, safe):
    """Surrogates aside, which no header has."""
    from urllib.parse import quote

    try:
        expected = quote(text, safe=safe)
    except UnicodeEncodeError:
        with pytest.raises(UnicodeEncodeError):
            sigv4.quote(text, safe)
    else:
        assert sigv4.quote(text, safe) == expected
