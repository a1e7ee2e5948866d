"""A process that replaced another asks for its event first, and imports the function within the invocation."""

from __future__ import annotations

import os
import time
from importlib import import_module

from carryon.shared import margins

from . import before_handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from carryon.shared.invocation import Invocation

    from .bootstrap import Shim

_SNAP_START = "snap-start"


def load(
    shim: Shim, load_handler: Callable[[], Callable[[Any, Any], Any]], invocation: Invocation | None, event: Any
) -> Callable[[Any, Any], Any]:
    """Load the handler; no alarm interrupts that, but the supervisor watches over it.

    Args:
        invocation: None where nothing is known of it.
        event: the same invocation's; a durable function's is left alone.
    """
    if invocation is not None and not (type(event) is dict and "DurableExecutionArn" in event):
        _show(shim, invocation)
    handler = load_handler()
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == _SNAP_START:
        import_module("awslambdaric.lambda_runtime_hooks_runner").run_after_restore()
    return handler


def _show(shim: Shim, invocation: Invocation) -> None:
    left_ms = min(int(invocation.deadline_ms - time.time() * 1000), margins.LONGEST_MS)
    if shim.board is None or left_ms < margins.STEP_ASIDE_MS:
        return
    before_handler.keep_carried(shim, invocation)
    shim.board_is_used = True
    margin_ms = margins.margin_ms(shim.settings, left_ms)
    due = time.monotonic() + (left_ms - margin_ms) / 1000
    shim.board.show(left_ms, margin_ms, int(time.time() * 1000) + left_ms - margin_ms, due)
