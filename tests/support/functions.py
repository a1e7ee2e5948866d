"""What the emulator tests share: the functions under test, and the settings that have them continued."""

from pathlib import Path

FUNCTIONS = Path(__file__).resolve().parent.parent / "rie/functions"


def continuing(lambda_api, **settings):
    """Environment of a function whose continuations go to the given endpoint."""
    return {"AWS_ENDPOINT_URL_LAMBDA": lambda_api.url, "CARRYON_TO": "self", **settings}
