import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carryon.answers import answer, batch_policy, unfinished

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


@pytest.mark.parametrize("event", [SQS, FIFO])
def test_no_message_of_a_queue_is_delivered_again(event):
    """The batch goes on elsewhere, so the queue may forget it."""
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


@pytest.mark.parametrize(
    ("records", "identifiers"),
    [
        ([{"messageId": "m1"}, {"messageId": "m2"}, {"messageId": "m3"}], ["m1", "m2", "m3"]),
        ([{"kinesis": {"sequenceNumber": "495"}}, {"kinesis": {"sequenceNumber": "496"}}], ["495", "496"]),
        ([{"dynamodb": {"SequenceNumber": "111"}}, {"dynamodb": {"SequenceNumber": "222"}}], ["111", "222"]),
    ],
    ids=["sqs", "kinesis", "dynamodb"],
)
def test_the_rest_of_a_batch_is_given_back(records, identifiers):
    """From the first record that is not finished on, by the name that its source knows it by."""
    for finished in range(len(records) + 1):
        failures = unfinished({"Records": records}, finished)["batchItemFailures"]
        assert [failure["itemIdentifier"] for failure in failures] == identifiers[finished:]


scalars = st.none() | st.booleans() | st.integers() | st.sampled_from(["aws:sqs", "aws:kinesis", "", ".fifo"])
names = st.sampled_from(["Records", "eventSource", "eventSourceARN", "requestContext", "http", "httpMethod", "elb"])


@given(st.recursive(scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=4)))
def test_every_event_has_an_answer(event):
    """Events of a function's own may look like anything."""
    assert json.dumps(answer_to(event))
    assert batch_policy(event, None) in ("continue", "fail", None)
