"""The times before the deadline at which something has to happen, in milliseconds."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .settings import Settings

# Under this much time left nothing can be cleaned up or handed over.
STEP_ASIDE_MS = 100

# No alarm is set for later: four years, where timers and the board have room for it. A runner may know no deadline.
LONGEST_MS = (1 << 37) - 1

_DEFAULT_SHARE = 0.10
_DEFAULT_MIN_MS = 500
_DEFAULT_MAX_MS = 5_000

# A courier is ready after 12 to 20 ms of a full core, 0.2 to 0.35 s with botocore; a busy handler takes half of it.
# The rest is for other processes on the machine, and for a slow network.
_WARM_UP_MS = 300
_WARM_UP_LONG_MS = 1_200
_WARM_UP_SHARE = 0.75
_FULL_CORE_MB = 1_769
# From the stack dump to the next process's GET /next: up to 50 ms on a full core and 550 ms at 128 MB with a busy
# handler. The rest is for a delivery that has to be tried again, and for extensions.
_RESCUE_MS = 1_000
_LAST_CHANCE_MS = 100
_ANSWER_MS = 20


def margin_ms(settings: Settings, left_ms: int) -> int:
    """Time before the deadline at which the alarm goes off, at most half of what is left at the start."""
    wanted: int
    if settings.margin_ms is not None:
        wanted = settings.margin_ms
    elif settings.margin_percent is not None:
        wanted = int(left_ms * settings.margin_percent / 100)
    else:
        wanted = int(left_ms * _DEFAULT_SHARE)
        if wanted < _DEFAULT_MIN_MS:
            wanted = _DEFAULT_MIN_MS
        elif wanted > _DEFAULT_MAX_MS:
            wanted = _DEFAULT_MAX_MS
    half = left_ms // 2
    return wanted if wanted < half else half


def largest_ms(left_ms: int) -> int:
    """The largest margin that is not cut for its own sake: half of the timeout.

    That is in whole seconds, and a moment of it is gone when there is somebody to look.
    """
    return -(-left_ms // 1_000) * 500


def rescue_ms(margin: int, environ: Mapping[str, str]) -> int:
    """Time before the deadline at which the supervisor takes over from a handler that has not ended.

    Args:
        margin: the invocation's margin, in ms.
        environ: the function's environment.
    """
    return min(margin // 2, int(_RESCUE_MS * slowness(environ)))


def until_ms(deadline_ms: int, margin: int, environ: Mapping[str, str], now_ms: int) -> int:
    """When the runtime process stops waiting for a delivery, in ms since the epoch, so that its answer still arrives.

    A clean-up that took long leaves the delivery a last chance all the same. The supervisor takes over only after it.
    """
    rescue = rescue_ms(margin, environ)
    last_chance = min(now_ms + _LAST_CHANCE_MS, deadline_ms - rescue // 2 - _ANSWER_MS)
    return max(deadline_ms - rescue * 3 // 4, last_chance)


def warm_up_before_alarm_ms(environ: Mapping[str, str], until_alarm_ms: int, *, is_long: bool = False) -> int:
    """Time before the alarm at which a courier starts to get ready, at this function's share of a CPU.

    Args:
        environ: the function's environment.
        until_alarm_ms: time from the start to the alarm; not in the first quarter of it, in which most invocations end.
        is_long: whether what has to be ready is more than a courier without botocore.
    """
    warm_up_ms = (_WARM_UP_LONG_MS if is_long else _WARM_UP_MS) * slowness(environ)
    return min(int(warm_up_ms), int(until_alarm_ms * _WARM_UP_SHARE))


def slowness(environ: Mapping[str, str]) -> float:
    """How much longer than on a full core things take at this function's share of a CPU."""
    try:
        memory_mb = int(environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"])
    except (KeyError, ValueError):
        memory_mb = _FULL_CORE_MB
    return max(1.0, _FULL_CORE_MB / max(memory_mb, 1))
