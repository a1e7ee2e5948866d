"""A function that does not run out of time behaves as without the layer: status, body and log are the same.

One row is one handler with its events. It runs under two emulators, the same layer on the path of both, one started
through the exec wrapper and one without.

Three things cannot be hidden, and are left out: a function that prints its own live stack sees the shim's frames, one
that asks for the handler of SIGALRM inside its handler sees the alarm of the running invocation, and one that asks for
the handlers of signals 41, 42 and of those by which processes crash finds what the supervisor uses to find it stuck.
"""

import json
import re
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.emulator import Emulator
from tests.support.runtimes import NEWEST, RUNTIMES
from tests.support.soak import full

FUNCTIONS = Path(__file__).parent / "functions"
TIMEOUT_S = 10


class Row(NamedTuple):
    """A handler, the events it gets in turn, its environment, and what else has to be known.

    `dies`: the process does. `shows_stack`: the function logs its own live stack.
    """

    handler: str
    events: list[Any] = [{}]  # noqa: RUF012 never changed
    env: dict[str, str] = {}  # noqa: RUF012 never changed
    dies: bool = False
    shows_stack: bool = False

    def __str__(self) -> str:
        setting = ",".join(f"{name.removeprefix('AWS_LAMBDA_')}={value}" for name, value in self.env.items())
        return self.handler + (f"[{setting}]" if setting else "")


# What values.VALUES has, in its order.
VALUES = [
    {"value": name}
    for name in [
        "none",
        "true",
        "int",
        "big int",
        "float",
        "nan",
        "string",
        "unicode",
        "empty list",
        "list",
        "tuple",
        "object",
        "int keys",
        "enum",
        "decimal",
        "bytes",
        "object of bytes",
        "set",
        "date",
        "uuid",
        "function",
        "tuple keys",
        "no such value",
    ]
]
EVENTS: list[Any] = [
    b"null",
    b"true",
    b"0",
    b"-1.5e3",
    b"123456789012345678901234567890",
    b'""',
    b'"text"',
    b"[]",
    b'[1, [2, {"a": null}]]',
    b"{}",
    b'{"a": {"b": []}, "a": 2}',
    '{"ä": "😀"}'.encode(),
    b'  {"blank": 1}\n',
    b"NaN",
    b'{"carryon": 1}',
    b'{"carryon": {"v": 2}}',
    b'{"carryon": {"v": 1, "hop": "x"}, "b": 1}',
    b'{"DurableExecutionArn": "arn"}',
    b"[" * 500 + b"]" * 500,
]
BAD_EVENTS = [b"{", b"not json", b"\xff\xfe", b"[" * 200_000]
LARGE = {"padding": "ä" * (3 << 19)}

LOG_SETTINGS = [
    {},
    {"AWS_LAMBDA_LOG_FORMAT": "Text", "AWS_LAMBDA_LOG_LEVEL": "INFO"},
    {"AWS_LAMBDA_LOG_FORMAT": "JSON"},
    {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "DEBUG"},
    {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "ERROR"},
]
LOGGING = ["prints", "logs", "logs_exception", "logs_in_thread", "fails_in_thread", "own_logging"]

