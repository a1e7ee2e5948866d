"""What a function sends to itself, as it is told from what it sends to others, and how it stands."""

import asyncio
from types import ModuleType, SimpleNamespace

import pytest

from carryon.runtime import self_invocations
from carryon.runtime.self_invocations import AMBIGUOUS, NONE, ONCE, PENDING, OwnCalls, is_own
from carryon.runtime.watchdog import CALLING, OFF

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:worker"
ENVIRON = {"AWS_LAMBDA_FUNCTION_NAME": "worker"}


@pytest.mark.parametrize("arn", [ARN, f"{ARN}:live", f"{ARN}:$LATEST", f"{ARN}:7"])
@pytest.mark.parametrize("qualifier", ["", ":live", ":$LATEST", ":7"])
@pytest.mark.parametrize(
    "name",
    ["worker", "function:worker", "123456789012:function:worker", "eu-west-1:123456789012:function:worker", ARN],
)
def test_a_function_is_known_under_any_of_its_names(name, qualifier, arn):
    """Whatever version or alias is named, and whichever runs."""
    assert is_own(f"{name}{qualifier}", "eu-west-1", arn, ENVIRON)


@pytest.mark.parametrize(
    ("name", "region"),
    [
        ("worker2", "eu-west-1"),
        ("work", "eu-west-1"),
        ("Worker", "eu-west-1"),
        ("worker", "us-east-1"),
        ("210987654321:function:worker", "eu-west-1"),
        (ARN.replace("eu-west-1", "us-east-1"), "eu-west-1"),
        (ARN.replace("123456789012", "210987654321"), "eu-west-1"),
        (ARN.replace("worker", "other"), "eu-west-1"),
        ("arn:aws:s3:::worker", "eu-west-1"),
        ("", "eu-west-1"),
    ],
)
def test_another_function_is_another(name, region):
    """In another account or region it only has the same name."""
    assert not is_own(name, region, ARN, ENVIRON)


def test_where_the_arn_says_nothing_the_name_does():
    """Runners that are not Lambda make up what they like."""
    assert is_own("worker:live", None, "made up", ENVIRON)
    assert not is_own("other", None, "made up", ENVIRON)


class ClientError(Exception):
    """As botocore's, by its name."""

    def __init__(self, status):
        super().__init__()
        self.response = {"ResponseMetadata": {"HTTPStatusCode": status}}


def botocore_error(*names):
    bases = Exception
    for name in names:
        bases = type(name, (bases,) if isinstance(bases, type) else bases, {})
    return bases()


CALLS = {
    "accepted": (True, {"StatusCode": 202}),
    "accepted the old way": (True, {"Status": 202}),
    "synchronous": (False, {"StatusCode": 200}),
    "odd answer": (True, {"StatusCode": 500}),
    "refused": (True, ClientError(429)),
    "synchronous, refused": (False, ClientError(403)),
    "failure of AWS": (True, ClientError(500)),
    "not sent": (True, botocore_error("BotoCoreError", "ConnectionError", "EndpointConnectionError")),
    "no parameter": (True, botocore_error("BotoCoreError", "ParamValidationError")),
    "no answer": (True, botocore_error("BotoCoreError", "HTTPClientError", "ReadTimeoutError")),
    "interrupted": (True, KeyboardInterrupt()),
    "of a vendor's hook": (True, TypeError()),
    "in flight": (True, None),
    "synchronous, in flight": (False, None),
}


class Shim:
    """What a call needs of one."""

    def __init__(self):
        self.watchdog = SimpleNamespace(phase=CALLING, shields=0)
        self.board = SimpleNamespace(words=[0] * 32)
        self.main_thread = self_invocations.get_ident()
        self.own_calls = None
        self.board_is_used = False
        self.invoked_arn = ARN


@pytest.mark.parametrize(
    ("made", "standing"),
    [
        ([], NONE),
        (["accepted"], ONCE),
        (["accepted the old way"], ONCE),
        (["refused", "not sent", "no parameter", "synchronous, refused"], NONE),
        (["refused", "accepted"], ONCE),
        (["in flight"], PENDING),
        (["accepted", "in flight"], PENDING),
        (["accepted", "accepted"], AMBIGUOUS),
        (["accepted", "synchronous"], AMBIGUOUS),
        *(
            ([name], AMBIGUOUS)
            for name in [
                "synchronous",
                "synchronous, in flight",
                "odd answer",
                "failure of AWS",
                "no answer",
                "interrupted",
                "of a vendor's hook",
            ]
        ),
    ],
)
def test_the_calls_of_an_invocation_stand_as_what_became_of_them(made, standing):
    """The supervisor is told at each step, and the alarm waits for what the main thread has in flight."""
    shim = Shim()
    shim.own_calls = calls = OwnCalls(shim)
    in_flight = 0
    for name in made:
        is_event, ending = CALLS[name]
        call = calls.begin(is_event=is_event)
        if isinstance(ending, BaseException):
            call.fail(ending)
        elif ending is not None:
            call.end(ending)
        else:
            in_flight += is_event

    assert calls.standing() == standing == shim.board.words[self_invocations.OWN_CALLS]
    assert shim.watchdog.shields == in_flight
    assert calls.wait(0) == standing


