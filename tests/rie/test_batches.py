"""Batches whose time is up: continued, failed, or given back in part, whatever way the function goes through them."""

import json

import pytest

from carryon.shared import envelope
from tests.support.batches import ORDERED, SOURCES
from tests.support.emulator import Emulator
from tests.support.functions import FUNCTIONS, continuing


@pytest.fixture
def start(layer, lambda_api, newest_runtime):
    """A function `start(**settings)` that starts tests/rie/functions/batches.py under the emulator."""

    def start(**settings):
        env = continuing(lambda_api, CARRYON_MARGIN="45%", **settings)
        return Emulator(newest_runtime, FUNCTIONS, "batches.handler", layer=layer, env=env, timeout_s=2)

    return start


def batch(source, texts, do="one_by_one"):
    """An event of the source, with a record for each text."""
    return {**SOURCES[source](texts.split()), "do": do}


def given_back(result):
    """The names of the records in its answer."""
    assert list(result.json) == ["batchItemFailures"]
    return " ".join(failure["itemIdentifier"] for failure in result.json["batchItemFailures"])


@pytest.mark.parametrize("last", ["slow", "stuck"])
@pytest.mark.parametrize("source", SOURCES)
def test_the_rest_of_a_batch_is_given_back_when_asked_for(source, last, start, lambda_api):
    """From the first record that is not finished on; nothing is continued."""
    with start(CARRYON_BATCH="report") as function:
        result = function.invoke(batch(source, f"quick quick {last} never"))

    assert given_back(result) == "m2 m3"
    assert result.events[-1] == "reported"
    assert (result.lines[-1]["carryon"]["records_finished"], result.lines[-1]["carryon"]["records_left"]) == (2, 2)
    assert lambda_api.calls == []


@pytest.mark.parametrize(
    ("source", "wanted", "outcome"),
    [
        ("sqs", None, "continued"),
        *((source, None, "Carryon.TimeIsUp") for source in ORDERED),
        ("sqs", "fail", "Carryon.TimeIsUp"),
        ("fifo", "continue", "continued"),
    ],
)
def test_a_batch_is_continued_or_fails_as_its_source_needs(source, wanted, outcome, start, lambda_api):
    """Never a partial answer unless asked for; a continued one goes on with the record that was interrupted."""
    with start(**({"CARRYON_BATCH": wanted} if wanted else {})) as function:
        result = function.invoke(batch(source, "quick slow"))

    if outcome == "continued":
        assert result.events[-1] == "continued"
        assert given_back(result) == ""
        assert lambda_api.calls[0].json["carryon"]["each"] == {"0": 1}
    else:
        assert result.error_type == outcome
        assert lambda_api.calls == []


@pytest.mark.parametrize("event_as", ["original", "current"])
@pytest.mark.parametrize("swallows", [False, True])
def test_an_event_counts_as_it_arrived_whatever_its_handler_has_made_of_it(swallows, event_as, start, lambda_api):
    """What the caller hears, and whether a batch goes on elsewhere: by the process itself, and by the supervisor."""
    with start(CARRYON_EVENT=event_as) as function:
        batch_result = function.invoke({**batch("fifo", "quick"), "do": "clearing_the_event", "swallows": swallows})
        calls = list(lambda_api.calls)
        web_request = {"requestContext": {"http": {"method": "GET"}}, "do": "clearing_the_event", "swallows": swallows}
        web_result = function.invoke(web_request)

    assert batch_result.error_type == "Carryon.TimeIsUp"
    assert calls == []
    assert web_result.json["statusCode"] == 202
    assert ("requestContext" in lambda_api.calls[0].json) is (event_as == "original")


@pytest.mark.parametrize(
    ("do", "source", "texts", "expected"),
    [
        ("without_each", "sqs", "quick slow never", "m0 m1 m2"),
        ("quick_ones_first", "sqs", "slow quick slow quick", "m0 m2"),
        ("quick_ones_first", "kinesis", "quick slow quick", "m1 m2"),
        ("quick_ones_first", "fifo", "slow quick quick", "m0 m1 m2"),
        ("a_second_time", "sqs", "quick slow quick", "m1 m2"),
        ("a_second_time", "sqs", "slow quick", "m0 m1"),
        ("a_second_time", "sqs", "stuck quick", "m0 m1"),
        ("emptying_the_event", "sqs", "quick quick slow quick", "m2 m3"),
        ("emptying_the_event", "sqs", "quick quick stuck quick", "m2 m3"),
        ("catching", "sqs", "bad quick slow quick", "m2 m3 m0"),
        ("giving_back", "sqs", "bad quick slow quick", "m0 m2 m3"),
        ("giving_back", "sqs", "quick bad stuck quick", "m1 m2 m3"),
        ("giving_back", "kinesis", "quick bad quick slow", "m1 m2 m3"),
    ],
)
def test_no_record_is_lost_whatever_way_a_batch_is_gone_through(do, source, texts, expected, start):
    """What is not known to be finished is given back, and so is what the handler itself gives back."""
    with start(CARRYON_BATCH="report", CARRYON_EVENT="current") as function:
        result = function.invoke(batch(source, texts, do))

    assert given_back(result) == expected


@pytest.mark.parametrize("source", ["sqs", "fifo"])
def test_a_batch_fails_whose_handler_goes_on_after_the_last_record(source, start, lambda_api):
    """An empty list would say that all is done; its source delivers it again as a whole."""
    with start(CARRYON_BATCH="report") as function:
        result = function.invoke(batch(source, "quick quick", "with_an_end_that_takes_long"))

    assert result.error_type == "Carryon.TimeIsUp"
    assert "every record is finished, but the handler is not" in result.json["errorMessage"]
    assert lambda_api.calls == []


def test_a_continued_batch_gives_back_what_its_handler_does(start, lambda_api):
    """The failed record of a hop whose handler has caught the alarm is in its answer, and the rest goes on."""
    with start() as function:
        result = function.invoke(batch("sqs", "bad quick slow", "catching"))

    assert given_back(result) == "m0"
    assert lambda_api.calls[0].json["carryon"]["each"] == {"0": 2}


def continued(event):
    """The event of a second hop."""
    meta = {"v": 1, "chain": "c-1", "hop": 1, "cause": "time", "parent": "r", "started_at_ms": 1}
    return envelope.wrap(json.dumps(event).encode(), meta)


def test_a_continuation_gives_nothing_back_to_a_source_that_does_not_hear_it(start, lambda_api):
    """It is continued also where a report was asked for: Lambda would throw that away, and the records with it."""
    with start(CARRYON_BATCH="report") as function:
        result = function.invoke(continued(batch("sqs", "quick slow")))

    assert result.events == ["resumed", "time_is_up", "continued"]
    assert lambda_api.calls[0].json["carryon"]["hop"] == 2


def test_a_continuation_fails_whose_handler_gives_records_back(start):
    """Its source does not hear of it, so it has to be an error, which Lambda repeats and then keeps."""
    with start() as function:
        result = function.invoke(continued(batch("sqs", "bad quick", "catching")))
        first = function.invoke(batch("sqs", "bad quick", "catching"))

    assert result.error_type == "Carryon.RecordsFailed"
    assert "Of this batch 1 failed in a continuation" in result.json["errorMessage"]
    assert given_back(first) == "m0"
