"""Deliver one envelope: to its function, or to the second target if the first certainly does not get it."""

from __future__ import annotations

import json
import os
import time
from functools import partial

from carryon.shared.board import ACCEPTED, PENDING, REFUSED, SENDING, TAKEN_OVER, UNANSWERED, UNREACHABLE

from . import attempts, invoking, sealing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carryon.shared.delivery import Order
    from carryon.shared.settings import Settings

    from .courier import Courier

# Of the time that is left, for the second target where there is one.
_FALLBACK_SHARE = 0.4
_RECURSION = "RecursiveInvocationException"


def deliver(courier: Courier, order: Order, raw: bytes) -> None:
    """Try until somebody has accepted it, all have refused it, it is in doubt, or the order's time is over."""
    table = own = None
    if courier.settings.table is not None:
        from . import leases

        try:
            table = courier.table(order.until_ms)
            token, own = leases.record_successor(table, order.hop, order.until_ms, courier.claimed)
        except leases.Lost as lost:
            courier.report(TAKEN_OVER, str(lost))
            return
        except Exception as error:
            name = courier.settings.table
            courier.report(UNREACHABLE, f"{name} cannot be told who carries on: {attempts.describe(error)}")
            return
        if token is None:
            courier.report(ACCEPTED)
            return
        order.meta = {**order.meta, "token": token}
    to = order.function
    fallback = courier.settings.fallback_to
    until_ms = order.until_ms
    if fallback:
        until_ms -= int((until_ms - time.time() * 1000) * _FALLBACK_SHARE)
    outcome, cause = _send(courier, order, raw, to, until_ms)
    # Another way around Lambda's loop detection would dodge it.
    if fallback and outcome in (REFUSED, UNREACHABLE) and _RECURSION not in cause:
        courier.report(PENDING, cause)
        to = fallback
        outcome, then = _send(courier, order, raw, to, order.until_ms)
        # Of what the second target has accepted it says which one that is, and why not the first.
        cause = f"{to} {cause}" if outcome == ACCEPTED else f"{cause}; and {to}: {then}"
    courier.report(outcome, cause)
    if outcome == ACCEPTED:
        if table is not None and own is not None:
            from . import leases

            try:
                leases.mark_handed(table, own, to, order.until_ms)
            except Exception:
                pass  # the next hop's record tells the same once it has begun
        sealing.discard(courier, order)


def region_of(target: str) -> str | None:
    """Region of a function's ARN; for `self` the one that this function runs in."""
    return target.split(":")[3] if target.startswith("arn:") else os.environ.get("AWS_REGION")


def attempt_ms(settings: Settings, left_ms: int) -> int:
    """How long an attempt to invoke may take, of the time left: with a table there may be a second one."""
    return left_ms if settings.table is None else left_ms // 2


def _send(courier: Courier, order: Order, raw: bytes, function: str, until_ms: int) -> tuple[int, str]:
    """Invoke until it is accepted, refused or in doubt; returns an outcome of the board's and the cause."""
    try:
        invoker = courier.invoker(region_of(function))
        courier.put_result(json.dumps({"client": invoker.client, "client_reason": invoker.reason}).encode())
        payload = sealing.seal(courier, order, raw, function)
    except Exception as error:
        return REFUSED, attempts.describe(error)
    cause = "no time was left"
    is_in_doubt = is_in_bucket = False
    attempt = 0
    while (left_ms := until_ms - time.time() * 1000) > attempts.ATTEMPT_MIN_MS:
        within_ms = attempt_ms(courier.settings, int(left_ms))
        begin = partial(courier.report, SENDING, cause)
        how, cause = invoker.invoke(function, order.tenant, payload, within_ms, begin)
        if how == invoking.ACCEPTED:
            return ACCEPTED, ""
        cause = _explained(cause)
        if how == invoking.TOO_LARGE and courier.settings.bucket and not is_in_bucket:
            # Here the limit is another than the one we know.
            is_in_bucket = True
            try:
                payload = sealing.seal(courier, order, raw, function, max_bytes=0)
            except Exception as error:
                cause = attempts.describe(error)
                break
            continue
        if how in (invoking.TOO_LARGE, invoking.REFUSED):
            break
        if how == invoking.IN_DOUBT:
            is_in_doubt = True
            if courier.settings.table is None:
                break
            # The next hop begins once, whichever of the two arrives.
        if not is_in_doubt:
            courier.report(PENDING, cause)
        attempts.pause(attempt, until_ms)
        attempt += 1
    else:
        return UNANSWERED if is_in_doubt else UNREACHABLE, cause
    return UNANSWERED if is_in_doubt else REFUSED, cause


def _explained(cause: str) -> str:
    if _RECURSION not in cause:
        return cause
    return (
        f"{cause}. Lambda's loop detection ends a chain of one function at about 16 invocations; if this one is meant "
        "to be longer, and CARRYON_MAX_HOPS or CARRYON_MAX_AGE ends it, set the function's RecursiveLoop to Allow"
    )
