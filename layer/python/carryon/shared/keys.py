"""The keys that sign and verify envelopes: as they are set, or fetched from where CARRYON_SIGNING_KEY says they are."""

from __future__ import annotations

import time

from .settings import MIN_KEY_LENGTH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

# How long a fetched key is not asked for again. A key that was replaced has to be good for longer, as an envelope may
# wait in a queue for hours.
_FRESH_S = 60.0
_NEW_S = 5.0
_WITHIN_MS = 5_000  # an attempt takes no longer
_CURRENT, _PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"


class KeyUnavailable(Exception):
    """A key that cannot be had; the text says which and why, and has nothing of it."""


class Keys:
    """The keys of one function, in the order of the setting.

    Args:
        places: keys, and ARNs of SSM parameters and Secrets Manager secrets.
        client: called with a service, a region and a time in ms; returns a botocore client whose attempts fit into it.
            Not needed where the keys are plain.
    """

    def __init__(self, places: tuple[str, ...], client: Callable[[str, str, int], Any] | None = None) -> None:
        self._places = places
        self._client = client
        self._fetched: dict[tuple[str, str], tuple[float, bytes]] = {}

    @property
    def are_plain(self) -> bool:
        """Whether nobody has to be asked for any of them."""
        return not any(map(_service, self._places))

    def get_ready(self, within_ms: int) -> None:
        """Make the client that fetches the key that signs; the key itself only when it is asked for."""
        if self._places and _service(self._places[0]):
            self._client_for(self._places[0], within_ms)

    def first(self, until_ms: int) -> bytes:
        """The key that signs.

        Args:
            until_ms: wall clock at which nobody waits for it any longer.

        Raises:
            KeyUnavailable: it cannot be had.
        """
        return self._get(self._places[0], _CURRENT, until_ms)

    def each(self, until_ms: int) -> Iterator[bytes]:
        """The keys that verify, each fetched when it is asked for; last the ones that secrets had before.

        Raises:
            KeyUnavailable: one of them cannot be had; raised after all others.
        """
        unavailable = None
        wanted = [(place, _CURRENT) for place in self._places]
        wanted += [(place, _PREVIOUS) for place in self._places if _service(place) == "secretsmanager"]
        for place, stage in wanted:
            try:
                yield self._get(place, stage, until_ms)
            except KeyUnavailable as error:
                unavailable = unavailable or error
        if unavailable is not None:
            raise unavailable

    def forget(self) -> bool:
        """Fetch again what was fetched some time ago; False where nothing was."""
        old = [name for name, (at, _) in self._fetched.items() if time.time() - at > _NEW_S]
        for name in old:
            del self._fetched[name]
        return bool(old)

    def _get(self, place: str, stage: str, until_ms: int) -> bytes:
        if not place:
            raise KeyUnavailable("CARRYON_SIGNING_KEY is not usable")
        if not place.startswith("arn:"):
            return place.encode()
        at, key = self._fetched.get((place, stage), (0.0, b""))
        if not 0 <= time.time() - at < _FRESH_S:
            try:
                key = self._fetch(place, stage, until_ms)
            except Exception as error:
                raise KeyUnavailable(f"the key {place} cannot be had: {type(error).__name__}: {error}") from None
            self._fetched[place, stage] = time.time(), key
        return key

    def _client_for(self, arn: str, left_ms: int) -> Any:
        assert self._client is not None
        return self._client(_service(arn), arn.split(":")[3], min(left_ms, _WITHIN_MS))

    def _fetch(self, arn: str, stage: str, until_ms: int) -> bytes:
        from . import attempts

        client = self._client_for(arn, until_ms - int(time.time() * 1000))
        if _service(arn) == "ssm":
            request = {"Name": arn, "WithDecryption": True}
            key: bytes = attempts.call(client.get_parameter, until_ms, **request)["Parameter"]["Value"].encode()
        else:
            try:
                secret = attempts.call(client.get_secret_value, until_ms, SecretId=arn, VersionStage=stage)
            except client.exceptions.ResourceNotFoundException:
                if stage == _PREVIOUS:
                    return b""  # it was never changed
                raise
            key = secret["SecretString"].encode() if "SecretString" in secret else secret["SecretBinary"]
        if len(key) < MIN_KEY_LENGTH:
            raise ValueError(f"it has fewer than {MIN_KEY_LENGTH} characters")
        return key


def _service(place: str) -> str:
    return place.split(":")[2] if place.startswith("arn:") else ""
