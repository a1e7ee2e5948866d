"""Chains whose keys lie in SSM and Secrets Manager."""

import pytest

SIGNED = {"CARRYON_TO": "self", "CARRYON_STATE": "steps"}
KEY = "the key that nobody has in a variable"
STEPS = {"steps": 250}


def parameter(services):
    services.client("ssm").put_parameter(Name="/carryon/key", Value=KEY, Type="SecureString")
    return "arn:aws:ssm:us-east-1:000000000000:parameter/carryon/key"


def secret(services):
    return services.client("secretsmanager").create_secret(Name="carryon/key", SecretString=KEY)["ARN"]


@pytest.mark.parametrize("keep", [parameter, secret])
def test_a_chain_is_signed_with_a_key_that_is_fetched(make_function, services, keep):
    """Each hop is opened and signed with it; the same envelope for another function, or in it, is refused."""
    env = {**SIGNED, "CARRYON_SIGNING_KEY": keep(services)}
    function = make_function("work.count", env=env)
    other = make_function("work.count", env=env)

    function.send(STEPS)
    hops = function.wait_for_result()
    _, replayed = other.call(hops[-1].event)
    _, forged = function.call({**hops[-1].event, "steps": 1})

    assert len(hops) > 1
    assert hops[-1].answer == STEPS
    assert all(hop.event["carryon"]["sig"].startswith("v1:") for hop in hops[1:])
    assert replayed["errorType"] == forged["errorType"] == "Carryon.BadEnvelope"
    assert not any(KEY in hop.log for hop in hops)


def test_without_its_key_a_chain_stays_with_lambda(make_function):
    """Nothing goes out unsigned, nothing is let in, and both failures name the place of the key."""
    place = "arn:aws:ssm:us-east-1:000000000000:parameter/carryon/missing"
    function = make_function("work.count", env={**SIGNED, "CARRYON_SIGNING_KEY": place})
    meta = {"v": 1, "chain": "c-1", "hop": 1, "cause": "time", "parent": "p", "started_at_ms": 1, "sig": "v1:0"}

    _, let_out = function.call(STEPS)
    _, let_in = function.call({"carryon": meta, **STEPS})

    assert (let_out["errorType"], let_in["errorType"]) == ("Carryon.DeliveryFailed", "Carryon.OpeningFailed")
    for answer in (let_out, let_in):
        assert f"{place} cannot be had: ParameterNotFound" in answer["errorMessage"]
