"""The times before the deadline at which something has to happen, in milliseconds."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .settings import Settings

# Under this much time left nothing can be cleaned up or handed over.
STEP_ASIDE_MS = 100

_DEFAULT_SHARE = 0.10
_DEFAULT_MIN_MS = 500
_DEFAULT_MAX_MS = 5_000

# Import of boto3 and a client take 0.5 s on a full core; the handler may be using that core as well.
_WARM_UP_MS = 1_200
_FULL_CORE_MB = 1_769


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


def answer_reserve_ms(margin: int) -> int:
    """Time before the deadline at which the wait for a delivery ends, so that the answer still arrives."""
    return max(margin // 4, 40)


def warm_up_before_alarm_ms(environ: Mapping[str, str], until_alarm_ms: int) -> int:
    """Time before the alarm at which a courier starts to get ready, at this function's share of a CPU.

    Args:
        environ: the function's environment.
        until_alarm_ms: time from the start to the alarm; not before half of it, as most invocations end before.
    """
    try:
        memory_mb = int(environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"])
    except (KeyError, ValueError):
        memory_mb = _FULL_CORE_MB
    needed = int(_WARM_UP_MS * max(1.0, _FULL_CORE_MB / max(memory_mb, 1)))
    return min(needed, until_alarm_ms // 2)
