"""What counts as finished of a batch is finished, however the function goes through it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carryon.runtime.batch import Batch, to_report

RECORDS = 6


@given(st.lists(st.tuples(st.sampled_from(["begin", "finish", "give_back", "other"]), st.integers(0, RECORDS - 1))))
def test_a_record_is_finished_that_was_finished_in_the_last_pass(steps):
    """In any order; a pass ends where a finished record is begun again. What was given back stays unfinished."""
    records = [{} for _ in range(RECORDS)]
    batch = Batch(records)
    finished = [False] * RECORDS
    gone_back = set()
    for step, number in steps:
        if step == "other":
            assert not batch.finish({})
        elif step == "begin":
            assert batch.begin(records[number]) == finished[number]
            if finished[number]:
                finished = [False] * RECORDS
        elif step == "give_back":
            assert batch.give_back(records[number]) == finished[number]
            gone_back.add(number)
            finished[number] = False
        else:
            assert batch.finish(records[number]) == (number not in gone_back)
            finished[number] = number not in gone_back

    assert [bool(batch.finished >> number & 1) for number in range(RECORDS)] == finished


def test_records_that_the_function_throws_away_keep_their_places():
    """No other object is taken for one of them, and they for no other."""
    records = [{"n": number} for number in range(100)]
    batch = Batch(records)
    while records:
        batch.finish(records.pop(0))
        assert not batch.finish({"n": 0})

    assert batch.finished == (1 << 100) - 1


@pytest.mark.parametrize(
    ("event", "carried", "wanted"),
    [
        ({"Records": [{"eventSource": "aws:sqs"}]}, None, True),
        ({"Records": [{"eventSource": "aws:sqs"}]}, {"hop": 1}, False),
        ({"Records": [{"eventSource": "aws:s3"}]}, None, False),
        ({"Records": [{"eventSource": "aws:kinesis"}], "isFinalInvokeForWindow": False}, None, False),
        ({}, None, False),
    ],
)
def test_only_a_batch_that_its_source_has_delivered_is_watched(event, carried, wanted):
    """A continuation's source has let go of its records, and a window's answer is not ours to give."""
    assert (to_report(event, carried) is not None) == wanted
