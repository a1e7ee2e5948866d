"""Envelopes that are too large for their target: objects in CARRYON_BUCKET, to which a reference travels.

A reference may come from anybody who can invoke the function, so it leads to objects of this module alone.
"""

from __future__ import annotations

import re
from functools import partial

from . import attempts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MEMBER = "parcel"
MAX = (8 << 20) - (64 << 10)  # what the board has room for, beside what else is said of it

FOLDER = "carryon/"


class NotHad(Exception):
    """A parcel that cannot be read; the text says why. `is_gone`: it was deleted, or was never there."""

    def __init__(self, text: str, is_gone: bool = False) -> None:
        super().__init__(text)
        self.is_gone = is_gone


class Parcels:
    """The objects in one bucket.

    Args:
        bucket: its name.
        client: botocore's, for S3.
    """

    def __init__(self, bucket: str, client: Any) -> None:
        self._bucket = bucket
        self._client = client

    def stow(self, chain: str, hop: int, envelope: bytes, until_ms: int) -> dict[str, str]:
        """Store an envelope, and return the reference to it.

        Args:
            chain: id of its chain.
            hop: number of the hop that it is for.
            until_ms: wall clock at which nobody waits any longer.

        Raises:
            Exception: botocore's; it could not be stored.
        """
        # Of two invocations that carry different work on under one number neither gets into the other's way.
        key = f"{_prefix(chain, hop)}{_hash(envelope)}.json"
        place = {"Bucket": self._bucket, "Key": key}
        put = partial(self._client.put_object, Body=envelope, ContentType="application/json", IfNoneMatch="*")
        try:
            etag = attempts.call(put, until_ms, **place)["ETag"]
        except self._client.exceptions.ClientError as error:
            if _status(error) != 412:
                raise
            # The same, stored by an attempt that was not answered.
            etag = attempts.call(self._client.head_object, until_ms, **place)["ETag"]
        return {"bucket": self._bucket, "key": key, "etag": etag}

    def fetch(self, reference: Any, chain: str, hop: int, until_ms: int) -> bytes:
        """Return the envelope that was stored for that hop.

        Args:
            reference: as it was received.

        Raises:
            NotHad: the reference is no good, or there is no such object any more.
            Exception: botocore's; it could not be read.
        """
        if not self._is_own(reference) or not reference["key"].startswith(_prefix(chain, hop)):
            raise NotHad("the reference is none to an object that Carry On has stored for this hop in CARRYON_BUCKET")
        try:
            envelope: bytes = attempts.call(self._get, until_ms, Key=reference["key"], IfMatch=reference["etag"])[
                "Body"
            ]
        except self._client.exceptions.ClientError as error:
            if _status(error) == 404:
                raise NotHad(f"there is no {reference['key']} in {self._bucket} any more", is_gone=True) from None
            if _status(error) == 412:
                raise NotHad(f"{reference['key']} in {self._bucket} is not what was stored") from None
            raise
        if f"{_prefix(chain, hop)}{_hash(envelope)}.json" != reference["key"]:
            raise NotHad(f"{reference['key']} in {self._bucket} is not what was stored")
        return envelope

    def _get(self, **request: Any) -> dict[str, Any]:
        got = self._client.get_object(Bucket=self._bucket, **request)
        if got["ContentLength"] > MAX:
            raise NotHad(f"{request['Key']} in {self._bucket} is larger than any envelope")
        # Here, so that a connection that breaks in the middle is tried again.
        return {"Body": got["Body"].read()}

    def delete(self, reference: Any, until_ms: int) -> None:
        """Delete what a reference leads to, if it is an object of this module's.

        Raises:
            Exception: botocore's; it may still be there, until the bucket's lifecycle rule deletes it.
        """
        if self._is_own(reference):
            attempts.call(self._client.delete_object, until_ms, Bucket=self._bucket, Key=reference["key"])

    def _is_own(self, reference: Any) -> bool:
        return (
            isinstance(reference, dict)
            and reference.get("bucket") == self._bucket
            and isinstance(reference.get("etag"), str)
            and isinstance(reference.get("key"), str)
            and re.fullmatch(FOLDER + r"[\w-]+/\d+-[0-9a-f]{64}\.json", reference["key"], re.ASCII) is not None
        )


def _prefix(chain: str, hop: int) -> str:
    return f"{FOLDER}{re.sub(r'[^0-9A-Za-z_-]', '_', chain)}/{hop}-"


def _hash(envelope: bytes) -> str:
    # Not at the top: every courier imports this module, and few have a parcel.
    import hashlib

    return hashlib.sha256(envelope).hexdigest()


def _status(error: Any) -> int:
    status: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status
