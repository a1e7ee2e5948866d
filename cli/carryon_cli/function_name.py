from __future__ import annotations

import re

from carryon_cli.errors import UsageError

_PATTERN = re.compile(
    r"(?:arn:aws[a-z-]*:lambda:(?P<region>[a-z0-9-]+):\d{12}:function:)?(?P<name>[\w-]{1,140})"
    r"(?::(?P<qualifier>\$LATEST|[\w-]{1,129}))?",
    re.ASCII,
)
_LATEST = ":$LATEST"


class FunctionName:
    """A function as it is named on a command line or in a record, by its name or its ARN, qualified or not.

    Attributes:
        text: what to call it by; without $LATEST, which is what no qualifier means, and not in every permission.
        unqualified: the same without version or alias.
        name: without region and account too.
        region: None for a mere name.
        qualifier: version or alias; None for none, or $LATEST.

    Raises:
        UsageError: it is neither; `place` is where it was found.
    """

    def __init__(self, text: str, place: str) -> None:
        match = _PATTERN.fullmatch(text)
        if not match:
            raise UsageError(f"{place} {text}: give the name or the ARN of a Lambda function")
        self.text = text.removesuffix(_LATEST)
        self.unqualified = text[: match.end("name")]
        self.name = match["name"]
        self.region = match["region"]
        self.qualifier = match["qualifier"] if not text.endswith(_LATEST) else None

    def may_be(self, other: FunctionName) -> bool:
        """Whether both are the same function, as far as their names tell; versions and aliases do not count."""
        if self.region and other.region:
            return self.unqualified == other.unqualified
        return self.name == other.name

    def __str__(self) -> str:
        return self.text
