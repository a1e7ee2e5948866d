"""Every line is whole, valid and short; one that cannot be written harms nobody."""

import contextlib
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from carryon.shared import log
from tests.support.runtimes import ROOT

SCHEMA = json.loads((ROOT / "docs/log-line.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)
FIELDS = SCHEMA["properties"]["carryon"]["properties"]
REQUIRED = {
    rule["if"]["properties"]["event"]["const"]: rule["then"]["required"]
    for rule in SCHEMA["properties"]["carryon"]["allOf"]
}
METRICS = {"TimeIsUp": (1, "Count"), "DeliveryTime": (12.5, "Milliseconds")}

texts = st.text(max_size=40) | st.integers(500, 20_000).map("é\n".__mul__) | st.just("\U0001f600" * 5_000)
OF_TYPE = {
    "string": texts,
    "integer": st.integers(0, 10**15),
    "boolean": st.booleans(),
    "number": st.floats(0, 1e9),
    "array": st.lists(texts, max_size=6) | st.integers(0, 900).map(lambda deep: ["/var/task/app.py:1 f"] * deep),
}


@st.composite
def happenings(draw):
    """An event with the fields that it must have and any others."""
    event = draw(st.sampled_from(FIELDS["event"]["enum"]))
    names = set(REQUIRED.get(event, ())) | draw(st.sets(st.sampled_from([name for name in FIELDS if name != "event"])))
    if event == "crashed":
        names = names - {"signal", "exit_status"} | {draw(st.sampled_from(["signal", "exit_status"]))}
    return event, {name: draw(any_of(FIELDS[name])) for name in sorted(names)}


def any_of(rule):
    """Values for a member of that description."""
    return st.sampled_from(rule["enum"]) if "enum" in rule else OF_TYPE[rule["type"]]


@given(happenings(), st.sampled_from(["INFO", "WARN", "ERROR"]), texts.filter(bool), texts, texts, st.booleans())
def test_any_line_is_one_valid_document_within_the_limit(happening, level, message, request_id, function, metered):
    """Longer writes to a pipe may be mixed with others, and a second line would be a second record."""
    event, fields = happening
    line = log.line(event, level, message, fields, request_id, function, METRICS if metered else None)

    assert len(line) <= log.LINE_MAX
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert line.isascii()
    VALIDATOR.validate(json.loads(line))


def test_texts_whose_every_character_takes_twelve_bytes_fit():
    """The limit is one of bytes."""
    fields = {name: "\U0001f600" * 900 for name, rule in FIELDS.items() if rule.get("type") == "string"}
    fields["stage"] = "answer"
    fields.update(hop=1, delivery_ms=1, stopped_at=["\U0001f600" * 900] * 9)
    line = log.line("continued", "INFO", "\U0001f600" * 900, fields, "\U0001f600" * 900, "\U0001f600" * 900, METRICS)

    assert len(line) <= log.LINE_MAX
    VALIDATOR.validate(json.loads(line))


def test_a_deep_stack_is_cut_from_its_middle():
    """Where it stopped and where it came in are what one looks for."""
    stack = [f"app.py:{depth} f" for depth in range(2_000)]
    line = json.loads(log.line("time_is_up", "WARN", "m", {"stopped_at": stack, "chain": "c" * 128}, "r", "f"))

    kept = line["carryon"]["stopped_at"]
    assert (stack[0], stack[-1]) == (kept[0], kept[-1])
    assert len(kept) > 50
    assert "c" * 128 == line["carryon"]["chain"]


def test_metrics_are_in_cloudwatch_format():
    """Each metric is declared once, and its value is a member of the root."""
    line = json.loads(log.line("time_is_up", "WARN", "m", {}, "r", "f", METRICS))

    assert (1, 12.5) == (line["TimeIsUp"], line["DeliveryTime"])
    (declared,) = line["_aws"]["CloudWatchMetrics"]
    assert [{"Name": name, "Unit": unit} for name, (_, unit) in METRICS.items()] == declared["Metrics"]


@contextlib.contextmanager
def stdout_as_pipe():
    """Descriptor 1 as a pipe; no fixture, as pytest sets the descriptor anew between a fixture and its test."""
    kept = os.dup(1)
    reader, writer = os.pipe()
    os.dup2(writer, 1)
    os.set_blocking(writer, False)
    try:
        yield reader, writer
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        for descriptor in (reader, writer):
            try:
                os.close(descriptor)
            except OSError:
                pass  # the test closed it


def write():
    log.write("resumed", "INFO", "m", {"chain": "c"}, request_id="r")


@pytest.mark.parametrize(
    ("asked_for", "written"),
    [
        *((name, ("INFO", "WARN", "ERROR")) for name in ("", "nonsense", "TRACE", "DEBUG", "INFO", " info ")),
        ("WARN", ("WARN", "ERROR")),
        ("ERROR", ("ERROR",)),
        ("FATAL", ()),
    ],
)
def test_the_level_of_the_function_holds_for_our_lines(monkeypatch, capfd, asked_for, written):
    """Whoever pays for log lines says which."""
    monkeypatch.setenv("AWS_LAMBDA_LOG_LEVEL", asked_for)

    for level in ("INFO", "WARN", "ERROR"):
        log.write("resumed", level, "m", {})

    assert list(written) == [json.loads(line)["level"] for line in capfd.readouterr().out.splitlines()]


def test_a_line_is_written_at_once(monkeypatch):
    """It is in the pipe when the call returns, with the function's name and the request's id."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "work")
    with stdout_as_pipe() as (reader, _):
        os.set_blocking(reader, False)
        write()
        line = json.loads(os.read(reader, 9_999))

    assert ("work", "r") == (line["function"], line["requestId"])


def test_a_closed_stdout_is_no_error():
    """EBADF."""
    with stdout_as_pipe():
        os.close(1)

        write()


def test_a_stdout_nobody_reads_is_no_error():
    """EPIPE, with SIGPIPE ignored as Python does."""
    with stdout_as_pipe() as (reader, _):
        os.close(reader)

        write()


def test_a_full_stdout_is_no_error():
    """EAGAIN, on a pipe that does not block."""
    with stdout_as_pipe():
        try:
            while True:
                os.write(1, b"x" * 65_536)
        except BlockingIOError:
            pass

        write()


class WithoutFlush:
    def write(self, text):
        return len(text)


@pytest.mark.parametrize("stdout", [None, WithoutFlush()], ids=["none", "no flush"])
def test_a_stdout_of_the_functions_own_loses_no_line(monkeypatch, stdout):
    """What the function made of sys.stdout does not matter, descriptor 1 is the log."""
    with stdout_as_pipe() as (reader, _):
        os.set_blocking(reader, False)
        monkeypatch.setattr("sys.stdout", stdout)
        write()
        monkeypatch.undo()

        assert json.loads(os.read(reader, 9_999))["carryon"]["event"] == "resumed"


def test_fields_that_are_no_json_are_no_error(capfd):
    """A mistake of ours costs a line, not the invocation."""
    log.write("resumed", "INFO", "m", {"chain": object()})

    assert "" == capfd.readouterr().out


def test_what_the_function_printed_comes_first(capfd):
    """print() is buffered, our lines are not."""
    print("mine", end=" ")
    write()

    assert capfd.readouterr().out.startswith("mine {")
