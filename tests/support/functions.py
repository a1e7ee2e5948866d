"""What the emulator tests share: the functions under test, the settings of continued ones, and what continues them."""

from pathlib import Path

FUNCTIONS = Path(__file__).resolve().parent.parent / "rie/functions"
HOPS_MAX = 12


def continuing(lambda_api, **settings):
    """Environment of a function whose continuations go to the given endpoint."""
    return {"AWS_ENDPOINT_URL_LAMBDA": lambda_api.url, "CARRYON_TO": "self", **settings}


def follow(function, lambda_api, event):
    """Invoke, and every continuation after it; returns all results."""
    results = [function.invoke(event)]
    while len(lambda_api.calls) == len(results) < HOPS_MAX:
        results.append(function.invoke(lambda_api.calls[-1].payload))
    return results
