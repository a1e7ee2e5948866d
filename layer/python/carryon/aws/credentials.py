"""Who this function is to AWS: its keys from the environment, or from where Lambda and ECS hand them out."""

from __future__ import annotations

import json
import os
import time

from . import timestamps
from .endpoints import Unknown, Url, parse
from .http1 import Connection, NotAnswered, NotConnected

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_FULL, _RELATIVE = "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
_TOKEN, _TOKEN_FILE = "AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
_RELATIVE_TO = "http://169.254.170.2"
_HOSTS = ("169.254.170.2", "169.254.170.23", "fd00:ec2::23", "localhost", "::1")
# As botocore does: it is tried to have new ones so long before they expire, and must succeed so long before.
_RENEW_S = 15 * 60
_MUST_S = 10 * 60
_ATTEMPTS = 3
_WITHIN_S = 2.0
_PAUSE_S = 0.1
# What comes before those of a container: files of other tools, and roles.
_BEFORE_CONTAINER = ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CREDENTIAL_FILE", "BOTO_CONFIG")
_FILES_BEFORE_CONTAINER = ("/etc/boto.cfg", "~/.boto")


class NoCredentials(Exception):
    """They cannot be had; the text says from where and why."""


class Credentials:
    """Keys, a token where they are temporary, and when they end, in seconds since the epoch."""

    def __init__(self, access_key: str, secret_key: str, token: str | None, expires_at: float | None = None) -> None:
        self.access_key = access_key
        self.secret_key = secret_key
        self.token = token
        self.expires_at = expires_at


class Source:
    """Gives credentials that are good for the next minutes.

    Args:
        environ: the function's environment.

    Raises:
        Unknown: only botocore can find them.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._kept: Credentials | None = None
        self._url: Url | None = None
        access_key = environ.get("AWS_ACCESS_KEY_ID", "")
        if access_key:
            if environ.get("AWS_CREDENTIAL_EXPIRATION"):
                raise Unknown("AWS_CREDENTIAL_EXPIRATION")
            secret_key = environ.get("AWS_SECRET_ACCESS_KEY", "")
            if not secret_key:
                raise Unknown("no AWS_SECRET_ACCESS_KEY")
            token = environ.get("AWS_SECURITY_TOKEN") or environ.get("AWS_SESSION_TOKEN") or None
            self._kept = Credentials(access_key, secret_key, token)
            return
        for name in _BEFORE_CONTAINER:
            if name in environ:
                raise Unknown(name)
        for file in _FILES_BEFORE_CONTAINER:
            if os.path.exists(os.path.expanduser(file)):
                raise Unknown(file)
        if _RELATIVE in environ:
            self._url = parse(_RELATIVE_TO + environ[_RELATIVE], _RELATIVE)
        elif _FULL in environ:
            self._url = parse(environ[_FULL], _FULL)
        else:
            raise Unknown("no credentials in the environment")
        if self._url.scheme != "http" or not (self._url.host in _HOSTS or _is_loopback(self._url.host)):
            # Whoever may be asked by TLS, and how the rest is refused.
            raise Unknown(_FULL)

    def get(self, by: float) -> Credentials:
        """The credentials, asked for anew where they end soon.

        Args:
            by: on the monotonic clock.

        Raises:
            NoCredentials: they cannot be had.
        """
        if self._kept is None or self._left_s() < _RENEW_S:
            try:
                self._kept = self._fetch(by)
            except NoCredentials:
                if self._kept is None or self._left_s() < _MUST_S:
                    raise
            if self._left_s() <= 0:
                raise NoCredentials(f"{self._url}: the credentials that are given out have expired")
        return self._kept

    def _left_s(self) -> float:
        assert self._kept is not None
        return _MUST_S + _RENEW_S if self._kept.expires_at is None else self._kept.expires_at - time.time()

    def _fetch(self, by: float) -> Credentials:
        url = self._url
        assert url is not None
        problem = ""
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(_PAUSE_S)
            connection = Connection(url)
            try:
                headers = {"Host": url.authority, "Accept": "application/json", **self._authorization()}
                within = min(by, time.monotonic() + _WITHIN_S)
                response = connection.request("GET", url.path or "/", headers, b"", within)
                if response.status == 200:
                    return _read(response.body)
                problem = f"status {response.status}"
            except (NotConnected, NotAnswered) as error:
                problem = str(error)
            except (KeyError, TypeError, ValueError, OSError) as error:
                raise NoCredentials(f"{url}: {type(error).__name__}: {error}") from None
            finally:
                connection.close()
            if time.monotonic() > by:
                break
        raise NoCredentials(f"{url}: {problem}")

    def _authorization(self) -> dict[str, str]:
        if _TOKEN_FILE in self._environ:
            with open(self._environ[_TOKEN_FILE]) as file:
                token = file.read()
        elif _TOKEN in self._environ:
            token = self._environ[_TOKEN]
        else:
            return {}
        if "\r" in token or "\n" in token:
            raise ValueError("the token is no value of a header")
        return {"Authorization": token}


def _read(body: bytes) -> Credentials:
    given = json.loads(body)
    expires_at = None if given["Expiration"] is None else timestamps.from_iso(given["Expiration"])
    return Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["Token"], expires_at)


def _is_loopback(host: str) -> bool:
    numbers = host.split(".")
    is_good = all(number.isdigit() and number == str(int(number)) and int(number) < 256 for number in numbers)
    return is_good and len(numbers) == 4 and numbers[0] == "127"
