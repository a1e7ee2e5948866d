"""Services are reached where botocore reaches them, and by the proxy that it takes."""

import gzip
import itertools
import json
import os
import urllib.request
from pathlib import Path
from unittest import mock

import botocore
import pytest
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import EndpointProviderError
from hypothesis import example, given
from hypothesis import strategies as st

from carryon.aws import endpoints, proxies
from carryon.aws.endpoints import Unknown, Url
from tests.support.botocore_requests import sent_by_botocore

DATA = Path(botocore.__file__).parent / "data"
PARTITIONS = json.loads((DATA / "partitions.json").read_text())
REGIONS = [region for partition in PARTITIONS["partitions"] for region in partition["regions"]]
KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s"}


@pytest.fixture(name="rules", scope="module")
def _rules():
    rules = json.loads(gzip.decompress((DATA / "lambda/2015-03-31/endpoint-rule-set-1.json.gz").read_bytes()))
    return EndpointProvider(rules, PARTITIONS)


def test_every_region_of_every_partition(rules):
    """Plain, FIPS, dual stack and both; a name that is no region's is left to botocore."""
    found = {}
    for region, fips, dual in itertools.product(REGIONS, (False, True), (False, True)):
        env = {"AWS_USE_FIPS_ENDPOINT": str(fips), "AWS_USE_DUALSTACK_ENDPOINT": str(dual).lower()}
        try:
            theirs = rules.resolve_endpoint(Region=region, UseFIPS=fips, UseDualStack=dual).url
        except EndpointProviderError:
            theirs = ""
        try:
            ours = str(endpoints.resolve("lambda", region, env))
        except Unknown:
            assert "global" in region
            continue
        found[ours] = theirs

    assert [pair for pair in found.items() if pair[0] != pair[1]] == []
    assert len(found) == 4 * sum("global" not in region for region in REGIONS)


@pytest.mark.parametrize("region", ["", None, "aws-global", "us-east-1-fips", "fips-us-east-1", "moon-1", "us-east-x"])
def test_what_is_no_region_is_botocores(region):
    """It knows what is meant, or says what is wrong."""
    with pytest.raises(Unknown, match="region"):
        endpoints.resolve("lambda", region, {})


URLS = {
    "plain": "http://127.0.0.1:4566",
    "slash": "https://example.com/",
    "path": "https://vpce-1.lambda.eu-west-1.vpce.amazonaws.com/base/path",
    "path and slash": "https://Example.COM:8443/base/",
    "own port": "https://example.com:443",
    "address": "http://[::1]:4566/x",
}


@pytest.mark.parametrize("variables", [("AWS_ENDPOINT_URL",), ("AWS_ENDPOINT_URL_LAMBDA",), ("", "both")], ids=str)
@pytest.mark.parametrize(
    "flags", [{}, {"AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true"}], ids=str
)
def test_urls_of_the_environment(variables, flags):
    """The service's own counts more, an empty one not at all; beside either, FIPS and dual stack say nothing."""
    from carryon.aws.service import Service

    for url in URLS.values():
        env = {**KEYS, **flags, "HOME": "/nonexistent"}
        if "both" in variables:
            env.update(AWS_ENDPOINT_URL="http://other.example", AWS_ENDPOINT_URL_LAMBDA=url)
        else:
            env[variables[0]] = url
            env.setdefault("AWS_ENDPOINT_URL_LAMBDA", "")
        with mock.patch.dict(os.environ, env, clear=True):
            theirs = sent_by_botocore("eu-west-1")
            ours = Service("lambda", "eu-west-1", env)

        sent = endpoints.parse(theirs.url, "sent")
        assert (sent.scheme, sent.authority) == (ours._url.scheme, ours._url.authority)
        assert sent.path == f"{ours._path}/2015-03-31/functions/f/invocations"


@pytest.mark.parametrize(
    "text",
    [
        "", "example.com", "ftp://example.com", "http://", "http://a b", "http://a:x", "http://a:0", "http://a:65536",
        "http://user@a", "http://[::1", "http://a/#f", "http://a?q=1", "http://é.example", "http://a..b", "http://a\n",
        "http://a\\b", "http://-", "http://a-.example", f"http://{'a' * 64}.com",
    ],
)  # fmt: skip
def test_odd_urls_are_botocores(text):
    """Or whatever is wrong with them is for botocore to say."""
    with pytest.raises(Unknown, match="it"):
        endpoints.parse(text, "it")


names = st.sampled_from(
    ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "Https_Proxy", "no_proxy", "NO_PROXY", "all_proxy"]
)
targets = st.sampled_from(["10.0.0.1:3128", "http://proxy:3128", "//proxy:3128", "http://proxy", ""])
exempt = st.lists(
    st.sampled_from(["*", "", " ", ".", "amazonaws.com", ".amazonaws.com", "AMAZONAWS.COM", "example.com:8443", "com",
                     "lambda.eu-west-1.amazonaws.com", "example.com", "xample.com", "127.0.0.1", "localhost"]),
    max_size=3,
).map(",".join)  # fmt: skip
urls = st.sampled_from(
    [
        Url("https", "lambda.eu-west-1.amazonaws.com", 443),
        Url("https", "example.com", 8443),
        Url("http", "127.0.0.1", 4566, "/x"),
        Url("http", "localhost", 80),
    ]
)


@given(st.dictionaries(names, targets, max_size=5), st.none() | exempt, st.none() | exempt, st.booleans(), urls)
@example({"HTTPS_PROXY": "p:1", "https_proxy": ""}, None, None, False, Url("https", "example.com", 443))
@example({"HTTP_PROXY": "p:1"}, None, None, True, Url("http", "localhost", 80))
def test_the_proxy_is_the_one_that_urllib_finds(env, lower, upper, is_cgi, url):
    """By any names, exemptions and cases."""
    env = {
        **env,
        **({"no_proxy": lower} if lower is not None else {}),
        **({"NO_PROXY": upper} if upper is not None else {}),
    }
    if is_cgi:
        env["REQUEST_METHOD"] = "GET"
    with mock.patch.dict(os.environ, env, clear=True):
        is_exempt = urllib.request.proxy_bypass_environment(url.authority)
        theirs = None if is_exempt else urllib.request.getproxies_environment().get(url.scheme)

    found = proxies.find(url, env)

    assert (found is None) == (theirs is None)
    if found is not None:
        assert f"{found.host}:{found.port}" == {"10.0.0.1:3128": "10.0.0.1:3128", "p:1": "p:1"}.get(
            theirs, "proxy:3128" if "3128" in theirs else "proxy:80"
        )


@pytest.mark.parametrize(
    ("env", "why"),
    [
        ({"HTTPS_PROXY": "http://user:secret@proxy:1"}, "password"),
        ({"HTTPS_PROXY": "user@proxy:1"}, "password"),
        ({"HTTPS_PROXY": "https://proxy:1"}, "TLS"),
        ({"HTTPS_PROXY": "socks5://proxy:1"}, "the proxy for https"),
        ({"HTTPS_PROXY": "proxy:1", "BOTO_EXPERIMENTAL__ADD_PROXY_HOST_HEADER": "true"}, "EXPERIMENTAL"),
    ],
)
def test_other_proxies_are_botocores(env, why):
    """And what is said of them has no password."""
    with pytest.raises(Unknown, match=why) as raised:
        proxies.find(Url("https", "example.com", 443), env)
    assert "secret" not in str(raised.value)
