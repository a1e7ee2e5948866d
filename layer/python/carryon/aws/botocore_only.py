"""What of the environment only botocore understands."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# Set, they change what botocore does in ways of which nothing is known here, or that need its files.
_BOTOCORES = (
    "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_ACCOUNT_ID_ENDPOINT_MODE",
    "AWS_DATA_PATH", "AWS_DEFAULTS_MODE", "AWS_CSM_ENABLED", "AWS_AUTH_SCHEME_PREFERENCE",
    "AWS_SIGV4A_SIGNING_REGION_SET",
)  # fmt: skip
# Where its files are, and by which variable they may be elsewhere.
_FILES = (("AWS_CONFIG_FILE", "~/.aws/config"), ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"))
_MODELS = "~/.aws/models"


def why_botocore(environ: Mapping[str, str]) -> str:
    """What of the environment only botocore understands; empty where it is known to be nothing."""
    for variable in _BOTOCORES:
        if variable in environ:
            return variable
    for variable, usual in _FILES:
        file = os.path.expandvars(os.path.expanduser(environ.get(variable, usual)))
        if os.path.isfile(file):
            return file
    return _MODELS if os.path.isdir(os.path.expanduser(_MODELS)) else ""
