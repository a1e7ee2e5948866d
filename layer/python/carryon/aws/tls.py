"""A verifying TLS context like the one that botocore makes, from the C module: the ssl module's enums take 7 ms."""

from __future__ import annotations

import _ssl
import os
import sys

from .endpoints import Unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----\n"
# As the bundle calls the roots that AWS's own endpoints have, by AWS's word.
_AMAZON = (b'# Label: "Amazon Root CA ', b'# Label: "Starfield Services Root Certificate Authority')
_BUNDLE = "cacert.pem"


class Trust:
    """What certificates are verified with.

    To read all of the usual bundle takes 20 ms of a full core, so it begins with the few of it that AWS's own need.

    Args:
        environ: the function's environment.

    Raises:
        Unknown: only botocore can find that out.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
            if name in environ:
                if not environ[name].strip():
                    raise Unknown(f"an empty {name}")
                self._file, self.is_whole = environ[name], True
                break
        else:
            self._file, self.is_whole = _usual_bundle(), False
        if environ.get("SSLKEYLOGFILE"):
            raise Unknown("SSLKEYLOGFILE")
        self._context: Any = None

    def wrap(self, connected: Any, host: str) -> Any:
        """The TLS side of a connected socket, before its handshake.

        Raises:
            OSError: there is no such bundle, or it is none.
        """
        if self._context is None:
            self._context = self._make()
        return self._context._wrap_socket(connected, False, host)

    def extend(self) -> bool:
        """Trust all of the bundle from now on; False if that was so already."""
        if self.is_whole:
            return False
        self.is_whole, self._context = True, None
        return True

    def _make(self) -> Any:
        context: Any = _ssl._SSLContext(_ssl.PROTOCOL_TLS_CLIENT)
        context.options |= _ssl.OP_NO_TICKET
        context.post_handshake_auth = True
        context._set_alpn_protocols(b"\x08http/1.1")
        try:
            amazon = b"" if self.is_whole else _amazon(self._file)
            if amazon:
                context.load_verify_locations(cadata=amazon.decode())
            else:
                self.is_whole = True
                context.load_verify_locations(self._file)
        except OSError as error:
            raise OSError(f"the certificates in {self._file}: {error}") from None
        return context


def _usual_bundle() -> str:
    """The file that botocore takes: certifi's, or its own where there is no certifi."""
    for package in ("certifi", "botocore"):
        for path in sys.path:
            if os.path.exists(f"{path}/{package}/__init__.py"):
                file = f"{path}/{package}/{_BUNDLE}"
                if not os.path.exists(file):
                    raise Unknown(f"a {package} without {_BUNDLE}")
                return file
    raise Unknown("no bundle of certificates")


def _amazon(file: str) -> bytes:
    """The certificates of a bundle that are Amazon's, empty where they are not named so."""
    with open(file, "rb") as bundle:
        content = bundle.read()
    found = b""
    for label in _AMAZON:
        at = content.find(label)
        while at >= 0:
            start, end = content.find(_BEGIN, at), content.find(_END, at)
            if not at < start < end:
                return b""
            found += content[start : end + len(_END)]
            at = content.find(label, end)
    return found
