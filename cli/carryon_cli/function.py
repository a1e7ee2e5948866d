from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

REGION = "us-east-1"


class Function(NamedTuple):
    """A function as its platform has to know it.

    Args:
        name: its name in Lambda.
        handler: such as "app.handler".
        bootstrap: text of the script that starts an execution environment.
        timeout_s: what an invocation may take, in seconds.
        memory_mb: what it is told it may use, in MB.
        variables: its environment variables.
    """

    name: str
    handler: str
    bootstrap: str
    timeout_s: int
    memory_mb: int
    variables: Mapping[str, str]
