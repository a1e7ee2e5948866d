"""Functions on local AWS services: real Event invocations, retries and on-failure queues, real runtime client.

    function = services.function(folder, runtime, "work.count", layer=layer, env={"CARRYON_TO": "self"})
    function.send({"steps": 100})
    *hops, last = function.wait_for_result()

Every environment registers with a recorder, so nothing is guessed from logs.
"""

from __future__ import annotations

import json
import math
import os
import queue
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import boto3
from botocore.config import Config

from carryon_cli import sandbox
from carryon_cli.events import Answer, Ended, Event, Output, Request
from carryon_cli.function import REGION, Function
from carryon_cli.ministack import Ministack
from carryon_cli.recorder import Launch, Recorder

from .emulator import RUN_MARK, carryon_lines
from .pace import pace
from .runtimes import RUNTIME_FOLDER, Runtime

# On a quiet machine; it is what a failure takes, and no success.
_WAIT_S = 120.0
_POLL_S = 0.05
_EARLY_S = 0.2


class Invocation(NamedTuple):
    """One invocation as its environment saw it; `ok` is None where there was no answer.

    `ended_at` is when that was, or when the environment ended without one, on the monotonic clock; None while it runs.
    """

    request_id: str
    event: Any
    ok: bool | None
    answer: Any
    log: str
    ended_at: float | None

    @property
    def events(self) -> list[str]:
        """The event names of Carry On's own log lines, in order."""
        return [line["event"] for line in self.lines]

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What Carry On's own log lines say."""
        return [line["carryon"] for line in carryon_lines(self.log)]


class Services:
    """One server for many tests; `reset` between them.

    Args:
        retry_after_s: pause before Lambda repeats an event that failed; twice as long before the next time.
    """

    def __init__(self, retry_after_s: int = 1) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="carryon-"))
        self.retry_after_s = retry_after_s
        variables = {"LAMBDA_ASYNC_RETRY_BASE_SECONDS": str(retry_after_s)}
        self._server = Ministack(self._folder, lambda text: None, variables)
        self.port = self._server.port
        self.url = self._server.endpoint
        self._functions: list[LocalFunction] = []
        self._server.wait_until(self._server.is_up)

    def close(self) -> None:
        """End the server and every environment."""
        self._server.__exit__(None, None, None)

    def reset(self) -> None:
        """Forget everything: functions and their environments, queues."""
        for function in self._functions:
            function.close()
        self._functions.clear()
        self._server.call("POST", "/_ministack/reset")

    def client(self, service: str, url: str | None = None, connections: int = 10) -> Any:
        """Return a boto3 client of these services, at another endpoint than their own if one is given."""
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=url or self.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(
                retries={"total_max_attempts": 1}, read_timeout=_WAIT_S * pace(), max_pool_connections=connections
            ),
        )

    def queue(self, name: str) -> tuple[str, str]:
        """Make an SQS queue and return its URL and its ARN."""
        sqs = self.client("sqs")
        url = sqs.create_queue(QueueName=name)["QueueUrl"]
        return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def receive(self, queue_url: str) -> Any:
        """Wait for a message, and return its body as JSON."""
        sqs = self.client("sqs")
        deadline = time.monotonic() + _WAIT_S * pace()
        while time.monotonic() < deadline:
            for message in sqs.receive_message(QueueUrl=queue_url, WaitTimeSeconds=1).get("Messages", ()):
                return json.loads(message["Body"])
        raise TimeoutError(f"no message in {queue_url}")

    def count(self, queue_url: str) -> tuple[int, int]:
        """Return how many messages of a queue can be received, and how many are hidden."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)
        visible, hidden = (int(answer["Attributes"][name]) for name in names)
        return visible, hidden

    def table(self, name: str) -> Table:
        """Make a DynamoDB table for leases."""
        return Table(self.client("dynamodb"), name)

    def function(self, folder: Path, runtime: Runtime, handler: str, **settings: Any) -> LocalFunction:
        """Make a function; see LocalFunction."""
        function = LocalFunction(self, self._server, folder, runtime, handler, **settings)
        self._functions.append(function)
        return function


class Table:
    """A table for leases, as the template makes it."""

    def __init__(self, client: Any, name: str) -> None:
        self.name = name
        self.client = client
        client.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": "chain", "AttributeType": "S"},
                {"AttributeName": "hop", "AttributeType": "N"},
            ],
            KeySchema=[{"AttributeName": "chain", "KeyType": "HASH"}, {"AttributeName": "hop", "KeyType": "RANGE"}],
        )

    def items(self, chain: str | None = None) -> dict[int, dict[str, Any]]:
        """A chain's items by hop, or all where there is one chain at most."""
        items = self.client.scan(TableName=self.name, ConsistentRead=True)["Items"]
        decoded = [
            {name: int(value["N"]) if "N" in value else value["S"] for name, value in item.items()} for item in items
        ]
        return {item["hop"]: item for item in decoded if chain in (None, item["chain"])}

    def set(self, chain: str, hop: int, **values: str | int) -> None:
        """Set attributes of an item."""
        self.client.update_item(
            TableName=self.name,
            Key={"chain": {"S": chain}, "hop": {"N": str(hop)}},
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values),
            ExpressionAttributeNames={f"#{name}": name for name in values},
            ExpressionAttributeValues={
                f":{name}": {"N": str(value)} if isinstance(value, int) else {"S": value}
                for name, value in values.items()
            },
        )


