"""Deliver one envelope with botocore, the core of the runtime's boto3, in a process of its own.

It costs half a second and more than 30 MB, too much for the function's process, and it must not be the one in the task
folder, which may be any version, patched or instrumented.
"""

from __future__ import annotations

import gc
import os
import random
import signal
import sys
import time

from . import envelope
from .board import (
    ACCEPTED,
    ORDERS,
    PENDING,
    REFUSED,
    SENDING,
    UNANSWERED,
    UNREACHABLE,
    WAKE_SIGNAL,
)
from .delivery import Order
from .margins import rescue_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .board import Board

_BACKOFF_S = 0.05
_BACKOFF_MAX_S = 1.0
_ATTEMPT_MIN_MS = 30
_LOOK_S = 1.0  # how soon it is noticed that the supervisor is gone
_OOM_SCORE = "1000"


class Courier:
    """Makes the call and reports its outcome.

    Args:
        report: called with an outcome of the board's and its cause; SENDING before each attempt, the last call counts.
    """

    def __init__(self, report: Callable[..., None]) -> None:
        self._report = report
        self._clients: dict[str | None, Any] = {}

    def client(self, region: str | None, within_ms: int) -> Any:
        """The Lambda client for a region, its timeouts such that an attempt fits into `within_ms`."""
        if region not in self._clients:
            # Not by boto3, which takes a tenth more time and memory to come to the same client.
            from botocore.config import Config
            from botocore.session import get_session

            config = Config(
                connect_timeout=max(within_ms * 0.4, 50) / 1000,
                read_timeout=max(within_ms * 0.9, 50) / 1000,
                # Attempts are counted here: botocore does not tell a request that was sent from one that was not.
                retries={"total_max_attempts": 1},
            )
            self._clients[region] = get_session().create_client("lambda", region_name=region, config=config)
        return self._clients[region]

    def deliver(self, order: Order, raw: bytes) -> None:
        """Try until it is accepted, refused or in doubt, or until the order's time is over."""
        try:
            from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, HTTPClientError

            client = self.client(_region_of(order.function), order.until_ms - int(time.time() * 1000))
            request = _request(client, order, envelope.wrap(raw, order.meta))
        except Exception as error:
            self._report(REFUSED, _describe(error))
            return
        if order.trace:
            os.environ["_X_AMZN_TRACE_ID"] = order.trace
        cause = "no time was left"
        attempt = 0
        while order.until_ms - time.time() * 1000 > _ATTEMPT_MIN_MS:
            self._report(SENDING, cause)
            try:
                client.invoke(**request)
            except (EndpointConnectionError, ConnectTimeoutError) as error:
                cause = _describe(error)
            except ClientError as error:
                cause = _describe(error)
                if not _is_passing(error.response):
                    self._report(REFUSED, cause)
                    return
            except HTTPClientError as error:
                self._report(UNANSWERED, _describe(error))
                return
            except Exception as error:
                self._report(REFUSED, _describe(error))
                return
            else:
                self._report(ACCEPTED)
                return
            self._report(PENDING, cause)
            pause_s = min(_BACKOFF_S * 2**attempt, _BACKOFF_MAX_S) * random.uniform(0.5, 1.0)
            left_s = (order.until_ms - _ATTEMPT_MIN_MS) / 1000 - time.time()
            time.sleep(max(min(pause_s, left_s), 0))
            attempt += 1
        self._report(UNREACHABLE, cause)


def run(board: Board, target: str, orders_before: int) -> None:
    """Be the courier, until killed: get ready, wait for an order, deliver it. The caller is the supervisor's fork.

    Args:
        target: what CARRYON_TO says.
        orders_before: the orders that were others' to deliver; the next one is this courier's.
    """
    supervisor = os.getppid()
    # A tenth of the time to get ready; this process does not live long enough to need it.
    gc.disable()
    _keep_out_of_the_way()
    import_from_the_runtime_only()
    courier = Courier(board.put_outcome)
    try:
        _, margin_ms = board.span()
        rehearse(courier.client(_region_of(target), margin_ms - rescue_ms(margin_ms, os.environ) * 3 // 4))
    except Exception:
        pass  # the delivery meets the same error, and reports it
    # No end of its own: that takes CPU time which the answer needs.
    while os.getppid() == supervisor:
        if board.words[ORDERS] == orders_before:
            signal.sigtimedwait([WAKE_SIGNAL], _LOOK_S)
        else:
            orders_before = board.words[ORDERS]
            courier.deliver(Order.decode(board.order()), board.event())


def rehearse(client: Any) -> None:
    """Take each step of a request but sending it, and connect: the first one takes several times as long as the next.

    What it saves is 21 ms of a full core, most of it TLS, and fourteen times that at 128 MB, out of the margin.
    """
    from urllib3.connectionpool import HTTPConnectionPool

    def connect(pool: Any, *_: Any, **__: Any) -> None:
        # Behind a proxy the connection would be another.
        if pool.proxy is None:
            connection = pool._get_conn()
            try:
                connection.connect()
            finally:
                pool._put_conn(connection)
        raise ConnectionAbortedError

    pools: Any = HTTPConnectionPool
    urlopen, pools.urlopen = pools.urlopen, connect
    try:
        client.invoke(FunctionName="rehearsal", InvocationType="Event", Payload=b"{}")
    except Exception:
        pass  # the delivery meets the same error, and reports it
    finally:
        pools.urlopen = urlopen


def _region_of(target: str) -> str | None:
    """Region of a function's ARN; for `self` the one that this function runs in."""
    return target.split(":")[3] if target.startswith("arn:") else os.environ.get("AWS_REGION")


def _request(client: Any, order: Order, payload: bytes) -> dict[str, Any]:
    request = {"FunctionName": order.function, "InvocationType": "Event", "Payload": payload}
    if order.tenant:
        if "TenantId" not in client.meta.service_model.operation_model("Invoke").input_shape.members:
            raise ValueError("the runtime's boto3 is too old to invoke a function that has tenants")
        request["TenantId"] = order.tenant
    return request


def _is_passing(response: dict[str, Any]) -> bool:
    status: int = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status == 429 or status >= 500


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _keep_out_of_the_way() -> None:
    """Be the first to go when memory runs out, and keep warnings of libraries out of the function's log."""
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write(_OOM_SCORE)
    except OSError:
        pass
    nowhere = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nowhere, fd)


def import_from_the_runtime_only() -> None:
    """Leave on sys.path what belongs to the interpreter, with the runtime's own folder before it."""
    foreign = [os.environ.get("LAMBDA_TASK_ROOT") or os.getcwd(), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    runtime = os.environ.get("LAMBDA_RUNTIME_DIR")
    own = [path for path in sys.path if path and not any(_is_within(path, folder) for folder in foreign if folder)]
    sys.path[:] = [runtime, *own] if runtime else own


def _is_within(path: str, folder: str) -> bool:
    return f"{os.path.realpath(path)}/".startswith(os.path.realpath(folder).rstrip("/") + "/")
