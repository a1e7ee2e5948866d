"""What the function sends to itself in an invocation: noticed, so that its work is never carried on twice.

Where time is up and one asynchronous invocation of its own was accepted, that one is the successor, and there is none
of ours. Where there were several, a synchronous one, or one of which nobody knows what became of it, nobody can tell
what of the work goes on: there is none of ours either, and the invocation fails as it would without the layer.
"""

from __future__ import annotations

import os
import re
import time
from _thread import get_ident
from functools import wraps

from carryon.shared.board import OWN_CALLS
from carryon.shared.continued_itself import AMBIGUOUS, NONE, ONCE, PENDING

from .watchdog import OFF

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from .bootstrap import Shim

_OPERATIONS = ("Invoke", "InvokeAsync", "InvokeWithResponseStream")
_ACCEPTED, _REFUSED, _IN_DOUBT = range(1, 4)
_HTTP_ACCEPTED, _HTTP_FAILURE = 202, 500
_POLL_S = 0.001

# What Lambda takes for a function's name, from the name alone to the whole ARN of a version.
_NAME = re.compile(
    r"(?:arn:aws[a-zA-Z-]*:lambda:)?(?:([a-z]{2}(?:-[a-z]+)+-\d):)?(?:(\d{12}):)?(?:function:)?([\w.-]+)(?::[$\w-]+)?",
    re.ASCII,
)
# Of botocore's errors that say that the network had a part in it: nothing was sent.
_NEVER_SENT = {"EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError", "SSLError"}
_ON_ITS_WAY = {"HTTPClientError", "ConnectionError", "ResponseParserError"}


def watch(shim: Shim, module: ModuleType) -> None:
    """Notice what the clients of botocore, or of aiobotocore, send from now on."""
    for name, watched in (("BaseClient", _watched), ("AioBaseClient", _watched_async)):
        kind = vars(module).get(name)
        if kind is not None and kind.__module__ == module.__name__ and "_make_api_call" in vars(kind):
            kind._make_api_call = watched(shim, kind._make_api_call)


def _watched(shim: Shim, make_api_call: Any) -> Any:
    @wraps(make_api_call)
    def call(client: Any, operation_name: str, *rest: Any, **named: Any) -> Any:
        own = _begin(shim, client, operation_name, rest, named) if operation_name in _OPERATIONS else None
        if own is None:
            return make_api_call(client, operation_name, *rest, **named)
        try:
            response = make_api_call(client, operation_name, *rest, **named)
        except BaseException as error:
            own.fail(error)
            raise
        own.end(response)
        return response

    return call


def _watched_async(shim: Shim, make_api_call: Any) -> Any:
    @wraps(make_api_call)
    async def call(client: Any, operation_name: str, *rest: Any, **named: Any) -> Any:
        own = _begin(shim, client, operation_name, rest, named) if operation_name in _OPERATIONS else None
        if own is None:
            return await make_api_call(client, operation_name, *rest, **named)
        try:
            response = await make_api_call(client, operation_name, *rest, **named)
        except BaseException as error:
            own.fail(error)
            raise
        own.end(response)
        return response

    return call


def _begin(shim: Shim, client: Any, operation_name: str, rest: tuple[Any, ...], named: dict[str, Any]) -> _Call | None:
    """Take note of a call that is about to be made; None where it is none of the function to itself."""
    try:
        # Outside of an invocation, or in a child that the function has forked, there is nothing to decide.
        if shim.watchdog.phase == OFF and shim.own_calls is None:
            return None
        request = rest[0] if rest else named["api_params"]
        kind = request.get("InvocationType", "RequestResponse")
        meta = client.meta
        if kind == "DryRun" or meta.service_model.service_name != "lambda":
            return None
        if not is_own(request["FunctionName"], meta.region_name, shim.invoked_arn, os.environ):
            return None
        if shim.own_calls is None:
            shim.own_calls = OwnCalls(shim)
        is_event = operation_name == "InvokeAsync" or operation_name == "Invoke" and kind == "Event"
        return shim.own_calls.begin(is_event=is_event)
    except Exception:
        return None  # a request that botocore will refuse


