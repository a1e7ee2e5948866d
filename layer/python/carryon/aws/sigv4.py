"""Signature Version 4: what proves to AWS who has made a request. Pure computation; nothing is sent or read here."""

from __future__ import annotations

try:
    # Half the time and memory of hmac and hashlib.
    from _hashlib import hmac_digest as _hmac
    from _hashlib import openssl_sha256 as _sha256
except ImportError:
    from hashlib import sha256 as _sha256
    from hmac import digest as _hmac  # type: ignore[assignment]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .credentials import Credentials

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~")
# What proxies and HTTP clients change on the way.
_NOT_SIGNED = {
    "baggage", "connection", "expect", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "traceparent",
    "tracestate", "trailer", "transfer-encoding", "upgrade", "user-agent", "x-amzn-trace-id",
}  # fmt: skip


def sign(
    method: str,
    path: str,
    query: str,
    headers: dict[str, str],
    body: bytes,
    *,
    service: str,
    region: str,
    credentials: Credentials,
    at: str,
) -> dict[str, str]:
    """Return the headers that a request needs beside its own.

    Args:
        path: as it is sent, quoted.
        query: as it is sent, without the question mark.
        headers: all that is sent, Host included.
        service: as it is called in signatures.
        at: the time in UTC, as in 20150830T123600Z.
    """
    added = {"X-Amz-Date": at}
    if credentials.token:
        added["X-Amz-Security-Token"] = credentials.token
    signed = {
        name: " ".join(value.split())
        for name, value in ((name.lower(), value) for name, value in {**headers, **added}.items())
        if name not in _NOT_SIGNED
    }
    names = sorted(signed)
    request = [
        method,
        quote(_without_dots(path), safe="/"),
        "&".join("=".join(pair) for pair in _pairs(query)),
        *(f"{name}:{signed[name]}" for name in names),
        "",
        ";".join(names),
        _sha256(body).hexdigest(),
    ]
    scope = f"{at[:8]}/{region}/{service}/aws4_request"
    to_sign = "\n".join((_ALGORITHM, at, scope, _sha256("\n".join(request).encode()).hexdigest()))
    key = f"AWS4{credentials.secret_key}".encode()
    for part in (*scope.split("/"), to_sign):
        key = _hmac(key, part.encode(), "sha256")
    added["Authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, "
        f"SignedHeaders={';'.join(names)}, Signature={key.hex()}"
    )
    return added


def quote(text: str, safe: str = "") -> str:
    """Percent-encode all but letters, digits, `_.-~` and what is `safe`, as UTF-8."""
    kept = _UNRESERVED | set(safe.encode())
    return "".join(chr(byte) if byte in kept else f"%{byte:02X}" for byte in text.encode())


def _pairs(query: str) -> list[tuple[str, str]]:
    pairs = []
    for pair in query.split("&") if query else ():
        name, _, value = pair.partition("=")
        pairs.append((name, value))
    return sorted(pairs)


def _without_dots(path: str) -> str:
    """A path without empty segments and those that are dots."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    first = "/" if path[:1] in ("", "/") else ""
    last = "/" if path[-1:] == "/" and kept else ""
    return first + "/".join(kept) + last