class LocalFunction:
    """A function, and a record of its invocations.

    Args:
        folder: the function's code, which becomes LAMBDA_TASK_ROOT and the working folder.
        runtime: Python and runtime client.
        handler: as in the function's configuration, e.g. "app.handler".
        layer: the unpacked layer, which stands for /opt; None attaches none.
        timeout_s: the function's timeout, whole seconds.
        env: the function's own environment variables.
        retries: how often Lambda repeats an Event invocation that failed.
        on_failure: ARN of the queue for events that failed for good.
        keeps_id: told an event, whether Lambda repeats it under the request id that it had, as AWS does. None: never,
            as the local services do by themselves.
    """

    def __init__(
        self,
        services: Services,
        server: Ministack,
        folder: Path,
        runtime: Runtime,
        handler: str,
        *,
        layer: Path | None = None,
        timeout_s: int = 1,
        env: Mapping[str, str] | None = None,
        retries: int = 0,
        on_failure: str | None = None,
        keeps_id: Callable[[Any], bool] | None = None,
    ) -> None:
        self.name = f"f{uuid.uuid4().hex[:12]}"
        self._lambda = services.client("lambda")
        self._temporary = tempfile.TemporaryDirectory(prefix="carryon-")
        socket = Path(self._temporary.name, "socket")
        self._command = [str(runtime.python), str(RUNTIME_FOLDER / "bootstrap.py")]
        if layer:
            self._command.insert(0, str(layer / "carryon"))
        self._folder = str(folder)
        self._variables = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "LAMBDA_TASK_ROOT": self._folder,
            "LAMBDA_RUNTIME_DIR": str(RUNTIME_FOLDER),
            "OPT_FOLDER": str(layer or "/nonexistent"),
            "AWS_ENDPOINT_URL": services.url,
            RUN_MARK: os.environ.get(RUN_MARK, "nobody"),
            **(env or {}),
        }
        self._events: list[Event] = []
        self._recorded = threading.Lock()
        self._keeps_id = keeps_id
        self._retry_after_s = services.retry_after_s
        self._repeated: set[int] = set()
        self._recorder = Recorder(socket, self._launch, self._rename if keeps_id else None)
        server.create(Function(self.name, handler, sandbox.bootstrap(socket), timeout_s, 1769, env or {}))
        configuration: dict[str, Any] = {"MaximumRetryAttempts": retries}
        if on_failure:
            configuration["DestinationConfig"] = {"OnFailure": {"Destination": on_failure}}
        self._lambda.put_function_event_invoke_config(FunctionName=self.name, **configuration)
        self.arn = self._lambda.get_function_configuration(FunctionName=self.name)["FunctionArn"]

    def close(self) -> None:
        """Register no more environments."""
        self._recorder.__exit__(None, None, None)
        self._temporary.cleanup()

    def send(self, event: Any) -> None:
        """Invoke it asynchronously."""
        answer = self._lambda.invoke(FunctionName=self.name, InvocationType="Event", Payload=json.dumps(event))
        assert answer["StatusCode"] == 202

    def call(self, event: Any) -> tuple[str | None, Any]:
        """Invoke it and return the kind of error, None for a result, and the payload."""
        answer = self._lambda.invoke(FunctionName=self.name, Payload=json.dumps(event))
        return answer.get("FunctionError"), json.loads(answer["Payload"].read())

    def throttle(self) -> None:
        """Give it a reserved concurrency of 0."""
        self._lambda.put_function_concurrency(FunctionName=self.name, ReservedConcurrentExecutions=0)

    @property
    def invocations(self) -> list[Invocation]:
        """What has been recorded so far, in the order of arrival."""
        return [_invocation(*recorded) for recorded in self._invocations()]

    def _invocations(self) -> list[tuple[Request, Answer | None, list[str], float | None]]:
        """The request, its answer, what was printed meanwhile, and when it ended."""
        with self._recorded:
            self._take_events()
            events = list(self._events)
        found: list[list[Any]] = []
        running: dict[int, list[Any]] = {}
        for event in events:
            if isinstance(event, Request):
                running[event.environment] = [event, None, [], None]
                found.append(running[event.environment])
            elif event.environment in running:
                record = running[event.environment]
                if isinstance(event, Output):
                    record[2].append(event.line)
                elif isinstance(event, Answer):
                    record[1], record[3] = event, event.at
                elif isinstance(event, Ended) and record[3] is None:
                    record[3] = event.at
        return [(request, answer, lines, ended_at) for request, answer, lines, ended_at in found]

    def _take_events(self) -> None:
        while True:
            try:
                self._events.append(self._recorder.events.get_nowait())
            except queue.Empty:
                return

    def _rename(self, request_id: str, event: bytes) -> str:
        """The id of the attempt that this is a repetition of, if it is one and is to keep its id."""
        if self._keeps_id is None or not self._keeps_id(json.loads(event)):
            return request_id
        recorded = self._invocations()
        with self._recorded:
            due = []
            attempts: Counter[str] = Counter()
            for number, (request, answer, _, ended_at) in enumerate(recorded):
                if request.event == event:
                    attempts[request.request_id] += 1
                    # What comes after the deadline, Lambda does not wait for.
                    late = ended_at is not None and ended_at > request.deadline
                    failed = ended_at is not None and not (answer and answer.ok and not late)
                    if failed and number not in self._repeated:
                        pause_s = self._retry_after_s * 2 ** (attempts[request.request_id] - 1)
                        due.append((min(ended_at, request.deadline) + pause_s, number))
            # What comes earlier is no repetition but another event that is the same.
            at, number = min(due, default=(math.inf, 0))
            if at > time.monotonic() + _EARLY_S:
                return request_id
            self._repeated.add(number)
            return recorded[number][0].request_id

    def wait_until(self, condition: Callable[[list[Invocation]], bool]) -> list[Invocation]:
        """Wait until the condition holds for the invocations so far, and return them."""
        wait_s = _WAIT_S * pace()
        deadline = time.monotonic() + wait_s
        while True:
            invocations = self.invocations
            if condition(invocations):
                return invocations
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {wait_s:.0f} s, recorded: {invocations}")
            time.sleep(_POLL_S)

    def wait_for(self, count: int) -> list[Invocation]:
        """Wait until so many invocations have been answered, and return all."""
        return self.wait_until(lambda invocations: sum(i.ok is not None for i in invocations) >= count)

    def wait_for_result(self) -> list[Invocation]:
        """Wait until a chain has ended and nothing is running, and return all invocations."""
        return self.wait_until(
            lambda invocations: (
                all(i.ok is not None for i in invocations)
                and any(i.ok and "continued" not in i.events for i in invocations)
            )
        )

    def _launch(self, environment: Mapping[str, str]) -> Launch:
        platform = {name: value for name, value in environment.items() if name.startswith(("AWS_", "_HANDLER"))}
        return Launch(self._folder, self._command, {**platform, **self._variables})


def _invocation(request: Request, answer: Answer | None, lines: list[str], ended_at: float | None) -> Invocation:
    return Invocation(
        request.request_id,
        json.loads(request.event),
        answer.ok if answer else None,
        json.loads(answer.body) if answer else None,
        "\n".join(lines),
        ended_at,
    )
