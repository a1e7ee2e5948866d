"""AWS as the commands use it: clients by the user's own configuration, every error one line."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from carryon_cli.errors import CommandError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

_CONNECT_TIMEOUT_S = 5
_READ_TIMEOUT_S = 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every command that talks to AWS can be told."""
    parser.add_argument("--region", help="instead of the configured one; an ARN or a queue's URL names its own")
    parser.add_argument("--profile", help="of the AWS configuration; AWS_PROFILE and the other variables count too")


class Clients:
    """Makes boto3 clients, one for each service and region.

    Args:
        profile: of the AWS configuration; None for the default.
        region: for what does not name one; None for the configured one.
    """

    def __init__(self, profile: str | None, region: str | None) -> None:
        from boto3.session import Session

        self._session = Session(profile_name=profile, region_name=region)
        self._made: dict[tuple[str, str | None], Any] = {}

    def get(self, service: str, region: str | None = None, *, attempts: int = 4) -> Any:
        """Return the client; `attempts` counts for the first call of a service and region."""
        if (service, region) not in self._made:
            from botocore.config import Config

            config = Config(
                connect_timeout=_CONNECT_TIMEOUT_S,
                read_timeout=_READ_TIMEOUT_S,
                retries={"mode": "standard", "total_max_attempts": attempts},
            )
            self._made[service, region] = self._session.client(service, region_name=region, config=config)
        return self._made[service, region]


@contextlib.contextmanager
def errors() -> Iterator[None]:
    """Turn what boto3 raises into a CommandError of one line."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise CommandError(describe(error)) from error


def describe(error: Exception) -> str:
    """Return an error of boto3's as one line."""
    return " ".join(str(error).split())
