"""Put the shim into the runtime client (awslambdaric), and what else has to be, at the moment it is imported."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType
    from typing import Any

    from carryon.process_division import Divide
    from carryon.shared.delivery import DoHere
    from carryon.shared.settings import Settings

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


def install_on_import(settings: Settings, divide: Divide, do_here: DoHere) -> None:
    """Arrange for the shim."""
    on_import([_CLIENT], lambda module: _install(module, settings, divide, do_here))


def on_import(names: Iterable[str], then: Callable[[ModuleType], None]) -> None:
    """Have `then` called with each module of these names when it is imported, or now where it is there already."""
    missing = set()
    for name in names:
        if name in sys.modules:
            then(sys.modules[name])
        else:
            missing.add(name)
    if missing:
        sys.meta_path.insert(0, _Finder(missing, then))


class _Finder:
    """Finds modules as they would have been found, and leaves no trace once they were imported."""

    def __init__(self, names: set[str], then: Callable[[ModuleType], None]) -> None:
        self._names = names
        self._then = then
        self._is_looking = False

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name not in self._names or self._is_looking:
            return None
        self._is_looking = True
        try:
            for finder in list(sys.meta_path):
                spec = finder.find_spec(name, path, target) if finder is not self else None
                if spec is not None:
                    return self._prepare(name, spec)
        finally:
            self._is_looking = False
        return None

    def _prepare(self, name: str, spec: Any) -> Any:
        loader: Any = spec.loader
        execute = loader.exec_module

        def execute_and_tell(module: ModuleType) -> None:
            del loader.exec_module
            self._names.discard(name)
            if not self._names and self in sys.meta_path:
                sys.meta_path.remove(self)
            execute(module)
            self._then(module)

        try:
            loader.exec_module = execute_and_tell
        except AttributeError:
            pass  # a loader of somebody's own, who lets nobody in
        return spec


def _install(client: Any, settings: Settings, divide: Divide, do_here: DoHere) -> None:
    try:
        code = client.handle_event_request.__code__
        known = code.co_varnames[: len(_PARAMETERS)] == _PARAMETERS and client._get_handler and client.extract_traceback
    except AttributeError:
        known = False
    reason = "" if known else "this runtime client (awslambdaric) is not known"
    if known:
        try:
            from .bootstrap import Shim

            Shim(client, settings, divide, do_here).install()
        except Exception as error:
            reason = f"the layer is damaged: {error!r}"
    if reason:
        say_without(reason)
    if settings.problems:
        _report(settings)


def say_without(reason: str) -> None:
    """Say why Carry On works without all of its parts."""
    from carryon.shared import log

    log.write("stepped_aside", "WARN", f"Carry On works without all of its parts: {reason}", {"reason": reason})


def _report(settings: Settings) -> None:
    from carryon.shared import log

    for name, value, allowed in settings.problems:
        # Where there is to be a key, none at all would be worse than no chain.
        instead = "no chain goes on" if name == "CARRYON_SIGNING_KEY" else "its default is taken"
        log.write(
            "bad_setting",
            "ERROR",
            f"{name} is not usable and {instead}; allowed: {allowed}",
            {"name": name, "value": value, "allowed": allowed},
        )
