"""The faults that other tests rely on are those of AWS, for each service, and happen on the side that they should."""

import pytest
from botocore.exceptions import ClientError, HTTPClientError

from tests.support.plan import Plan


@pytest.fixture
def make(services, faulty):
    """A function `make(service)` that returns two: one writes through the proxy, one counts what has been written."""

    def sqs():
        url, _ = services.queue("faults")
        attributes = ["ApproximateNumberOfMessages"]
        count = services.client("sqs").get_queue_attributes
        return (
            lambda: services.client("sqs", faulty.url).send_message(QueueUrl=url, MessageBody="x"),
            lambda: int(count(QueueUrl=url, AttributeNames=attributes)["Attributes"][attributes[0]]),
        )

    def s3():
        services.client("s3").create_bucket(Bucket="faults")
        return (
            lambda: services.client("s3", faulty.url).put_object(Bucket="faults", Key="k", Body=b"x"),
            lambda: services.client("s3").list_objects_v2(Bucket="faults")["KeyCount"],
        )

    def dynamodb():
        services.client("dynamodb").create_table(
            TableName="faults",
            KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        return (
            lambda: services.client("dynamodb", faulty.url).put_item(TableName="faults", Item={"k": {"S": "x"}}),
            lambda: services.client("dynamodb").scan(TableName="faults")["Count"],
        )

    return lambda service: {"sqs": sqs, "s3": s3, "dynamodb": dynamodb}[service]()


@pytest.mark.parametrize(
    ("service", "throttled", "failed"),
    [
        ("dynamodb", "ProvisionedThroughputExceededException", "InternalServerError"),
        ("s3", "SlowDown", "InternalError"),
        ("sqs", "RequestThrottled", "InternalFailure"),
    ],
)
def test_each_service_fails_in_its_own_words(make, faulty, service, throttled, failed):
    """boto3 reads the codes; what was throttled, failed or reset has not happened, what was lost has."""
    write, written = make(service)
    faulty.plan("throttle", "fail", "reset", "passed", "late", "lost")

    for code in (throttled, failed):
        with pytest.raises(ClientError) as error:
            write()
        assert error.value.response["Error"]["Code"] == code
    with pytest.raises(HTTPClientError):
        write()
    assert written() == 0
    write()
    assert written() == 1
    write()
    with pytest.raises(HTTPClientError):
        write()
    assert written() == (3 if service == "sqs" else 1)
    assert [outcome for seen, _, outcome in faulty.counts if seen == service] == [
        "throttle", "fail", "reset", "passed", "late", "lost",
    ]  # fmt: skip


def test_a_run_of_faults_is_the_same_for_the_same_seed(make, faulty):
    """Each request has a fate of its own, by service, operation and number."""
    write, written = make("sqs")
    fates = Plan(3, {"throttle": 0.4})
    faulty.decide = lambda request: fates.fault(request.service, request.operation, request.number)

    for _ in range(20):
        try:
            write()
        except ClientError:
            pass

    assert faulty.outcomes == [fates.fault("sqs", "SendMessage", number) for number in range(20)]
    assert written() == faulty.outcomes.count("passed") < 20
