"""Everything that is asked of AWS, in a process of its own.

What sends a continuation is made of a few modules here. Everything else, and what these do not know, is asked with
botocore, the core of the runtime's boto3. That costs half a second and more than 30 MB, too much for the function's
process, and it must not be the one in the task folder, which may be any version, patched or instrumented.
"""

from __future__ import annotations

# The C module: the other one makes enums.
import _signal as signal
import gc
import os
import sys
import time
from functools import partial

from carryon.shared import courier_jobs, keys
from carryon.shared.board import ORDERS, PENDING, REFUSED, SETTLED, WAKE_SIGNAL
from carryon.shared.delivery import CLOSE, DELIVER, OPEN, Order
from carryon.shared.margins import rescue_ms, slowness

from . import attempts, invoking, sealing, sending
from .key_store import KeyStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from carryon.shared.board import Board
    from carryon.shared.settings import Settings

    from .lease_table import Table

_LOOK_S = 1.0  # how soon it is noticed that the supervisor is gone
# A connection that has been idle for longer may be dead without our having heard of it.
_IDLE_MAX_S = 30.0
# Of an attempt at a full core.
_TABLE_WITHIN_MS = 1_500
# An event and a state of that size may become an envelope that has to go through the bucket.
_LARGE = sealing.MAX // 2
_OOM_SCORE = "1000"


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


class GivenUp(BaseException):
    """Nobody waits for the job any longer, or another process has it."""


def run(board: Board, settings: Settings, orders_before: int) -> None:
    """Be the courier, until killed: get ready, do what is ordered. The caller is the supervisor's fork.

    Args:
        orders_before: the orders that were others' to see to; the next one is this courier's.
    """
    supervisor = os.getppid()
    # A tenth of the time to get ready.
    gc.disable()
    _keep_out_of_the_way()
    _import_from_the_runtime_only()
    number = orders_before

    def report(outcome: int, cause: str = "") -> None:
        while True:
            try:
                if not courier_jobs.report(board, number, outcome, cause):
                    raise GivenUp
                return
            except TimeoutError:
                pass  # whoever is stopped with the board locked goes on or is killed

    courier = Courier(settings, report, board.put_result)
    if board.words[ORDERS] == orders_before:
        _get_ready(courier, board)
    # No end of its own: that takes CPU time which the answer needs.
    while os.getppid() == supervisor:
        number = board.words[ORDERS]
        if number == orders_before:
            woken = signal.sigtimedwait([WAKE_SIGNAL], _LOOK_S)
            if woken is not None and board.words[ORDERS] == orders_before:
                _get_ready(courier, board)
            continue
        orders_before = number
        try:
            encoded = board.order()
            if encoded:
                order = Order.decode(encoded)
                # Also where there is none: this process may have had another order before.
                os.environ.pop("_X_AMZN_TRACE_ID", None)
                if order.trace:
                    os.environ["_X_AMZN_TRACE_ID"] = order.trace
                courier.do(order, board.event())
        except GivenUp:
            pass
        if board.words[SETTLED] < number:
            board.words[SETTLED] = number
        if not gc.isenabled():
            # It may stay for many more.
            gc.freeze()
            gc.enable()


def do_here(settings: Settings, order: Order, raw: bytes) -> tuple[int, str, bytes]:
    """Do a job in the calling process, which has no supervisor; returns its outcome, the cause and the result."""
    outcomes = []
    results = [b""]
    path = list(sys.path)
    try:
        _import_from_the_runtime_only()
        courier = Courier(settings, lambda outcome, cause="": outcomes.append((outcome, cause)), results.append)
        courier.do(order, raw)
    finally:
        sys.path[:] = path
    return *outcomes[-1], results[-1]


def _get_ready(courier: Courier, board: Board) -> None:
    """Have all there that the next hand-over needs, connections included."""
    settings = courier.settings
    target = settings.to
    if target in (None, "log"):
        return
    try:
        _, margin_ms = board.span()
        within_ms = margin_ms - rescue_ms(margin_ms, os.environ) * 3 // 4
        courier.disconnect()
        invoker = courier.invoker(sending.region_of(target))
        invoker.get_ready(sending.attempt_ms(settings, within_ms))
        if settings.fallback_to:
            courier.invoker(sending.region_of(settings.fallback_to))
        courier.key_store.get_ready(settings.signing_keys, within_ms)
        raw = board.event()
        if settings.bucket and len(raw) + len(board.state() or b"") > _LARGE:
            sealing.client(courier, within_ms)
        if settings.table:
            from . import botocore_rehearsal

            table = courier.table_client(within_ms)
            botocore_rehearsal.take(table.get_item, TableName=settings.table, Key={})
        elif courier.keys.are_plain:
            sealing.rehearse(courier, raw, target)
    except Exception:
        pass  # the delivery meets the same error, and reports it


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


def _import_from_the_runtime_only() -> None:
    """Leave on sys.path what belongs to the interpreter, with the runtime's own folder before it."""
    foreign = [os.environ.get("LAMBDA_TASK_ROOT") or os.getcwd(), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    runtime = os.environ.get("LAMBDA_RUNTIME_DIR")
    own = [path for path in sys.path if path and not any(_is_within(path, folder) for folder in foreign if folder)]
    sys.path[:] = [runtime, *own] if runtime else own


def _is_within(path: str, folder: str) -> bool:
    return f"{os.path.realpath(path)}/".startswith(os.path.realpath(folder).rstrip("/") + "/")
