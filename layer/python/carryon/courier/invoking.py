"""Have a function invoked asynchronously: by Carry On's own client, or by botocore where only that knows how."""

from __future__ import annotations

import os

from carryon.aws.endpoints import Unknown

from . import attempts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from carryon.aws.service import Service

# How an attempt has ended. PASSING and NOT_REACHED: another one may succeed. IN_DOUBT: it may have arrived.
ACCEPTED, TOO_LARGE, REFUSED, PASSING, NOT_REACHED, IN_DOUBT = range(6)

LIGHT, BOTOCORE = "light", "botocore"

_TOO_LARGE = "RequestTooLargeException"
_MESSAGE_MAX = 1_000
# Of an attempt's time, so that why it has failed is told while somebody still listens.
_SHARE = 0.9


class Light:
    """Invokes functions in one region with the standard library.

    Raises:
        Unknown: it takes botocore; the text says why.
    """

    client, reason = LIGHT, ""

    def __init__(self, region: str | None) -> None:
        from carryon.aws.service import Service

        self._service: Service = Service("lambda", region, os.environ)

    def get_ready(self, within_ms: int) -> None:
        """Connect, and take each step of a request but to send it."""
        from carryon.aws import sigv4

        _headers(None)
        sigv4.quote("rehearsal")
        self._service.get_ready(within_ms / 1000)

    def disconnect(self) -> None:
        """Close the connection."""
        self._service.disconnect()

    def invoke(
        self, function: str, tenant: str | None, payload: bytes, within_ms: int, begin: Callable[[], None]
    ) -> tuple[int, str]:
        """Make an attempt; returns how it has ended, and why.

        Args:
            begin: called before anything is sent; what it raises ends all.
        """
        from carryon.aws import http1, service, sigv4
        from carryon.aws.credentials import NoCredentials

        path = f"/2015-03-31/functions/{sigv4.quote(function)}/invocations"
        try:
            response = self._service.request(
                "POST", path, _headers(tenant), payload, within_ms * _SHARE / 1000, begin, is_status_enough=True
            )
        except http1.NotConnected as error:
            return NOT_REACHED, attempts.describe(error)
        except http1.NotAnswered as error:
            return IN_DOUBT, attempts.describe(error)
        except (http1.NotTrusted, http1.ProxyFailed, NoCredentials) as error:
            return REFUSED, attempts.describe(error)
        if response.status < 300:
            return ACCEPTED, ""
        code, message = service.error_of(response)
        cause = f"{code}: {message[:_MESSAGE_MAX]} (status {response.status})"
        if code == _TOO_LARGE:
            return TOO_LARGE, cause
        return PASSING if attempts.may_pass(response.status, code) else REFUSED, cause


class Botocore:
    """Invokes functions in one region with botocore.

    Args:
        client: makes botocore's client for Lambda, its timeouts such that an attempt fits into the given ms.
        reason: why it has to be botocore.
    """

    client = BOTOCORE

    def __init__(self, client: Callable[[int], Any], reason: str) -> None:
        self._client = client
        self.reason = reason

    def get_ready(self, within_ms: int) -> None:
        """Connect, and take each step of a request but to send it."""
        from . import botocore_rehearsal

        botocore_rehearsal.take(
            self._client(within_ms).invoke, FunctionName="rehearsal", InvocationType="Event", Payload=b"{}"
        )

    def disconnect(self) -> None:
        """Do nothing: the courier closes what connections botocore has."""

    def invoke(
        self, function: str, tenant: str | None, payload: bytes, within_ms: int, begin: Callable[[], None]
    ) -> tuple[int, str]:
        """Make an attempt; returns how it has ended, and why.

        Args:
            begin: called before anything is sent; what it raises ends all.
        """
        from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, HTTPClientError

        try:
            client = self._client(within_ms)
            request = {"FunctionName": function, "InvocationType": "Event", "Payload": payload}
            if tenant:
                if "TenantId" not in client.meta.service_model.operation_model("Invoke").input_shape.members:
                    raise ValueError("the runtime's boto3 is too old to invoke a function that has tenants")
                request["TenantId"] = tenant
        except Exception as error:
            return REFUSED, attempts.describe(error)
        begin()
        try:
            client.invoke(**request)
        except (EndpointConnectionError, ConnectTimeoutError) as error:
            return NOT_REACHED, attempts.describe(error)
        except ClientError as error:
            cause = attempts.describe(error)
            if _TOO_LARGE in cause:
                return TOO_LARGE, cause
            return PASSING if attempts.is_passing(error.response) else REFUSED, cause
        except HTTPClientError as error:
            return IN_DOUBT, attempts.describe(error)
        except Exception as error:
            return REFUSED, attempts.describe(error)
        return ACCEPTED, ""


def choose(region: str | None, client: Callable[[int], Any]) -> Light | Botocore:
    """What invokes functions in a region.

    Args:
        client: as for Botocore.
    """
    try:
        return Light(region)
    except Unknown as error:
        return Botocore(client, str(error))
    except Exception as error:
        # A Python whose C modules are others.
        return Botocore(client, attempts.describe(error))


def _headers(tenant: str | None) -> dict[str, str]:
    from carryon.aws import sigv4

    headers = {"X-Amz-Invocation-Type": "Event"}
    if tenant:
        headers["X-Amz-Tenant-Id"] = tenant
    trace = os.environ.get("_X_AMZN_TRACE_ID")
    if trace and "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        headers["X-Amzn-Trace-Id"] = sigv4.quote(trace, safe="-=;:+&[]{}\"',")
    return headers
