"""One service of AWS, asked with the standard library alone: an eighth of what botocore costs.

What of the environment is honoured is what botocore honours; where that is not all, it says so and botocore has to do.
"""

from __future__ import annotations

import json
import os
import time

from . import __version__, clock, endpoints, proxies, sigv4
from .credentials import Credentials, Source
from .endpoints import Unknown
from .http1 import Connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .http1 import Response

# Set, they change what botocore does in ways of which nothing is known here, or that need its files.
_BOTOCORES = (
    "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_ACCOUNT_ID_ENDPOINT_MODE",
    "AWS_DATA_PATH", "AWS_DEFAULTS_MODE", "AWS_CSM_ENABLED", "AWS_AUTH_SCHEME_PREFERENCE",
    "AWS_SIGV4A_SIGNING_REGION_SET",
)  # fmt: skip
# Where its files are, and by which variable they may be elsewhere.
_FILES = (("AWS_CONFIG_FILE", "~/.aws/config"), ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"))
_MODELS = "~/.aws/models"
# Errors that a wrong clock leads to, and how wrong AWS lets it be.
_SKEWED = {
    "RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture", "InvalidSignatureException",
    "SignatureDoesNotMatch", "AuthFailure",
}  # fmt: skip
_SKEW_S = 240
_APP_ID = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!$%&'*+-.^_`|~,#")


class Service:
    """Signs requests and sends them on one connection, which may be made beforehand.

    Args:
        name: of the service, in host names and signatures.
        environ: the function's environment.

    Raises:
        Unknown: botocore has to do it; the text says because of what.
        AttributeError, TypeError: the same, because of this Python.
    """

    def __init__(self, name: str, region: str | None, environ: Mapping[str, str]) -> None:
        for variable in _BOTOCORES:
            if variable in environ:
                raise Unknown(variable)
        for variable, usual in _FILES:
            file = os.path.expandvars(os.path.expanduser(environ.get(variable, usual)))
            if os.path.isfile(file):
                raise Unknown(file)
        if os.path.isdir(os.path.expanduser(_MODELS)):
            raise Unknown(_MODELS)
        if not region:
            raise Unknown("no region")
        self._name = name
        self._region = region
        self._url = endpoints.resolve(name, region, environ)
        self._source = Source(environ)
        self._skew_s = 0.0
        proxy = proxies.find(self._url, environ)
        trust = None
        if self._url.scheme == "https":
            from .tls import Trust

            trust = Trust(environ)
        if "?" in self._url.path:
            raise Unknown("an endpoint URL with a query")
        self._path = self._url.path.removesuffix("/")
        self._connection = Connection(self._url, proxy, trust)
        self._connection.check()
        self._agent = f"carryon/{__version__}"
        if environ.get("AWS_SDK_UA_APP_ID"):
            app = "".join(c if c in _APP_ID else "-" for c in environ["AWS_SDK_UA_APP_ID"])
            self._agent += f" app/{app}"

    def get_ready(self, within_s: float) -> None:
        """Have all there that a request needs, the connection included, and take each step of one but to send it.

        Raises:
            Exception: the errors that a request would meet.
        """
        by = time.monotonic() + within_s
        self._signed("POST", "/", {}, b"", self._source.get(by))
        self._connection.connect(by)

    def disconnect(self) -> None:
        """Close the connection, if there is one; the next request makes its own."""
        self._connection.close()

    def request(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        within_s: float,
        begin: Callable[[], None] = lambda: None,
        *,
        is_status_enough: bool = False,
    ) -> Response:
        """Send a request, and once more where this machine's clock is wrong by the server's.

        Args:
            path: quoted.
            headers: beside those that every request has.
            begin: called before anything is sent, each time.
            is_status_enough: as for `Connection.request`.

        Raises:
            Exception: those of `http1`, and NoCredentials.
        """
        by = time.monotonic() + within_s
        is_corrected = False
        while True:
            credentials = self._source.get(by)
            signed = self._signed(method, path, headers, body, credentials)
            response = self._connection.request(
                method, self._path + path, signed, body, by, begin, is_status_enough=is_status_enough
            )
            if response.status < 400 or is_corrected or not self._corrects_clock(response):
                return response
            is_corrected = True

    def _signed(
        self, method: str, path: str, headers: dict[str, str], body: bytes, credentials: Credentials
    ) -> dict[str, str]:
        at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() + self._skew_s))
        host = {"Host": self._url.authority, **headers}
        added = sigv4.sign(
            method,
            self._path + path,
            "",
            host,
            body,
            service=self._name,
            region=self._region,
            credentials=credentials,
            at=at,
        )
        # What a proxy may change is not signed.
        return {**host, "User-Agent": self._agent, "Accept-Encoding": "identity", **added}

    def _corrects_clock(self, response: Response) -> bool:
        if error_of(response)[0] not in _SKEWED:
            return False
        try:
            skew_s = clock.from_http(response.headers.get("date", "")) - time.time()
        except ValueError:
            return False
        if abs(skew_s - self._skew_s) < _SKEW_S:
            return False
        self._skew_s = skew_s
        return True


def error_of(response: Response) -> tuple[str, str]:
    """Code and message of an answer that says of an error, by the protocols that speak JSON."""
    try:
        body = json.loads(response.body)
    except (ValueError, RecursionError):
        body = {"message": response.body.decode("utf-8", "replace")}
    if not isinstance(body, dict):
        body = {}
    code = response.headers.get("x-amzn-errortype") or body.get("code") or body.get("Code") or body.get("__type")
    message = body.get("message", body.get("Message", ""))
    name = str(code or response.status).partition(":")[0].rpartition("#")[2]
    return name, str(message)
