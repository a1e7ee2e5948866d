"""The endpoint behaves towards boto3 as Lambda does, or the tests that rely on it prove nothing."""

import boto3
import botocore.config
import botocore.exceptions
import pytest

ARN = "arn:aws:lambda:us-east-1:123456789012:function:work:live"


@pytest.fixture
def client(lambda_api):
    config = botocore.config.Config(retries={"total_max_attempts": 1}, read_timeout=1, connect_timeout=1)
    client = boto3.client(
        "lambda",
        endpoint_url=lambda_api.url,
        region_name="us-east-1",
        aws_access_key_id="AKIAEXAMPLE",
        aws_secret_access_key="example",
        config=config,
    )
    yield client
    client.close()


def invoke(client, payload=b"{}"):
    return client.invoke(FunctionName=ARN, InvocationType="Event", Payload=payload)


def test_an_invoke_is_accepted_and_recorded(client, lambda_api):
    """Function, type and payload arrive as they were sent, and the answer is 202."""
    answer = invoke(client, b'{"n": 1}')

    (call,) = lambda_api.accepted

    assert answer["StatusCode"] == 202
    assert (call.function, call.invocation_type, call.payload) == (ARN, "Event", b'{"n": 1}')


@pytest.mark.parametrize(
    "error",
    [
        "AccessDeniedException",
        "ResourceNotFoundException",
        "RequestTooLargeException",
        "TooManyRequestsException",
        "ServiceException",
    ],
)
def test_an_error_has_the_shape_of_aws(client, lambda_api, error):
    """boto3 decodes the error's name, and only as many calls fail as were told to."""
    lambda_api.fail(error)

    with pytest.raises(botocore.exceptions.ClientError) as raised:
        invoke(client)
    invoke(client)

    assert raised.value.response["Error"]["Code"] == error
    assert lambda_api.outcomes == [f"refused:{error}", "accepted"]


def test_a_reset_after_reading_counts_as_accepted_by_aws(client, lambda_api):
    """The caller sees a broken connection and cannot know that the call was read."""
    lambda_api.reset_after_reading()

    with pytest.raises(botocore.exceptions.HTTPClientError):
        invoke(client)

    assert lambda_api.outcomes == ["lost"]


def test_a_reset_before_reading_is_no_call(client, lambda_api):
    """Nothing was read, so nothing is recorded."""
    lambda_api.reset_before_reading()

    with pytest.raises(botocore.exceptions.HTTPClientError):
        invoke(client)
    invoke(client)

    assert lambda_api.outcomes == ["accepted"]


def test_a_call_that_hangs_is_let_go_at_the_end(client, lambda_api):
    """The caller's read timeout ends its wait; closing the endpoint ends ours."""
    lambda_api.hang()

    with pytest.raises(botocore.exceptions.ReadTimeoutError):
        invoke(client)

    assert lambda_api.outcomes == ["hung"]
