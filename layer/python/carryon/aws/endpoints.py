"""Where a service of AWS is reached: by its region, or by what the environment says instead."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_PORTS = {"http": 80, "https": 443}
# By what a region's name begins with, before the last two words of it: a place and a number.
_SUFFIXES = {
    **dict.fromkeys(("us", "eu", "ap", "sa", "ca", "me", "af", "il", "mx", "us-gov"), ("amazonaws.com", "api.aws")),
    "cn": ("amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    "eusc-de": ("amazonaws.eu", "api.amazonwebservices.eu"),
    "us-iso": ("c2s.ic.gov", "api.aws.ic.gov"),
    "us-isob": ("sc2s.sgov.gov", "api.aws.scloud"),
    "eu-isoe": ("cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    "us-isof": ("csp.hci.ic.gov", "api.aws.hci.ic.gov"),
}
_HOST = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-.")
_ADDRESS = frozenset("abcdef0123456789:.")
_LABEL_MAX = 63


class Unknown(Exception):
    """Something is set that only botocore understands; the text says what."""


class Url:
    """Scheme, host (an IPv6 address without its brackets), port, and path with query, empty where there is none."""

    def __init__(self, scheme: str, host: str, port: int, path: str = "") -> None:
        self.scheme = scheme
        self.host = host
        self.port = port
        self.path = path

    @property
    def authority(self) -> str:
        """Host, and port where it is not the scheme's own: what the header Host says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


def resolve(service: str, region: str | None, environ: Mapping[str, str]) -> Url:
    """Where requests to a service go.

    Args:
        service: as it is called in host names and in AWS_ENDPOINT_URL_<SERVICE>; one whose host is the same by rule in
            all regions, as of lambda.

    Raises:
        Unknown: that takes botocore to find out.
    """
    for name in (f"AWS_ENDPOINT_URL_{service.upper()}", "AWS_ENDPOINT_URL"):
        if environ.get(name):
            return parse(environ[name], name)
    if not region:
        raise Unknown("no region")
    place, _, number = region.rpartition("-")
    start, _, place = place.rpartition("-")
    if start not in _SUFFIXES or not number.isdigit() or not (place.isalnum() and region.isascii()):
        raise Unknown(f"region {region}")
    fips = "-fips" if _is_true(environ.get("AWS_USE_FIPS_ENDPOINT")) else ""
    suffix = _SUFFIXES[start][_is_true(environ.get("AWS_USE_DUALSTACK_ENDPOINT"))]
    return Url("https", f"{service}{fips}.{region}.{suffix}", _PORTS["https"])


def parse(text: str, what: str) -> Url:
    """The parts of an absolute URL.

    Args:
        what: what it was set for, for the error.

    Raises:
        Unknown: it has parts that mean something only to others.
    """
    scheme, found, rest = text.partition("://")
    scheme = scheme.lower()
    authority, slash, path = rest.partition("/")
    host, colon, port = authority.rpartition(":") if authority[-1:] != "]" else (authority, "", "")
    if not colon:
        host, port = authority, ""
    host = host.lower()
    is_address = host[:1] == "[" and host[-1:] == "]"
    if is_address:
        host = host[1:-1]
    is_good = bool(found) and scheme in _PORTS and host != "" and (port.isdigit() and port.isascii() or not colon)
    is_good = is_good and (_ADDRESS if is_address else _HOST).issuperset(host) and is_address == (":" in host)
    is_good = is_good and text.isascii() and text.isprintable() and not set(" #\\@") & set(text)
    is_good = is_good and all(0 < len(label) <= _LABEL_MAX and label.strip("-") == label for label in host.split("."))
    if not is_good or colon and not 0 < int(port) < 1 << 16:
        raise Unknown(what)
    return Url(scheme, host, int(port) if colon else _PORTS[scheme], slash + path)


def _is_true(value: str | None) -> bool:
    return value is not None and value.lower() == "true"
