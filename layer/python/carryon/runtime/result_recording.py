"""Have it recorded how a chain has ended, once its last handler has: the runtime process's side."""

from __future__ import annotations

import json

from carryon.shared import chain_result, log
from carryon.shared.board import ACCEPTED

from .after_handler import fail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from carryon.shared.invocation import Invocation

    from .bootstrap import Shim


def bracket(
    shim: Shim, handler: Callable[[Any, Any], Any], invocation: Invocation, encode: Callable[[Any], str]
) -> Callable[[Any, Any], Any]:
    """The handler, followed by what is to be done where a chain ends in it.

    Args:
        encode: how the runtime client encodes the answer.
    """
    if not chain_result.is_needed(shim.settings, invocation):
        return handler

    def call(event: Any, context: Any) -> Any:
        shim.has_handed_over = False
        try:
            answer = handler(event, context)
        except Exception as error:
            if not shim.has_handed_over:
                _close(shim, invocation, chain_result.FAILED, _described(error))
            raise
        if not shim.has_handed_over:
            try:
                status, result = chain_result.FINISHED, encode(answer)
            except Exception as error:
                # As it will fail once more, in the runtime client's hands.
                status, result = chain_result.FAILED, _described(error)
            _close(shim, invocation, status, result)
        return answer

    return call


def _described(error: Exception) -> str:
    kind = getattr(error, "exception_type", type(error).__name__)
    return json.dumps({"errorType": kind, "errorMessage": getattr(error, "msg", None) or str(error)})


def _close(shim: Shim, invocation: Invocation, status: str, result: str) -> None:
    # The handler has ended: nobody is to take over from here on.
    shim.finish_board()
    ending = chain_result.order(invocation, status, result, shim.margin_ms)
    outcome, cause, taken_over = shim.have_done(ending, invocation.raw)
    if outcome != ACCEPTED:
        chain_result.say_not_recorded(shim.settings, invocation, cause)
    elif taken_over:
        text = taken_over.decode()
        log.say(shim.settings, "duplicate", "WARN", text, invocation, {})
        if status == chain_result.FINISHED:
            fail("Duplicate", text, [])