TWICE = [{}, {}]
ROWS = [
    Row("values.handler", VALUES),
    Row("values.echo", EVENTS),
    Row("values.echo", BAD_EVENTS, {"BAD": "events"}),
    Row("values.echo", [b'{"surrogate": "\\ud800"}'] * 2, {"EVENT": "surrogate"}, dies=True),
    Row("values.handler", [{"value": "surrogate"}] * 2, {"VALUE": "surrogate"}, dies=True),
    Row("values.large", [LARGE, {"padding": ""}, LARGE]),
    *(Row(f"values.{name}", TWICE) for name in ("endless", "of_context", "count", "callable_object", "method")),
    *(Row(f"values.{name}") for name in ("partial", "anonymous", "not_callable", "one_argument", "three_arguments")),
    *(Row(f"values.{name}", TWICE) for name in ("generator", "coroutine", "changes_event")),
    *(
        Row(f"errors.{name}", TWICE)
        for name in [
            "raise_plain",
            "raise_own",
            "raise_without_text",
            "raise_unicode",
            "raise_chained",
            "raise_while_handling",
            "deep",
            "recurse",
            "raise_group",
            "raise_timeout",
            "raise_memory",
            "raise_stop",
            "exec_error",
            "from_library",
            "unraisable",
            "warn",
        ]
    ),
    Row("errors.raise_plain", TWICE, {"AWS_LAMBDA_LOG_FORMAT": "JSON"}),
    Row("errors.raise_chained", TWICE, {"AWS_LAMBDA_LOG_FORMAT": "JSON"}),
    *(
        Row(f"errors.{name}", TWICE, dies=True)
        for name in [
            "raise_unprintable",
            "exit_0",
            "exit_3",
            "exit_text",
            "os_exit",
            "kill_itself",
            "segmentation_fault",
            "terminate_itself",
            "raise_base",
            "interrupt",
            "close_generator",
        ]
    ),
    *(Row(f"logs.{name}", TWICE, env) for env in LOG_SETTINGS for name in LOGGING),
    Row("logs.logs_stack", TWICE, shows_stack=True),
    *(
        Row(f"surroundings.{name}", TWICE)
        for name in [
            "at_import",
            "in_handler",
            "main_is_importable",
            "spawn",
            "fork",
            "forkserver",
            "bare_fork",
            "command",
            "no_child_to_wait_for",
            "stack",
        ]
    ),
    Row("surroundings.at_import", [{}], {"PYTHONPATH": "/nowhere", "PYTHONWARNINGS": "ignore"}),
    Row("timers.inside", TWICE),
    Row("timers.left_behind", [{"set": True}, {}, {"set": True}, {}]),
    *(Row(f"timers.{name}") for name in ("ignored", "waits")),
    Row("timers.raises", TWICE),
    *(Row(f"timer_at_import.{name}", TWICE) for name in ("handler", "still_there")),
    Row("ends_by_alarm.handler", dies=True),
    Row("marshalled.handler", [{"n": 1}, {"n": 2}]),
    Row("missing_module.handler", TWICE),
    Row("errors.no_such_function", TWICE),
    Row("handler_without_a_dot", TWICE),
    Row(".handler", TWICE),
    Row("pkg/mod.fn", TWICE),
    Row("pkg.mod.fn", TWICE),
    Row("pkg/mod.Holder.fn", TWICE),
    Row("sys.exit", TWICE),
    Row("time.sleep", TWICE),
    Row("json.dumps", TWICE),
    Row("threads_at_import.handler", TWICE),
    *(
        Row(f"{name}.handler", TWICE)
        for name in [
            "syntax_error",
            "raises_at_import",
            "attribute_error_at_import",
            "import_error_at_import",
            "missing_module_at_import",
            "recursion_at_import",
        ]
    ),
    *(
        Row(f"{name}.handler", dies=True)
        for name in ("base_exception_at_import", "exits_at_import", "os_exits_at_import")
    ),
]

# What versions and flavours are likeliest to differ in.
SAMPLE = {
    "values.handler",
    "values.echo",
    "errors.raise_chained",
    "errors.exit_3",
    "logs.logs",
    "surroundings.at_import",
    "surroundings.in_handler",
    "surroundings.spawn",
    "timers.left_behind",
    "syntax_error.handler",
    "import_error_at_import.handler",
    "errors.no_such_function",
    "exits_at_import.handler",
}

# Modules whose handlers return: two equal errors would show nothing.
WORKING = {"surroundings", "logs", "timer_at_import", "marshalled", "threads_at_import"}


def _cases():
    for runtime in RUNTIMES:
        for flavour in ("platform", "module"):
            for row in ROWS:
                whole = full() or runtime == NEWEST and flavour == "platform"
                if whole or row.handler in SAMPLE and not row.env:
                    yield pytest.param(row, flavour, runtime, id=f"{row}-{flavour}-{runtime}")


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """The functions, and one that no tool here could read."""
    copy = tmp_path_factory.mktemp("fidelity") / "functions"
    shutil.copytree(FUNCTIONS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "syntax_error.py").write_text("def handler(event, context)\n    return 1\n")
    return copy


