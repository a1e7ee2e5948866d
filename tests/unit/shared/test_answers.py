import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carryon.shared.answers import answer, batch_policy, join, outline, unfinished

HTTP = {
    "API Gateway v1": {
        "resource": "/{proxy+}",
        "path": "/a",
        "httpMethod": "GET",
        "requestContext": {"stage": "prod", "httpMethod": "GET", "requestId": "r"},
        "body": None,
    },
    "API Gateway v2": {
        "version": "2.0",
        "routeKey": "$default",
        "requestContext": {"apiId": "a", "http": {"method": "GET", "path": "/"}},
    },
    "function URL": {
        "version": "2.0",
        "requestContext": {"domainName": "x.lambda-url.eu-west-1.on.aws", "http": {"method": "POST", "path": "/"}},
    },
    "ALB": {
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/t/1"}},
        "httpMethod": "GET",
        "path": "/",
    },
    "WebSocket": {"requestContext": {"routeKey": "$default", "connectionId": "c=", "eventType": "MESSAGE"}},
}
SQS = {"Records": [{"messageId": "m", "body": "b", "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:r:1:q"}]}
FIFO = {"Records": [{**SQS["Records"][0], "eventSourceARN": "arn:aws:sqs:r:1:q.fifo"}]}
KINESIS = {"Records": [{"kinesis": {"data": "YQ=="}, "eventSource": "aws:kinesis"}]}
DYNAMODB = {"Records": [{"dynamodb": {"Keys": {}}, "eventSource": "aws:dynamodb"}]}
SNS = {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": "m"}}]}
S3 = {"Records": [{"eventSource": "aws:s3", "s3": {}}]}
OTHERS = [
    SNS,
    S3,
    {},
    None,
    [],
    "text",
    1,
    {"Records": []},
    {"Records": [None]},
    {"Records": {}},
    {"requestContext": 1},
]

NOTICE = {"carryon": {"continued": True, "chain": "c", "hop": 2, "to": "arn"}}


def answer_to(event):
    return answer(event, chain="c", hop=2, to="arn")


@pytest.mark.parametrize("source", HTTP)
def test_a_web_client_gets_202(source):
    """Accepted, not done: one shape that all of them turn into a response."""
    response = answer_to(HTTP[source])

    assert (202, "202 Accepted", False) == (
        response["statusCode"],
        response["statusDescription"],
        response["isBase64Encoded"],
    )
    assert NOTICE == json.loads(response["body"])


@pytest.mark.parametrize("event", [SQS, FIFO, KINESIS, DYNAMODB])
def test_no_record_of_a_batch_is_delivered_again(event):
    """The batch goes on elsewhere, so its source may forget it."""
    assert {"batchItemFailures": []} == answer_to(event)


@pytest.mark.parametrize("event", OTHERS, ids=repr)
def test_any_other_caller_gets_the_notice(event):
    """Who calls directly sees the chain, the next hop and where it runs."""
    assert NOTICE == answer_to(event)


@pytest.mark.parametrize(
    ("event", "ordered"),
    [(FIFO, True), (KINESIS, True), (DYNAMODB, True), (SQS, False), *((event, False) for event in OTHERS)],
    ids=lambda value: repr(value)[:60],
)
def test_ordered_batches_are_told_apart(event, ordered):
    """Only these would let later records overtake the rest of this batch, so their source keeps them."""
    is_batch = ordered or event is SQS
    assert batch_policy(event, None) == ("fail" if ordered else "continue" if is_batch else None)
    for wanted in ("continue", "fail", "report"):
        assert batch_policy(event, wanted) == (wanted if is_batch else None)


@pytest.mark.parametrize("event", [KINESIS, DYNAMODB, SQS])
def test_a_window_of_a_stream_fails(event):
    """Whatever is wanted: an answer without the window's state would reset it. Its last event has no records."""
    for records in (event["Records"], []):
        window = {**event, "Records": records, "state": {"sum": 1}, "isFinalInvokeForWindow": not records}
        assert {batch_policy(window, wanted) for wanted in (None, "continue", "fail", "report")} == {"fail"}


def records_of(source, count):
    """Records as the source delivers them, and the names that it knows them by."""
    names = [f"{source}-{number}" for number in range(count)]
    arn = "arn:aws:sqs:r:1:q.fifo" if source == "fifo" else "arn:aws:sqs:r:1:q"
    made = {
        "sqs": lambda name: {"eventSource": "aws:sqs", "eventSourceARN": arn, "messageId": name},
        "kinesis": lambda name: {"eventSource": "aws:kinesis", "kinesis": {"sequenceNumber": name}},
        "dynamodb": lambda name: {"eventSource": "aws:dynamodb", "dynamodb": {"SequenceNumber": name}},
    }["sqs" if source == "fifo" else source]
    return [made(name) for name in names], names


@pytest.mark.parametrize("source", ["sqs", "fifo", "kinesis", "dynamodb"])
@given(st.lists(st.booleans(), min_size=1, max_size=70))
def test_what_is_not_finished_is_given_back(source, done):
    """A standard queue gets each of these, by the name that it knows; other sources all from the first of them on."""
    records, names = records_of(source, len(done))
    finished = sum(1 << number for number, is_done in enumerate(done) if is_done)

    given_back = [failure["itemIdentifier"] for failure in unfinished({"Records": records}, finished)]

    if source == "sqs":
        assert given_back == [name for name, is_done in zip(names, done, strict=True) if not is_done]
    else:
        assert given_back == names[done.index(False) if False in done else len(done) :]


@pytest.mark.parametrize("record", [None, {}, {"kinesis": None}, {"dynamodb": {}}, "text"])
def test_a_record_without_a_name_gives_all_of_its_batch_back(record):
    """AWS takes a null identifier for a batch that has failed."""
    records, names = records_of("kinesis", 1)

    assert unfinished({"Records": [*records, record]}, 0) == [{"itemIdentifier": names[0]}, {"itemIdentifier": None}]


@pytest.mark.parametrize(
    ("said", "own", "joined"),
    [
        (["m2", "m3"], {"batchItemFailures": [{"itemIdentifier": "m1"}, {"itemIdentifier": "m3"}]}, ["m2", "m3", "m1"]),
        ([], {"batchItemFailures": [{"itemIdentifier": "m1"}]}, ["m1"]),
        (["m2"], {"batchItemFailures": []}, ["m2"]),
        (["m2"], {"batchItemFailures": None}, ["m2"]),
        (["m2"], None, ["m2"]),
        (["m2"], "text", ["m2"]),
    ],
)
def test_what_the_handler_gives_back_itself_is_given_back_too(said, own, joined):
    """Records that have failed for a reason of their own, in the result of a handler that caught the alarm."""
    assert join({"batchItemFailures": [{"itemIdentifier": name} for name in said]}, own) == {
        "batchItemFailures": [{"itemIdentifier": name} for name in joined]
    }
    assert join(NOTICE, own) == NOTICE


scalars = st.none() | st.booleans() | st.integers() | st.sampled_from(["aws:sqs", "aws:kinesis", "", ".fifo"])
names = st.sampled_from(["Records", "eventSource", "eventSourceARN", "requestContext", "http", "httpMethod", "elb"])


@given(st.recursive(scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=4)))
def test_every_event_has_an_answer(event):
    """Events of a function's own may look like anything."""
    assert json.dumps(answer_to(event))
    assert batch_policy(event, None) in ("continue", "fail", None)


WINDOW = {**KINESIS, "isFinalInvokeForWindow": False}


@pytest.mark.parametrize("event", [*HTTP.values(), SQS, FIFO, KINESIS, DYNAMODB, WINDOW, *OTHERS], ids=str)
def test_an_outline_decides_as_its_event_does(event):
    """And has none of its content."""
    kept = outline(event)

    assert answer_to(kept) == answer_to(event)
    assert [batch_policy(kept, wanted) for wanted in (None, "continue", "report")] == [
        batch_policy(event, wanted) for wanted in (None, "continue", "report")
    ]
    assert outline(kept) == kept
    assert len(json.dumps(kept)) < 200
