"""Signing keys that lie in SSM and in Secrets Manager."""

import time

import pytest

from carryon.courier.key_store import KeyStore
from carryon.shared.keys import Keys, KeyUnavailable
from carryon.shared.settings import NO_GOOD_KEY, parse

KEY, NEXT_KEY = "the key that was made first", "the key that was made later"
ACCOUNT = "arn:aws:{}:us-east-1:000000000000:{}"


@pytest.fixture
def asked(services):
    """Clients of the services, each of which is noted when it is asked for."""
    names = []

    def client(service, region, within_ms):
        assert (region, within_ms > 0) == ("us-east-1", True)
        names.append(service)
        return services.client(service)

    client.names = names
    return client


def soon():
    return int(time.time() * 1000) + 5_000


def settings(*places):
    parsed = parse({"CARRYON_SIGNING_KEY": ",".join(places)})
    assert parsed.problems == ()
    return parsed.signing_keys


def parameter(services, value, name="/carryon/key"):
    services.client("ssm").put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)
    return ACCOUNT.format("ssm", f"parameter{name}")


def secret(services, **value):
    return services.client("secretsmanager").create_secret(Name="carryon/key", **value)["ARN"]


def test_a_parameter_is_decrypted(services, asked):
    """The ARN of an SSM parameter leads to its plain text."""
    keys = Keys(settings(parameter(services, KEY)), KeyStore(asked).fetch)

    assert keys.first(soon()) == KEY.encode()
    assert list(keys.each(soon())) == [KEY.encode()]
    assert asked.names == ["ssm"], "once fetched it is kept"


@pytest.mark.parametrize("value", [{"SecretString": KEY}, {"SecretBinary": KEY.encode()}])
def test_a_secret_is_read(services, asked, value):
    """The ARN of a secret leads to its text, or to its bytes."""
    keys = Keys(settings(secret(services, **value)), KeyStore(asked).fetch)

    assert keys.first(soon()) == KEY.encode()


def test_what_a_secret_was_before_verifies_too(services, asked):
    """After a rotation the new version signs, and what the old one has signed is good."""
    arn = secret(services, SecretString=KEY)
    before = [key for key in Keys(settings(arn), KeyStore(asked).fetch).each(soon()) if key]
    services.client("secretsmanager").put_secret_value(SecretId=arn, SecretString=NEXT_KEY)
    keys = Keys(settings(arn), KeyStore(asked).fetch)

    assert before == [KEY.encode()]
    assert keys.first(soon()) == NEXT_KEY.encode()
    assert list(keys.each(soon())) == [NEXT_KEY.encode(), KEY.encode()]


def test_a_key_is_fetched_only_when_it_is_asked_for(services, asked):
    """The first key that fits ends the search, and a plain key asks for nothing."""
    keys = Keys(settings(KEY, parameter(services, NEXT_KEY)), KeyStore(asked).fetch)
    each = keys.each(soon())

    assert keys.first(soon()) == next(each) == KEY.encode()
    assert asked.names == []
    assert next(each) == NEXT_KEY.encode()
    assert asked.names == ["ssm"]


def test_a_key_is_asked_for_again_after_a_minute(services, asked, monkeypatch):
    """A process that lives long notices that a key was changed."""
    place = parameter(services, KEY)
    keys = Keys(settings(place), KeyStore(asked).fetch)
    first = keys.first(soon())
    parameter(services, NEXT_KEY)
    at_once = keys.first(soon())
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 61)

    assert (first, at_once, keys.first(soon())) == (KEY.encode(), KEY.encode(), NEXT_KEY.encode())


def test_a_key_that_is_not_there_is_named(services, asked):
    """Other keys are tried first; then the reason names the ARN."""
    missing = ACCOUNT.format("ssm", "parameter/carryon/missing")
    keys = Keys(settings(missing, KEY), KeyStore(asked).fetch)
    each = keys.each(soon())

    assert next(each) == KEY.encode()
    with pytest.raises(KeyUnavailable, match=f"{missing}.*ParameterNotFound"):
        next(each)
    with pytest.raises(KeyUnavailable, match=missing):
        keys.first(soon())


def test_a_key_that_is_too_short_is_not_shown(services, asked):
    """Fetched keys have to be as long as plain ones."""
    keys = Keys(settings(parameter(services, "too short")), KeyStore(asked).fetch)

    with pytest.raises(KeyUnavailable, match="fewer than 16") as raised:
        keys.first(soon())
    assert "too short" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_setting_that_is_not_usable_gives_no_key(asked):
    """Neither signs nor verifies."""
    keys = Keys(NO_GOOD_KEY, KeyStore(asked).fetch)

    with pytest.raises(KeyUnavailable, match="CARRYON_SIGNING_KEY"):
        keys.first(soon())
    with pytest.raises(KeyUnavailable, match="CARRYON_SIGNING_KEY"):
        list(keys.each(soon()))


def test_a_throttled_key_is_asked_for_again(services, faulty, monkeypatch):
    """429 and 5xx are tried again, within the time there is."""
    place = parameter(services, KEY)
    monkeypatch.setattr(services, "url", faulty.url)
    keys = Keys(settings(place), KeyStore(lambda service, *_: services.client(service)).fetch)
    faulty.plan("throttle", "fail", "lost")

    assert keys.first(soon()) == KEY.encode()
    assert faulty.outcomes == ["throttle", "fail", "lost", "passed"]
    faulty.always = "throttle"
    with pytest.raises(KeyUnavailable, match=place):
        Keys(settings(place), KeyStore(lambda service, *_: services.client(service)).fetch).first(
            int(time.time() * 1000) + 200
        )