def test_the_table_has_what_was_asked_for():
    """At least fifty different invocations."""
    assert sum(len(row.events) for row in ROWS) >= 50
    assert {row.handler for row in ROWS} >= SAMPLE


@pytest.mark.parametrize(("row", "flavour", "case_runtime"), [*_cases()])
def test_status_body_and_log_are_those_of_the_bare_function(row, flavour, case_runtime, folder, layer):
    """Ids, times and ports aside; a process that dies keeps errorType and errorMessage."""
    bare, layered = (run(row, flavour, case_runtime, folder, layer, wrapper) for wrapper in (False, True))

    if row.handler.split(".")[0] in WORKING:
        assert not [body for _, body, *_ in bare if isinstance(body, dict) and "errorType" in body]
    for event, without, with_layer in zip(row.events, bare, layered, strict=True):
        assert without == with_layer, f"event: {str(event)[:200]}"


@pytest.mark.parametrize("flavour", ["platform", "module"])
def test_a_pipe_and_a_file_more_are_open_and_no_child_program_gets_them(flavour, edge_runtime, folder, layer):
    """The runtime ends with its supervisor by the one, and writes its last stack to the other."""
    row = Row("surroundings.descriptors")

    ((_, bare, _),) = run(row, flavour, edge_runtime, folder, layer, False)
    ((_, layered, _),) = run(row, flavour, edge_runtime, folder, layer, True)

    assert layered == sorted([*bare, ["pipe", False], ["memfd:stacks (deleted)", False]])


def run(row, flavour, runtime, folder, layer, wrapper):
    """What each of the row's invocations gave, without what differs between two runs of the same function."""
    # Lambda's own start is a shell script, so that PWD is there before the wrapper's shell would set it.
    env = {"PWD": str(folder), **row.env}
    options = {"layer": layer, "wrapper": wrapper, "flavour": flavour, "timeout_s": TIMEOUT_S, "env": env}
    with Emulator(runtime, folder, row.handler, **options) as function:
        results = [function.invoke(event) for event in row.events]
    assert function.leftovers == []
    return [seen(result, row) for result in results]


def seen(result, row):
    """Status, body and log of one invocation; of a process that died, errorType and errorMessage."""
    try:
        body = json.loads(neutral(result.body.decode(errors="backslashreplace"), result.request_id))
    except ValueError:
        body = neutral(result.body.decode(errors="backslashreplace"), result.request_id)
    if row.dies:
        # One that ends before its first invocation gets no error from the emulator, and not every version dies. The
        # emulator's status of a failure depends on who tells it.
        return (body["errorType"], body["errorMessage"]) if "errorType" in (body or {}) else (result.status, body)
    if isinstance(body, dict) and body.get("errorType") == "RecursionError":
        # The shim's own frame leaves room for one less.
        body["stackTrace"] = sorted(set(body["stackTrace"]))
    log = neutral(result.log, result.request_id)
    if row.shows_stack:
        log = re.sub(r'  File "[^"]*/python/carryon/[\w/]+\.py", line .*\n    .*\n', "", log)
    return result.status, body, log


def neutral(text, request_id):
    """The text without request ids, times, ports, addresses and the emulator's mark."""
    text = text.replace(request_id, "REQUEST")
    for pattern, name in (
        (r"[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}", "ID"),
        (r"\b[\da-f]{32}\b", "MARK"),
        (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
        (r"127\.0\.0\.1:\d+", "ADDRESS"),
        (r"0x[\da-f]{6,}", "0xOBJECT"),
        # The line that happened to drop the last reference.
        (r"\S+:\d+: (?=RuntimeWarning: coroutine)(.*\n).*\n", r"\1"),
        (r"repeated \d+ more times", "SOME"),
    ):
        text = re.sub(pattern, name, text)
    return text
