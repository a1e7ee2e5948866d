"""Fetch signing keys from where CARRYON_SIGNING_KEY says they are: SSM parameters and Secrets Manager secrets."""

from __future__ import annotations

import time

from carryon.shared.keys import PREVIOUS, service_of
from carryon.shared.settings import MIN_KEY_LENGTH

from . import attempts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_WITHIN_MS = 5_000  # an attempt takes no longer


class KeyStore:
    """Where the keys of one function are.

    Args:
        client: called with a service, a region and a time in ms; returns a botocore client whose attempts fit into it.
    """

    def __init__(self, client: Callable[[str, str, int], Any]) -> None:
        self._client = client

    def get_ready(self, places: tuple[str, ...], within_ms: int) -> None:
        """Make the client that fetches the key that signs; the key itself only when it is asked for."""
        if places and service_of(places[0]):
            self._client_for(places[0], within_ms)

    def fetch(self, arn: str, stage: str, until_ms: int) -> bytes:
        """The key that lies there.

        Args:
            stage: which version of a secret; what there is none of is empty.
            until_ms: wall clock at which nobody waits for it any longer.

        Raises:
            ValueError: it is too short.
            Exception: botocore's.
        """
        client = self._client_for(arn, until_ms - int(time.time() * 1000))
        if service_of(arn) == "ssm":
            request = {"Name": arn, "WithDecryption": True}
            key: bytes = attempts.call(client.get_parameter, until_ms, **request)["Parameter"]["Value"].encode()
        else:
            try:
                secret = attempts.call(client.get_secret_value, until_ms, SecretId=arn, VersionStage=stage)
            except client.exceptions.ResourceNotFoundException:
                if stage == PREVIOUS:
                    return b""  # it was never changed
                raise
            key = secret["SecretString"].encode() if "SecretString" in secret else secret["SecretBinary"]
        if len(key) < MIN_KEY_LENGTH:
            raise ValueError(f"it has fewer than {MIN_KEY_LENGTH} characters")
        return key

    def _client_for(self, arn: str, left_ms: int) -> Any:
        return self._client(service_of(arn), arn.split(":")[3], min(left_ms, _WITHIN_MS))
