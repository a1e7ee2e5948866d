"""Batches from event source mappings: real queues and streams, and what becomes of the records of an interrupted batch.

The mappings of ministack know `ReportBatchItemFailures` for queues. Those of streams deliver a failed batch again and
take any answer for success, so of a stream's report only the answer itself can be seen here.
"""

import json
import re

import pytest

from tests.support import examples, processes

from .conftest import TIMEOUT_S

ORDERS = 7
# A message comes again that long after it was delivered; not less than the function's timeout.
VISIBILITY_S = str(TIMEOUT_S)


class Sources:
    """Queues and streams that are filled before a function is mapped to them."""

    def __init__(self, services):
        self._services = services

    def sqs(self, bodies, name="orders", **attributes):
        sqs = self._services.client("sqs")
        attributes["VisibilityTimeout"] = VISIBILITY_S
        url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        group = {"MessageGroupId": "g"} if name.endswith(".fifo") else {}
        for body in bodies:
            sqs.send_message(QueueUrl=url, MessageBody=body, **group)
        return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def fifo(self, bodies):
        return self.sqs(bodies, "orders.fifo", FifoQueue="true", ContentBasedDeduplication="true")

    def kinesis(self, bodies):
        kinesis = self._services.client("kinesis")
        kinesis.create_stream(StreamName="orders", ShardCount=1)
        for body in bodies:
            kinesis.put_record(StreamName="orders", Data=body.encode(), PartitionKey="p")
        return kinesis.describe_stream(StreamName="orders")["StreamDescription"]["StreamARN"]

    def dynamodb(self, bodies):
        dynamodb = self._services.client("dynamodb")
        table = dynamodb.create_table(
            TableName="orders",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )["TableDescription"]
        for body in bodies:
            dynamodb.put_item(TableName="orders", Item={"id": {"S": body}})
        return table["LatestStreamArn"]

    def wait_until_empty(self, arn):
        """Wait until no message of a queue is waiting or being worked on; the mapping deletes them after the answer."""
        sqs = self._services.client("sqs")
        url = sqs.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

        def is_empty():
            counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
            return set(counts.values()) == {"0"}

        processes.wait_until(is_empty, 10, f"messages are left in {url}")

    def map(self, arn, function):
        """Have the batches of a source delivered to a function."""
        starting = {} if ":sqs:" in arn else {"StartingPosition": "TRIM_HORIZON"}
        self._services.client("lambda").create_event_source_mapping(
            EventSourceArn=arn,
            FunctionName=function.name,
            BatchSize=10,
            FunctionResponseTypes=["ReportBatchItemFailures"],
            **starting,
        )


@pytest.fixture
def sources(services):
    return Sources(services)


def names(invocation):
    """What its records are known as, in its order."""
    return [
        record.get("messageId")
        or record.get("kinesis", {}).get("sequenceNumber")
        or record.get("dynamodb", {}).get("SequenceNumber")
        for record in invocation.event["Records"]
    ]


def given_back(invocation):
    """The names in its answer."""
    return [failure["itemIdentifier"] for failure in invocation.answer["batchItemFailures"]]


@pytest.mark.parametrize("source", ["sqs", "fifo"])
def test_every_order_is_shipped_and_what_is_finished_does_not_come_again(source, sources, make_function):
    """The example, over several deliveries: each message is finished in one of them, of a FIFO queue in order."""
    example = examples.find("sqs-batch")
    arn = getattr(sources, source)(
        [json.dumps({"id": number, "seconds": 0.4 * TIMEOUT_S / 3}) for number in range(ORDERS)]
    )
    function = make_function(example.handler, example.folder, env={"CARRYON_TO": "self", **example.env})

    def finished(invocations):
        answered = [one for one in invocations if one.ok is not None]
        return [name for one in answered for name in names(one) if name not in given_back(one)]

    sources.map(arn, function)
    invocations = function.wait_until(lambda invocations: len(finished(invocations)) >= ORDERS)

    shipped = [int(number) for one in invocations for number in re.findall(r"shipped (\d+)", one.log)]
    assert len(finished(invocations)) == len(set(finished(invocations))) == ORDERS
    assert set(shipped) == set(range(ORDERS))
    # An alarm may come just behind the end of an order.
    assert len(shipped) - ORDERS <= sum(bool(given_back(one)) for one in invocations)
    assert any(given_back(one) for one in invocations)
    if source == "fifo":
        assert shipped == sorted(shipped)
    sources.wait_until_empty(arn)


@pytest.mark.parametrize("source", ["fifo", "kinesis", "dynamodb"])
def test_an_ordered_batch_comes_again_as_a_whole(source, sources, make_function, tmp_path):
    """It fails at the alarm, its source delivers the same records in the same order, and nothing is continued."""
    arn = getattr(sources, source)(["a", "b", "c"])
    function = make_function("batches.interrupted_once", env={"CARRYON_TO": "self", "MARK": str(tmp_path / "mark")})

    sources.map(arn, function)
    first, second = function.wait_for(2)

    assert first.answer["errorType"] == "Carryon.TimeIsUp"
    assert names(second) == names(first)
    assert len(names(first)) == 3
    assert given_back(second) == []
    assert "carryon" not in second.event


@pytest.mark.parametrize("source", ["kinesis", "dynamodb"])
def test_a_streams_batch_is_given_back_from_the_first_unfinished_record_on(source, sources, make_function, tmp_path):
    """By its sequence numbers, of which Lambda takes the lowest for the place to go on from."""
    arn = getattr(sources, source)(["a", "b", "c"])
    env = {"CARRYON_TO": "self", "CARRYON_BATCH": "report", "MARK": str(tmp_path / "mark")}
    function = make_function("batches.interrupted_once", env=env)

    sources.map(arn, function)
    first, *_ = function.wait_for(1)

    assert first.events == ["time_is_up", "reported"]
    assert given_back(first) == names(first)[1:]
    assert sorted(names(first), key=int) == names(first)


def test_a_standard_queues_batch_goes_on_in_the_next_hop(sources, make_function, tmp_path):
    """The queue may forget it: the hop that carries on takes the record that was interrupted, and the one behind it."""
    arn = sources.sqs(["a", "b", "c"])
    function = make_function("batches.interrupted_once", env={"CARRYON_TO": "self", "MARK": str(tmp_path / "mark")})

    sources.map(arn, function)
    first, second = function.wait_for(2)

    assert given_back(first) == []
    assert second.event["carryon"]["chain"] == first.request_id
    assert names(second) == names(first)
    taken = [re.findall(r"took (\S+)", one.log) for one in (first, second)]
    assert taken == [names(first)[:1], names(first)[1:]]
    sources.wait_until_empty(arn)