def is_own(name: str, region: str | None, arn: str, environ: Any) -> bool:
    """Whether a function's name, in any spelling that Lambda takes, is that of the function that runs.

    Args:
        region: the client's.
        arn: by which the running invocation was invoked.
        environ: the function's environment.
    """
    named = _NAME.fullmatch(name)
    own = _NAME.fullmatch(arn)
    own_region, account, own_name = own.groups() if own else (None, None, None)
    if named is None or named[3] not in (own_name, environ.get("AWS_LAMBDA_FUNCTION_NAME", "").partition(":")[0]):
        return False
    if own_region is not None and (named[1] or region or own_region) != own_region:
        return False
    return account is None or named[2] in (None, account)


class OwnCalls:
    """One invocation's."""

    def __init__(self, shim: Shim) -> None:
        self._shim = shim
        # Without a lock: a signal handler of the function's may make such a call in the middle of another.
        self._calls: list[_Call] = []

    def begin(self, *, is_event: bool) -> _Call:
        """Take note of a call; in the main thread the alarm waits for the end of an asynchronous one."""
        shim = self._shim
        dog = shim.watchdog if is_event and get_ident() == shim.main_thread else None
        call = _Call(self, dog, is_event)
        shim.board_is_used = True
        self._calls.append(call)
        self.tell()
        return call

    def standing(self) -> int:
        """How they stand: NONE, PENDING, ONCE or AMBIGUOUS."""
        made = [call for call in list(self._calls) if call.state != _REFUSED]
        accepted = sum(call.state == _ACCEPTED for call in made)
        if accepted > 1 or any(not call.is_event or call.state == _IN_DOUBT for call in made):
            return AMBIGUOUS
        if len(made) > accepted:
            return PENDING
        return ONCE if accepted else NONE

    def wait(self, until_ms: int) -> int:
        """Wait for the answers that are missing, up to then (ms since the epoch); returns how it stands."""
        while (standing := self.standing()) == PENDING and time.time() * 1000 < until_ms:
            time.sleep(_POLL_S)
        return standing

    def tell(self) -> None:
        """Have the supervisor know."""
        board = self._shim.board
        if board is None or self._shim.own_calls is not self:
            return
        while (standing := self.standing()) != board.words[OWN_CALLS]:
            # Another thread may have looked before and write later: until nothing has changed meanwhile.
            board.words[OWN_CALLS] = standing


class _Call:
    def __init__(self, calls: OwnCalls, dog: Any, is_event: bool) -> None:
        self.is_event = is_event
        self.state = 0
        self._calls = calls
        self._dog = dog
        if dog is not None:
            dog.shields += 1

    def end(self, response: Any) -> None:
        status = response.get("StatusCode", response.get("Status")) if isinstance(response, dict) else None
        self._settle(_ACCEPTED if status == _HTTP_ACCEPTED or not self.is_event else _IN_DOUBT)

    def fail(self, error: BaseException) -> None:
        kinds = {kind.__name__ for kind in type(error).__mro__}
        if "ClientError" in kinds:
            response = getattr(error, "response", {})
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", _HTTP_FAILURE)
            is_refused = status < _HTTP_FAILURE
        else:
            is_refused = bool(kinds & _NEVER_SENT) or "BotoCoreError" in kinds and not kinds & _ON_ITS_WAY
        self._settle(_REFUSED if is_refused else _IN_DOUBT)

    def _settle(self, state: int) -> None:
        self.state = state
        self._calls.tell()
        dog, self._dog = self._dog, None
        # Last: what comes then finds it settled. The next invocation begins with no shields at all.
        if dog is not None and dog.shields:
            dog.shields -= 1
