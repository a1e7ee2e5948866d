"""Try again what may work a moment later, within the time there is."""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# Less than that is not enough for a request.
ATTEMPT_MIN_MS = 30

# Errors that say so with a status of 4xx.
_PASSING = {
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ConditionalRequestConflict",
}
_BACKOFF_S = 0.05
_BACKOFF_MAX_S = 1.0


def call(operation: Callable[..., dict[str, Any]], until_ms: int, **request: Any) -> dict[str, Any]:
    """Make a request that may be made twice, until it is answered.

    Args:
        operation: of a botocore client.
        until_ms: wall clock at which nobody waits for the answer any longer.

    Raises:
        ClientError: it was refused, or throttled until the end.
        Exception: botocore's other errors; nobody could be reached until the end.
    """
    from botocore import exceptions

    attempt = 0
    while True:
        try:
            return operation(**request)
        except exceptions.ClientError as error:
            if not is_passing(error.response) or not pause(attempt, until_ms):
                raise
        except (exceptions.ConnectionError, exceptions.HTTPClientError):
            if not pause(attempt, until_ms):
                raise
        attempt += 1


def pause(attempt: int, until_ms: int) -> bool:
    """Wait before another attempt, longer each time and by chance; False where no time is left for one."""
    pause_s = min(_BACKOFF_S * 2**attempt, _BACKOFF_MAX_S) * (0.5 + os.urandom(1)[0] / 510)
    left_s = (until_ms - ATTEMPT_MIN_MS) / 1000 - time.time()
    time.sleep(max(min(pause_s, left_s), 0))
    return left_s > 0


def is_passing(response: dict[str, Any]) -> bool:
    """Whether an error's response says that the same request may succeed later: throttled, or a failure of AWS."""
    status: int = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return may_pass(status, response.get("Error", {}).get("Code", ""))


def may_pass(status: int, code: str) -> bool:
    """The same of an error's status and code."""
    return status == 429 or status >= 500 or code in _PASSING


def describe(error: Exception) -> str:
    """An error for the log and for whoever has to mend it."""
    return f"{type(error).__name__}: {error}"
