"""Which proxy the environment wants between this process and a host: the one that urllib.request finds."""

from __future__ import annotations

from .endpoints import Unknown, Url, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def find(url: Url, environ: Mapping[str, str]) -> Url | None:
    """The proxy for requests to a host, None for none.

    Raises:
        Unknown: it is one that only botocore can talk to: with a password, or by TLS.
    """
    proxies = _proxies(environ)
    text = proxies.get(url.scheme)
    if text is None or _is_exempt(url, proxies.get("no")):
        return None
    what = f"the proxy for {url.scheme}"
    if "BOTO_EXPERIMENTAL__ADD_PROXY_HOST_HEADER" in environ:
        raise Unknown(f"{what} and BOTO_EXPERIMENTAL__ADD_PROXY_HOST_HEADER")
    if text.startswith("//"):
        text = f"http:{text}"
    elif not text.startswith(("http:", "https:")):
        text = f"http://{text}"
    if "@" in text:
        raise Unknown(f"{what} wants a password")
    proxy = parse(text, what)
    if proxy.scheme != "http":
        raise Unknown(f"{what} is reached by TLS")
    return proxy


def _proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """By scheme; `no` is what needs none. A name in lower case counts more, and its empty value takes one away."""
    found: dict[str, str] = {}
    named = [(name, value) for name, value in environ.items() if name[-6:].lower() == "_proxy"]
    for name, value in named:
        if value:
            found[name[:-6].lower()] = value
    if "REQUEST_METHOD" in environ:
        # In a CGI script HTTP_PROXY is the header Proxy of whoever calls it.
        found.pop("http", None)
    for name, value in named:
        if name.endswith("_proxy"):
            found.pop(name[:-6].lower(), None)
            if value:
                found[name[:-6].lower()] = value
    return found


def _is_exempt(url: Url, exempt: str | None) -> bool:
    if exempt is None or exempt == "*":
        return exempt == "*"
    host = f"[{url.host}]" if ":" in url.host else url.host
    hosts = (host, url.authority)
    for name in exempt.split(","):
        suffix = name.strip().lstrip(".").lower()
        if name.strip() and any(host == suffix or host.endswith(f".{suffix}") for host in hosts):
            return True
    return False
