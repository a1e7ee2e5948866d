"""Which chains are sent again, from files, against a loopback Lambda."""

import json

import pytest

from carryon.shared import envelope
from carryon_cli import recover
from carryon_cli.failures import Failure
from carryon_cli.main import main

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:work"


@pytest.fixture(autouse=True)
def _account(monkeypatch, lambda_api):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", lambda_api.url)
    monkeypatch.setattr(recover, "_PAUSE_S", 0.001)


@pytest.fixture
def run(tmp_path, capsys):
    """Run the command on a file with these documents, one a line; returns (exit status, lines printed, stderr)."""

    def run(*documents, options=()):
        path = tmp_path / "failed.json"
        path.write_text("".join(f"{document}\n" for document in documents))
        status = main(["recover", str(path), *options])
        output = capsys.readouterr()
        return status, output.out.splitlines(), output.err

    return run


def record(chain="c-1", hop=1, function=ARN, **meta):
    """An on-failure record of a hop."""
    meta = {"v": 1, "chain": chain, "hop": hop, "cause": "time", "parent": "p", "started_at_ms": 1, **meta}
    context = {"requestId": "r", "functionArn": function, "condition": "RetriesExhausted"}
    event = json.loads(envelope.wrap(b'{"n": 1}', meta))
    response = {"errorType": "Carryon.DeliveryFailed", "errorMessage": "the secret"}
    return json.dumps({"requestContext": context, "requestPayload": event, "responsePayload": response})


def sent(lambda_api):
    """What was sent: function, chain, hop."""
    calls = [(call.function, call.json["carryon"]) for call in lambda_api.accepted]
    return [(function, meta["chain"], meta["hop"]) for function, meta in calls]


def test_each_chain_is_sent_once_from_its_highest_hop(run, lambda_api):
    """Records of one chain belong together in whatever order; the invocation is asynchronous."""
    status, lines, _ = run(record(hop=2), record("c-2"), record(hop=10), record(hop=10), record(hop=9))

    assert status == 0
    assert sorted(sent(lambda_api)) == [(ARN, "c-1", 10), (ARN, "c-2", 1)]
    assert {call.invocation_type for call in lambda_api.accepted} == {"Event"}
    assert lines[0].startswith(f"sent: chain c-1, hop 10: to {ARN} (")
    assert lines[0].endswith("line 3; failed: Carryon.DeliveryFailed)")
    assert lines[-1] == "chains sent: 2, skipped: 0; records kept: 0"
    assert "secret" not in "".join(lines)


def test_of_records_of_one_hop_the_one_that_may_run_is_sent(run, lambda_api):
    """What keeps the first of them does not keep the others."""
    gone = record("c-1", function=f"{ARN[:-4]}other", sig="v1:00", state={"n": 1})

    status, lines, _ = run(gone, record("c-1", state={"n": 2}), options=["--to", ARN])

    assert status == 0
    assert [call.json["carryon"]["state"] for call in lambda_api.accepted] == [{"n": 2}]
    assert lines[-1] == "chains sent: 1, skipped: 0; records kept: 0"


def test_a_dry_run_sends_nothing(run, lambda_api):
    """It says what would be sent."""
    status, lines, _ = run(record(), options=["--dry-run"])

    assert status == 0
    assert lines[0].startswith(f"would send: chain c-1, hop 1: to {ARN}")
    assert lambda_api.calls == []


def test_another_function_can_be_named(run, lambda_api):
    """By its name or ARN, for all records."""
    status, _, _ = run(record(), options=["--to", "arn:aws:lambda:eu-west-1:123456789012:function:other:live"])

    assert status == 0
    assert sent(lambda_api) == [("arn:aws:lambda:eu-west-1:123456789012:function:other:live", "c-1", 1)]


def test_a_signed_envelope_goes_to_its_own_function_only(run, lambda_api):
    """Another function would refuse it; another alias of the same one would not."""
    status, lines, _ = run(record(sig="v1:00"), options=["--to", f"{ARN[:-4]}other"])
    assert status == 1
    assert f"kept: chain c-1, hop 1: its envelope is signed for {ARN}" in lines[0]

    status, lines, _ = run(record(sig="v1:00"), options=["--to", ARN.replace("eu-west-1", "eu-west-2")])
    assert status == 1
    assert lambda_api.calls == []

    assert run(record(sig="v1:00"), options=["--to", f"{ARN}:live"])[0] == 0
    assert run(record("c-2", sig="v1:00"), options=["--to", "work:live", "--region", "eu-west-1"])[0] == 0
    assert sent(lambda_api) == [(f"{ARN}:live", "c-1", 1), ("work:live", "c-2", 1)]


