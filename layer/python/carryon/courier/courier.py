"""Everything that is asked of AWS, in a process of its own.

What sends a continuation is made of a few modules here. Everything else, and what these do not know, is asked with
botocore, the core of the runtime's boto3. That costs half a second and more than 30 MB, too much for the function's
process, and it must not be the one in the task folder, which may be any version, patched or instrumented.
"""

from __future__ import annotations

# The C module: the other one makes enums.
import os
import time
from functools import partial

from carryon.shared import keys
from carryon.shared.board import PENDING, REFUSED
from carryon.shared.delivery import CLOSE, DELIVER, OPEN, Order
from carryon.shared.margins import slowness

from . import attempts, invoking, sending
from .key_store import KeyStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from carryon.shared.settings import Settings

    from .lease_table import Table

# A connection that has been idle for longer may be dead without our having heard of it.
_IDLE_MAX_S = 30.0
# Of an attempt at a full core.
_TABLE_WITHIN_MS = 1_500


class Courier:
    """Does the jobs of its orders.

    Args:
        report: called with an outcome of the board's and its cause; SENDING before each attempt, which must not be made
            when the call raises; the last call counts.
        put_result: called with what a job has come to, before its outcome is reported.
    """

    def __init__(self, settings: Settings, report: Callable[..., None], put_result: Callable[[bytes], object]) -> None:
        self.settings = settings
        self.report = report
        self.put_result = put_result
        # The record in the table of the last hop that was opened.
        self.claimed: dict[str, Any] | None = None
        self.key_store = KeyStore(self.client)
        self.keys = keys.Keys(settings.signing_keys, self.key_store.fetch)
        self._session: Any = None
        self._invokers: dict[str | None, invoking.Light | invoking.Botocore] = {}
        self._clients: dict[tuple[str, str | None], Any] = {}
        self._used_at = time.time()

    def do(self, order: Order, raw: bytes) -> None:
        """Do the job that was ordered for the event `raw`; whatever goes wrong is reported as its outcome."""
        if time.time() - self._used_at > _IDLE_MAX_S:
            self.disconnect()
        try:
            self._job(order.kind)(order, raw)
        except Exception as error:
            self.report(REFUSED, attempts.describe(error))

    def _job(self, kind: str) -> Callable[[Order, bytes], None]:
        if kind == DELIVER:
            return partial(sending.deliver, self)
        from . import hop_claim

        return partial({OPEN: hop_claim.open_hop, CLOSE: hop_claim.close_hop}[kind], self)

    def table(self, until_ms: int) -> Table:
        """The table of CARRYON_TABLE, to be asked until then (ms since the epoch).

        Its client stays from the start of one hop to the end of the next, so its timeouts are made for either.
        """
        from .lease_table import Table

        name = self.settings.table
        self.report(PENDING, f"no answer from the table {name}")
        return Table(name, self.table_client(int(until_ms - time.time() * 1000)))

    def table_client(self, left_ms: int) -> Any:
        """The client for that table; an attempt takes no longer than `left_ms`."""
        within_ms = int(min(left_ms, _TABLE_WITHIN_MS * slowness(os.environ)))
        return self.client("dynamodb", sending.region_of(self.settings.table), within_ms)

    def disconnect(self) -> None:
        """Close what connections there are; the next request makes its own."""
        self._used_at = time.time()
        for invoker in self._invokers.values():
            invoker.disconnect()
        for client in self._clients.values():
            client._endpoint.http_session.close()

    def invoker(self, region: str | None) -> invoking.Light | invoking.Botocore:
        """What invokes functions in a region."""
        if region not in self._invokers:
            self._invokers[region] = invoking.choose(region, partial(self.client, "lambda", region))
        return self._invokers[region]

    def client(self, service: str, region: str | None, within_ms: int) -> Any:
        """The client of a service in a region, its timeouts such that an attempt fits into `within_ms`."""
        if (service, region) not in self._clients:
            # Not by boto3, which takes a tenth more time and memory to come to the same client.
            from botocore.config import Config
            from botocore.session import get_session

            # One for all: what they share of botocore's data is read once.
            self._session = self._session or get_session()
            config = Config(
                connect_timeout=max(within_ms * 0.4, 50) / 1000,
                read_timeout=max(within_ms * 0.9, 50) / 1000,
                # Attempts are counted here: botocore does not tell a request that was sent from one that was not.
                retries={"total_max_attempts": 1},
            )
            client = self._session.create_client(service, region_name=region, config=config)
            self._clients[service, region] = client
        return self._clients[service, region]
