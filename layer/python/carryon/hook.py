"""Put the shim into the runtime client (awslambdaric), and what else has to be, at the moment it is imported."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from .board import Board
    from .settings import Settings
    from .standby import Standby

_CLIENT = "awslambdaric.bootstrap"
# The first parameters of handle_event_request in every runtime client from 2.0 to 4.2.
_PARAMETERS = (
    "lambda_runtime_client",
    "request_handler",
    "invoke_id",
    "event_body",
    "content_type",
    "client_context_json",
    "cognito_identity_json",
    "invoked_function_arn",
    "epoch_deadline_time_in_ms",
)


def install_on_import(settings: Settings, board: Board | None, standby: Standby | None, no_supervisor: str) -> None:
    """Arrange for the shim.

    Args:
        standby: what a process that is to take another's place has to wait for.
        no_supervisor: why there is no board, or empty where that is as it should be.
    """
    on_import(_CLIENT, lambda module: _install(module, settings, board, standby, no_supervisor))


def on_import(name: str, then: Callable[[ModuleType], None]) -> None:
    """Have `then` called with a module of that name when it is imported, or now where it is there already."""
    if name in sys.modules:
        then(sys.modules[name])
    else:
        sys.meta_path.insert(0, _Finder(name, then))


class _Finder:
    """Finds a module as it would have been found, and leaves no trace once it was imported."""

    def __init__(self, name: str, then: Callable[[ModuleType], None]) -> None:
        self._name = name
        self._then = then
        self._is_looking = False

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name != self._name or self._is_looking:
            return None
        self._is_looking = True
        try:
            for finder in list(sys.meta_path):
                spec = finder.find_spec(name, path, target) if finder is not self else None
                if spec is not None:
                    return self._prepare(spec)
        finally:
            self._is_looking = False
        return None

    def _prepare(self, spec: Any) -> Any:
        loader: Any = spec.loader
        execute = loader.exec_module

        def execute_and_tell(module: ModuleType) -> None:
            del loader.exec_module
            if self in sys.meta_path:
                sys.meta_path.remove(self)
            execute(module)
            self._then(module)

        try:
            loader.exec_module = execute_and_tell
        except AttributeError:
            pass  # a loader of somebody's own, who lets nobody in
        return spec


def _install(client: Any, settings: Settings, board: Board | None, standby: Standby | None, no_supervisor: str) -> None:
    try:
        code = client.handle_event_request.__code__
        known = code.co_varnames[: len(_PARAMETERS)] == _PARAMETERS and client._get_handler and client.extract_traceback
    except AttributeError:
        known = False
    no_shim = "" if known else "this runtime client (awslambdaric) is not known"
    if board is not None and not board.is_here():
        board, no_supervisor = None, "the runtime client was imported in a process that the runtime has forked"
    if known:
        try:
            from .bootstrap import Shim

            Shim(client, settings, board, standby).install()
        except Exception as error:
            no_shim = f"the layer is damaged: {error!r}"
    if standby is None and (no_shim or no_supervisor or settings.problems):
        _report(settings, no_shim, no_supervisor)


def _report(settings: Settings, no_shim: str, no_supervisor: str) -> None:
    from . import log

    for reason in filter(None, (no_shim, no_supervisor)):
        log.write("stepped_aside", "WARN", f"Carry On works without all of its parts: {reason}", {"reason": reason})
    for name, value, allowed in settings.problems:
        # Where there is to be a key, none at all would be worse than no chain.
        instead = "no chain goes on" if name == "CARRYON_SIGNING_KEY" else "its default is taken"
        log.write(
            "bad_setting",
            "ERROR",
            f"{name} is not usable and {instead}; allowed: {allowed}",
            {"name": name, "value": value, "allowed": allowed},
        )
