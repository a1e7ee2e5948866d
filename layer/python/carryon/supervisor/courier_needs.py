"""What a courier will need before it can send, as far as settings and environment tell: it is started that early."""

from __future__ import annotations

from carryon.aws.botocore_only import why_botocore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from carryon.shared.settings import Settings

# Private memory, with some of it to spare.
_LIGHT_KB = 12 << 10
_BOTOCORE_KB = 60 << 10


class Needs:
    """Of the couriers of one function.

    Args:
        environ: the function's environment.
    """

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        asks_for_keys = any(key.startswith("arn:") for key in settings.signing_keys)
        self.botocore = bool(settings.table or settings.bucket or asks_for_keys or why_botocore(environ))
        self.memory_kb = _BOTOCORE_KB if self.botocore else _LIGHT_KB
