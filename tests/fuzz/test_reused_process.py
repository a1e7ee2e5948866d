"""One runtime process after the other events that nobody has sent in good faith, under the real runtime client."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import simplejson

from bench.runtime_api import Environment
from tests.support.emulator import carryon_lines
from tests.support.runtimes import RUNTIME_FOLDER

from .hostile import GOOD, META, members, mutated, nested
from .specification import CARRYON_STATE, AmbiguousError, Reading, reading

FUNCTIONS = Path(__file__).parent / "functions"
TIMEOUT_S = 300
MUTATIONS = 100_000
MUTATIONS_SHORT = 4_000
SIGNED = 50_000
SIGNED_SHORT = 1_000

# The interpreter's limit for nesting lies between these, on every Python.
DEPTHS = [10, 100, *range(900, 1_010, 3), 3_000, 10_000, 100_000]

_TEXT = json.dumps("x" * 6_000_000).encode()
HUGE = {
    "text": b'{"n":' + _TEXT + b"}",
    "state": b'{"carryon":{' + members() + b',"state":{"count":' + _TEXT + b'}},"n":1}',
    "names-of-variables": b'{"carryon":{'
    + members({**META, "state": {f"n{i}": i for i in range(300_000)}})
    + b'},"n":1}',
    "loops": b'{"carryon":{' + members({**META, "each": {f"0.{i}": 1 for i in range(300_000)}}) + b'},"n":1}',
    "unknown-member": b'{"carryon":{' + members() + b',"unknown":' + _TEXT + b'},"n":1}',
    "inner-event": b'{"carryon":{"event":[' + _TEXT + b"]," + members() + b"}}",
    "not-closed": b'{"carryon":{' + members() + b',"state":{"count":' + _TEXT,
}


@pytest.fixture(name="environment", params=[{}], ids=["no key"])
def _environment(request, layer, edge_runtime, tmp_path):
    log = tmp_path / "log"
    env = {
        "CARRYON_TO": "self",
        "CARRYON_STATE": CARRYON_STATE,
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        **request.param,
    }
    bootstrap = RUNTIME_FOLDER / "bootstrap.py"
    one = Environment(edge_runtime.python, bootstrap, layer, "app.handler", env, log=log, folder=FUNCTIONS, apart=False)
    with one as environment:
        environment.start()
        yield Fuzzed(environment)
    crashed = [line for line in carryon_lines(log.read_text()) if line["carryon"]["event"] in ("crashed", "rescued")]
    assert crashed == []


class Fuzzed:
    """A process of functions/app.py that is asked over and over."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        for warming_up in (*GOOD, b'{"carryon":', b"[]"):
            self._answer(warming_up)
        self._pid = self._answer(b'"remember"')["pid"]
        self.endings: Counter[str] = Counter()

    def check(self, raw: bytes) -> None:
        """Send an event, and see that nothing happens but what the specification says."""
        answer = self._answer(raw)
        if "errorType" in answer:
            self.endings[answer["errorType"]] += 1
        else:
            assert answer.pop("pid") == self._pid, "the process was replaced"
            assert (answer.pop("touched"), answer.pop("plain")) == ([], True)
        try:
            expected = reading(raw)
        except AmbiguousError:
            self.endings["read one way or another"] += 1
            return
        self._compare(answer, expected)

    def _compare(self, answer: dict[str, Any], expected: Reading | None) -> None:
        if expected is None:
            assert answer.get("errorType") == "Runtime.UnmarshalError", answer
        elif expected.answer is None:
            assert answer.get("errorType") == "Carryon.StateNotSerializable", answer
        else:
            assert json.dumps(answer, sort_keys=True) == json.dumps(expected.answer, sort_keys=True)
            self.endings["opened" if expected.carried else "left alone"] += 1

    def check_fails(self, raw: bytes, error: str) -> None:
        """See that the handler is not called for an event."""
        answer = self._answer(raw)
        assert answer.get("errorType") == error, (raw, answer)

    def check_survives(self, raw: bytes) -> None:
        """The same where how much the interpreter can read is a matter of its version."""
        try:
            answer = self._answer(raw)
        except RecursionError:
            answer = {}  # it has the event in it, and is deeper than this process can follow
        assert answer.get("errorType") in (None, "RecursionError", "Runtime.UnmarshalError", "Runtime.MarshalError")
        assert answer.get("touched", []) == []
        self.check(b"{}")

    def _answer(self, raw: bytes) -> Any:
        answer = self._environment.serve(raw, TIMEOUT_S).answer
        return json.loads(answer) if isinstance(answer, str) else answer


def test_mutated_envelopes_do_what_the_specification_says(environment, sample, record_property):
    """The handler sees the event as it was, or the one inside; what is not named is not touched; the process lives."""
    count = sample(full=MUTATIONS, short=MUTATIONS_SHORT)
    for seed in range(count):
        raw = mutated(random.Random(seed))
        try:
            environment.check(raw)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error}: {raw[:2_000]!r}") from error
    endings = ", ".join(f"{number} {ending}" for ending, number in environment.endings.most_common())
    record_property("sampled", f"    {count} events: {endings}")
    assert environment.endings["opened"] > count / 10


@pytest.mark.parametrize(
    "environment", [{"CARRYON_SIGNING_KEY": "a key of these tests"}], indirect=True, ids=["with a key"]
)
def test_with_a_key_nothing_that_is_not_signed_gets_in(environment, sample):
    """An event with a member carryon is refused, whatever is in it; any other is one of the function's own."""
    for seed in range(sample(full=SIGNED, short=SIGNED_SHORT)):
        raw = mutated(random.Random(seed))
        try:
            whole = simplejson.loads(raw)
        except (ValueError, RecursionError):
            continue
        # Durable functions' events are left alone whatever else is in them, and never opened.
        if isinstance(whole, dict) and "carryon" in whole and "DurableExecutionArn" not in whole:
            environment.check_fails(raw, "Carryon.BadEnvelope")
        else:
            environment.check(raw)


@pytest.mark.parametrize("place", ["event", "state", "checkpoint", "each", "unknown", "inner event"])
def test_nesting_never_ends_the_process(environment, place):
    """At every depth around the interpreter's limit, wherever it is, the invocation has an answer or an error."""
    for depth in DEPTHS:
        deep = nested(depth)
        raw = {
            "event": b'{"deep":%b}' % deep,
            "state": b'{"carryon":{%b,"state":{"count":%b}}}' % (members(), deep),
            "inner event": b'{"carryon":{"event":%b,%b}}' % (deep, members()),
        }.get(place, b'{"carryon":{%b,"%b":%b},"n":1}' % (members(), place.encode(), deep))
        environment.check_survives(raw)


def test_what_is_huge_is_read_or_refused(environment):
    """As large as Lambda lets anything be, in every member of an envelope."""
    for name, raw in HUGE.items():
        try:
            environment.check(raw)
            environment.check(b"{}")
        except Exception as error:
            raise AssertionError(f"{name}: {str(error)[:500]}") from error
