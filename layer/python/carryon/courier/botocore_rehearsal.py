"""Have botocore take each step of a request but sending it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def take(operation: Callable[..., Any], **request: Any) -> None:
    """Take those steps, and connect: the first request takes several times as long as the next.

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
        operation(**request)
    except Exception:
        pass  # the delivery meets the same error, and reports it
    finally:
        pools.urlopen = urlopen
