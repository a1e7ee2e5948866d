"""The keys that sign and verify envelopes: as they are set, or fetched from where CARRYON_SIGNING_KEY says they are."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# How long a fetched key is not asked for again. A key that was replaced has to be good for longer, as an envelope may
# wait in a queue for hours.
_FRESH_S = 60.0
_NEW_S = 5.0
CURRENT, PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"


class KeyUnavailable(Exception):
    """A key that cannot be had; the text says which and why, and has nothing of it."""


class Keys:
    """The keys of one function, in the order of the setting.

    Args:
        places: keys, and ARNs of SSM parameters and Secrets Manager secrets.
        fetch: gets a key by its ARN, the stage of a secret, and the wall clock at which nobody waits for it any longer.
            Not needed where the keys are plain.
    """

    def __init__(self, places: tuple[str, ...], fetch: Callable[[str, str, int], bytes] | None = None) -> None:
        self._places = places
        self._fetch = fetch
        self._fetched: dict[tuple[str, str], tuple[float, bytes]] = {}

    @property
    def are_plain(self) -> bool:
        """Whether nobody has to be asked for any of them."""
        return not any(map(service_of, self._places))

    def first(self, until_ms: int) -> bytes:
        """The key that signs.

        Args:
            until_ms: wall clock at which nobody waits for it any longer.

        Raises:
            KeyUnavailable: it cannot be had.
        """
        return self._get(self._places[0], CURRENT, until_ms)

    def each(self, until_ms: int) -> Iterator[bytes]:
        """The keys that verify, each fetched when it is asked for; last the ones that secrets had before.

        Raises:
            KeyUnavailable: one of them cannot be had; raised after all others.
        """
        unavailable = None
        wanted = [(place, CURRENT) for place in self._places]
        wanted += [(place, PREVIOUS) for place in self._places if service_of(place) == "secretsmanager"]
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
            assert self._fetch is not None
            try:
                key = self._fetch(place, stage, until_ms)
            except Exception as error:
                raise KeyUnavailable(f"the key {place} cannot be had: {type(error).__name__}: {error}") from None
            self._fetched[place, stage] = time.time(), key
        return key


def service_of(place: str) -> str:
    """The service that has a key; empty for the key itself."""
    return place.split(":")[2] if place.startswith("arn:") else ""
