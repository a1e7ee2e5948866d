"""The courier's process: gets ready, and does what is ordered by the board."""

from __future__ import annotations

# The C module: the other one makes enums.
import _signal as signal
import gc
import os
import sys

from carryon.shared import courier_jobs
from carryon.shared.board import ORDERS, SETTLED, WAKE_SIGNAL
from carryon.shared.delivery import Order
from carryon.shared.margins import rescue_ms

from . import sealing, sending
from .courier import Courier

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carryon.shared.board import Board
    from carryon.shared.settings import Settings

_LOOK_S = 1.0  # how soon it is noticed that the supervisor is gone
# An event and a state of that size may become an envelope that has to go through the bucket.
_LARGE = sealing.MAX // 2
_OOM_SCORE = "1000"


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
