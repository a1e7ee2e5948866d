"""A place next to the function's own handler where the configured one is a vendor's.

Those vendors import the function's own handler by a name in a variable, and wrap it. Another name in that variable is
the one way in that needs no knowledge of what they do with what they get: it all happens outside of us.
"""

from __future__ import annotations

import sys
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping
    from typing import Any

NAME = "carryon.innermost_handler.handler"

# By the end of the configured handler's name, which may have a path in front, as in /opt/python/lumigo_tracer._handler:
# the variable, and whether it is read at each invocation.
_VENDORS = {
    "datadog_lambda.handler.handler": ("DD_LAMBDA_HANDLER", False),
    "lumigo_tracer._handler": ("LUMIGO_ORIGINAL_HANDLER", True),
    "init_serverless_sdk.sentry_lambda_handler": ("SENTRY_INITIAL_HANDLER", True),
    "newrelic_lambda_wrapper.handler": ("NEW_RELIC_LAMBDA_HANDLER", False),
    "elasticapm_handler.lambda_handler": ("ELASTICAPM_ORIGINAL_HANDLER", True),
    "otel_wrapper.lambda_handler": ("ORIG_HANDLER", False),
}

_own = ""
_load: Callable[[], Any] | None = None


def variable(handler: str, environ: MutableMapping[str, str]) -> str | None:
    """The variable that names the function's own handler, or None where the configured one is no known vendor's."""
    dotted = "." + handler.replace("/", ".")
    for ending, (name, _) in _VENDORS.items():
        # What has no dot is no name of a handler, and the vendor has its own error for that.
        if dotted.endswith("." + ending) and "." in environ.get(name, ""):
            return name
    return None


def take(
    variable: str, environ: MutableMapping[str, str], wrap: Callable[[Any, str], Any], client_load: Callable[[str], Any]
) -> Callable[[], None]:
    """Have the vendor load what `wrap` makes of the function's own handler and its name: a plain function, which
    Datadog patches. `client_load` is the runtime client's `_get_handler` as it was, with which Lumigo loads.

    Returns what to call once the vendor's handler is loaded: a variable that is read only once has its value again.
    """
    global _own, _load
    _own = own = environ[variable] if environ[variable] != NAME else _own
    given = wrapped = None

    def load() -> Any:
        nonlocal given, wrapped
        # The function's module is imported here, and finds its environment as it was given.
        left, environ[variable] = environ.get(variable, own), own
        try:
            handler = _load_as_vendor(variable, own, client_load)
        finally:
            environ[variable] = left
        # Who loads at each invocation gets the same object each time, as from the function's own module.
        if wrapped is None or handler is not given:
            given, wrapped = handler, wrap(handler, own)
        return wrapped

    def give_back() -> None:
        if wrapped is not None and (variable, False) in _VENDORS.values():
            environ[variable] = own

    _load, environ[variable] = load, NAME
    return give_back


def load_for_vendor(attribute: str = "handler") -> Any:
    """Load the function's own handler, or fail, as the vendor alone would; `__getattr__` of the module it imports."""
    if attribute != "handler" or _load is None:
        raise AttributeError(attribute)
    return _load()


def _load_as_vendor(variable: str, name: str, client_load: Callable[[str], Any]) -> Any:
    if variable == "LUMIGO_ORIGINAL_HANDLER":
        return client_load(name)
    # The next two have error texts, and a way to find a file, of their own.
    vendor: Any = sys.modules.get("newrelic_lambda_wrapper")
    if variable == "NEW_RELIC_LAMBDA_HANDLER" and hasattr(vendor, "get_handler"):
        return vendor.get_handler()
    vendor = sys.modules.get("sentry_sdk.integrations.init_serverless_sdk")
    if variable == "SENTRY_INITIAL_HANDLER" and hasattr(vendor, "AWSLambdaModuleLoader"):
        return vendor.AWSLambdaModuleLoader(name).get_lambda_handler()
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(module.replace("/", ".")), attribute)