def test_what_is_no_failure_is_kept_and_named(run, lambda_api):
    """The others are sent all the same, and the exit status tells."""
    status, lines, _ = run("poison", record(), '{"carryon": {}}')

    assert status == 1
    assert len(lambda_api.accepted) == 1
    assert "line 1: it is not JSON" in lines[0]
    assert "line 3: it is neither a record" in lines[1]
    assert lines[-1] == "chains sent: 1, skipped: 0; records kept: 2"


def test_a_function_that_is_not_named_has_to_be(run, lambda_api):
    """A dead letter does not say which function failed."""
    letter = json.dumps({"Body": "{}", "MessageAttributes": {"RequestID": {"StringValue": "r"}}})

    status, lines, _ = run(letter)
    assert status == 1
    assert "kept: chain r, hop 0: its record does not say which function failed; name it with --to" in lines[0]

    status, _, _ = run(letter, options=["--to", "work", "--region", "eu-west-1"])
    assert status == 0
    assert [(call.function, call.payload) for call in lambda_api.accepted] == [("work", b"{}")]


def test_a_passing_fault_is_tried_again(run, lambda_api):
    """429 and 5xx; the chain is accepted once."""
    lambda_api.fail("TooManyRequestsException", times=2)
    lambda_api.fail("ServiceException")

    assert run(record())[0] == 0
    assert len(lambda_api.accepted) == 1


def test_a_refusal_keeps_the_record_and_the_others_go_on(run, lambda_api):
    """It is asked once and named on one line."""
    lambda_api.fail("AccessDeniedException")

    status, lines, _ = run(record("c-1"), record("c-2"))

    assert status == 1
    assert lines[0].startswith("kept: chain c-1, hop 1: An error occurred (AccessDeniedException) when calling the Inv")
    assert sent(lambda_api) == [(ARN, "c-2", 1)]


def test_a_request_that_is_not_answered_is_not_repeated(run, lambda_api):
    """It may have arrived: its record is kept, and the line says so."""
    lambda_api.reset_after_reading()

    status, lines, _ = run(record())

    assert status == 1
    assert "kept: chain c-1, hop 1: not answered, so it may have been sent all the same" in lines[0]
    assert len(lambda_api.calls) == 1


HOUR = 3_600_000


@pytest.mark.parametrize(
    ("items", "word"),
    [
        ({}, None),
        ({2: {"status": "running", "lease_until_ms": 0}}, None),
        ({2: {"status": "failed"}}, None),
        ({2: {"status": "sent"}}, None),
        ({2: {"status": "sent", "token": "mine"}}, None),
        ({2: {"status": "sent", "token": "another"}}, "keep"),
        ({2: {"status": "failed", "token": "mine"}}, None),
        ({2: {"status": "failed", "token": "another"}}, "keep"),
        ({2: {"status": "failed"}, 3: {"status": "sent"}}, None),
        ({-1: {"status": "failed"}, 2: {"status": "failed"}}, None),
        ({1: {"status": "handed"}, 2: {"status": "failed"}}, None),
        ({2: {"status": "running", "lease_until_ms": HOUR}}, "keep"),
        ({2: {"status": "handed"}}, "skip"),
        ({2: {"status": "finished"}}, "skip"),
        ({2: {"status": "running", "lease_until_ms": 0}, 3: {"status": "running"}}, "skip"),
        ({-1: {"status": "finished"}, 2: {"status": "failed"}}, "skip"),
        ({2: {"status": "handed"}, 3: {"status": "failed"}}, "keep"),
        ({-1: {"cancelled_at_ms": 1}, 2: {"status": "failed"}}, "keep"),
    ],
)
def test_the_table_tells_what_has_gone_on(items, word):
    """Hop 2 is sent again unless it has gone on, runs, was cancelled, was sent once more or has failed later on."""
    verdict = recover._by_table(items, Failure(b"", None, "c", 2, "", token="mine"), HOUR // 2)

    assert word == (verdict and verdict.word)
