"""One service of AWS, asked with the standard library alone: an eighth of what botocore costs.

What of the environment is honoured is what botocore honours; where that is not all, it says so and botocore has to do.
"""

from __future__ import annotations

import json
import time

from carryon import __version__

from . import endpoints, proxies, sigv4, timestamps
from .botocore_only import why_botocore
from .credentials import Credentials, Source
from .endpoints import Unknown
from .http1 import Connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .http1 import Response

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
        reason = why_botocore(environ)
        if reason:
            raise Unknown(reason)
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
            skew_s = timestamps.from_http(response.headers.get("date", "")) - time.time()
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
