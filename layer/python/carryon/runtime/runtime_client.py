"""The runtime client's module, of which three places are taken through which every handler and every event passes."""

from __future__ import annotations

import os

from carryon.shared.invocation import Invocation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# Where they stand behind the event in the parameters of handle_event_request.
_ARN, _DEADLINE, _TENANT = 3, 4, 5
_BEHIND = 4  # the parameters up to the event

_new = tuple.__new__


class RuntimeClient:
    """What awslambdaric.bootstrap did by itself, and what its versions differ in.

    `load_handler` and `handle_event_request` are as they were found.
    """

    def __init__(self, module: Any) -> None:
        self.load_handler: Callable[[str], Any] = module._get_handler
        self.handle_event_request: Callable[..., Any] = module.handle_event_request
        self._module = module
        self._extract_traceback = module.extract_traceback
        names = module.handle_event_request.__code__.co_varnames
        self._invocation_id = names.index("invocation_id") - _BEHIND if "invocation_id" in names else None
        self._has_tenants = names[_BEHIND + _TENANT : _BEHIND + _TENANT + 1] == ("tenant_id",)

    def take(self, load_handler: Callable[[str], Any], handle_event_request: Callable[..., Any]) -> None:
        """Have these called in the places of those that were found, and see none of our frames in errors."""
        self._module._get_handler = load_handler
        self._module.handle_event_request = handle_event_request
        self._module.extract_traceback = self._traceback_without_layer

    def restore_no_more(self) -> None:
        """Have no hooks called once it has the handler, as after a snapshot was restored."""
        self._module.on_init_complete = lambda *_: None

    def invocation(self, invoke_id: str, body: bytes, rest: tuple[Any, ...]) -> Invocation:
        """What it tells of one.

        Args:
            rest: the parameters of handle_event_request behind the event.
        """
        tenant = rest[_TENANT] if self._has_tenants else None
        at = self._invocation_id
        trace = os.environ.get("_X_AMZN_TRACE_ID")
        invocation_id = rest[at] if at is not None and at < len(rest) else None
        # Half of what a call of the class takes, at each invocation.
        return _new(Invocation, (invoke_id, rest[_ARN], rest[_DEADLINE], body, None, tenant, trace, invocation_id))

    def _traceback_without_layer(self, trace: Any) -> Any:
        from carryon.shared.own_code import LAYER

        return [entry for entry in self._extract_traceback(trace) if not entry[0].startswith(LAYER)]