def client(service="lambda", region="eu-west-1"):
    """A client of a module that is watched, and the list of what it has sent."""
    sent = []

    class BaseClient:
        """As botocore's."""

        meta = SimpleNamespace(service_model=SimpleNamespace(service_name=service), region_name=region)

        def _make_api_call(self, operation_name, api_params):
            sent.append(operation_name)
            return {"StatusCode": 202}

    module = ModuleType("botocore.client")
    BaseClient.__module__ = module.__name__
    module.BaseClient = BaseClient
    return module, sent


@pytest.mark.parametrize(
    ("service", "operation", "request_", "counts"),
    [
        ("lambda", "Invoke", {"FunctionName": "worker", "InvocationType": "Event"}, True),
        ("lambda", "Invoke", {"FunctionName": ARN, "InvocationType": "Event", "Qualifier": "live"}, True),
        ("lambda", "InvokeAsync", {"FunctionName": "worker", "InvokeArgs": "{}"}, True),
        ("lambda", "Invoke", {"FunctionName": "worker", "InvocationType": "DryRun"}, False),
        ("lambda", "Invoke", {"FunctionName": "other", "InvocationType": "Event"}, False),
        ("lambda", "Invoke", {}, False),
        ("lambda", "Invoke", {"FunctionName": 7}, False),
        ("lambda", "GetFunction", {"FunctionName": "worker"}, False),
        ("sagemaker", "Invoke", {"FunctionName": "worker", "InvocationType": "Event"}, False),
    ],
)
def test_only_what_reaches_the_function_itself_counts(service, operation, request_, counts):
    """And everything is sent, once, whatever is made of it."""
    shim = Shim()
    module, sent = client(service)
    self_invocations.watch(shim, module)

    answer = module.BaseClient()._make_api_call(operation, request_)

    assert answer == {"StatusCode": 202}
    assert sent == [operation]
    assert (shim.own_calls is not None and shim.own_calls.standing() == ONCE) is counts


def test_what_is_sent_in_an_event_loop_counts_too():
    """Aiobotocore's clients derive from botocore's and make their calls by a coroutine of their own."""
    shim = Shim()
    module, _ = client()
    base = module.BaseClient

    class AioBaseClient(base):
        """As aiobotocore's."""

        async def _make_api_call(self, operation_name, api_params):
            assert shim.own_calls.standing() == PENDING
            if api_params.get("Payload") == b"refused":
                raise ClientError(429)
            return {"StatusCode": 202}

    aio = ModuleType("aiobotocore.client")
    AioBaseClient.__module__ = aio.__name__
    aio.AioBaseClient, aio.BaseClient = AioBaseClient, base
    before = base._make_api_call
    self_invocations.watch(shim, aio)
    request = {"FunctionName": "worker", "InvocationType": "Event"}

    with pytest.raises(ClientError):
        asyncio.run(aio.AioBaseClient()._make_api_call("Invoke", {**request, "Payload": b"refused"}))
    assert shim.own_calls.standing() == NONE
    assert asyncio.run(aio.AioBaseClient()._make_api_call("Invoke", request)) == {"StatusCode": 202}
    assert (shim.own_calls.standing(), shim.watchdog.shields) == (ONCE, 0)
    assert base._make_api_call is before


def test_outside_of_an_invocation_nobody_counts():
    """At import, between two invocations, in a child."""
    shim = Shim()
    shim.watchdog.phase = OFF
    module, sent = client()
    self_invocations.watch(shim, module)
    module.BaseClient()._make_api_call("Invoke", {"FunctionName": "worker", "InvocationType": "Event"})

    assert sent == ["Invoke"]
    assert shim.own_calls is None


def test_a_call_of_an_invocation_before_says_nothing_of_this_one():
    """A thread that was left may have its answer at any time."""
    shim = Shim()
    shim.own_calls = before = OwnCalls(shim)
    call = before.begin(is_event=True)
    shim.own_calls = None
    shim.board.words[self_invocations.OWN_CALLS] = shim.watchdog.shields = 0

    call.end({"StatusCode": 202})

    assert shim.board.words[self_invocations.OWN_CALLS] == shim.watchdog.shields == 0
