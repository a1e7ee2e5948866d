import json

import pytest

from carryon.shared import envelope
from carryon_cli import failures
from carryon_cli.failures import NoFailureError

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:work"
META = {"v": 1, "chain": "c-1", "hop": 3, "cause": "time", "parent": "p-2", "started_at_ms": 1, "state": {"n": 1}}
EVENT = '{"n": 1.50, "text": "\u00e9"}'
ENVELOPE = envelope.wrap(EVENT.encode(), META).decode()


def record(payload=EVENT, **context):
    """An on-failure record as Lambda writes it."""
    context = {
        "requestId": "r-0",
        "functionArn": f"{ARN}:$LATEST",
        "condition": "RetriesExhausted",
        "approximateInvokeCount": 3,
        **context,
    }
    return (
        f'{{"version":"1.0","timestamp":"2026-01-01T00:00:00.000Z","requestContext":{json.dumps(context)},'
        f'"requestPayload": {payload} ,"responseContext":{{"statusCode":200,"functionError":"Unhandled"}},'
        '"responsePayload":{"errorType":"Carryon.DeliveryFailed","errorMessage":"the secret"}}'
    )


def dead_letter_attributes(request_id="r-0"):
    """What Lambda gives a message of a dead-letter queue."""
    return {
        "RequestID": {"StringValue": request_id, "DataType": "String"},
        "ErrorCode": {"StringValue": "200", "DataType": "Number"},
        "ErrorMessage": {"StringValue": "the secret", "DataType": "String"},
    }


def test_a_record_has_the_original_event_byte_for_byte():
    """A first invocation that failed is its own chain, known by its request id; $LATEST is what no qualifier means."""
    failure = failures.of_document(record())

    assert failure.payload == EVENT.encode()
    assert (str(failure.function), failure.chain, failure.hop) == (ARN, "r-0", 0)
    assert failure.error == "Carryon.DeliveryFailed"
    assert not failure.signed
    assert failure.parcel is None


def test_a_record_of_a_later_hop_has_the_envelope():
    """Chain and hop are the envelope's, an alias stays."""
    failure = failures.of_message(record(ENVELOPE, functionArn=f"{ARN}:live"), {})

    assert failure.payload == ENVELOPE.encode()
    assert (str(failure.function), failure.chain, failure.hop) == (f"{ARN}:live", "c-1", 3)


def test_an_envelope_that_was_encoded_anew_is_one_still():
    """Lambda may write blanks and another order of members."""
    document = json.loads(ENVELOPE)
    text = json.dumps({"n": document["n"], "carryon": document["carryon"]}, indent=1)

    failure = failures.of_document(record(text))

    assert (failure.chain, failure.hop, failure.payload) == ("c-1", 3, text.encode())


def test_a_signature_and_a_parcel_are_seen():
    """They decide whether and where an envelope can be sent."""
    parcel = {"bucket": "b", "key": "k", "etag": '"e"'}
    meta = {**META, "sig": "v1:00", "parcel": parcel}

    failure = failures.of_document(record(envelope.wrap(EVENT.encode(), meta).decode()))

    assert failure.signed
    assert failure.parcel == parcel


@pytest.mark.parametrize(
    ("condition", "response", "error"),
    [
        ("EventAgeExceeded", "null", "EventAgeExceeded"),
        ("RetriesExhausted", '"Task timed out"', "RetriesExhausted"),
        ("RetriesExhausted", '{"errorType": 1}', "RetriesExhausted"),
    ],
)
def test_an_invocation_that_never_answered_is_named_by_its_condition(condition, response, error):
    """Without a response there is no error type."""
    text = (
        f'{{"requestContext": {{"condition": "{condition}"}}, "requestPayload": {{}}, "responsePayload": {response}}}'
    )

    failure = failures.of_document(text)

    assert failure.error == error
    assert (failure.function, failure.chain) == (None, None)


@pytest.mark.parametrize(("event", "chain", "hop"), [(EVENT, "r-0", 0), ("[1]", "r-0", 0), (ENVELOPE, "c-1", 3)])
def test_a_dead_letter_is_the_event_itself(event, chain, hop):
    """It is told from a record by its attributes, and does not name its function."""
    failure = failures.of_message(event, dead_letter_attributes())

    assert failure.payload == event.encode()
    assert (failure.function, failure.chain, failure.hop, failure.error) == (None, chain, hop, "status 200")


def test_a_dead_letter_may_look_like_a_record():
    """A function that handles records of others has them as its events."""
    failure = failures.of_message(record(), dead_letter_attributes("r-9"))

    assert failure.payload == record().encode()
    assert failure.chain == "r-9"


def test_messages_as_the_aws_command_line_prints_them_are_read():
    """`aws sqs receive-message` puts body and attributes into an object."""
    message = json.dumps({"MessageId": "m", "Body": ENVELOPE, "MessageAttributes": dead_letter_attributes()})

    assert failures.of_document(message).chain == "c-1"
    assert failures.of_document(json.dumps({"Body": record()})).chain == "r-0"


def test_an_envelope_alone_is_enough():
    """It cannot be taken for anything else."""
    failure = failures.of_document(ENVELOPE)

    assert (failure.payload, failure.function, failure.hop) == (ENVELOPE.encode(), None, 3)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ('{"requestContext": {"condition": "x"}, "requestPayload": NaN}', "NaN is not a JSON value"),
        ("[]", "it is not a JSON object"),
        ('"carryon"', "it is not a JSON object"),
        ("{}", "neither a record"),
        (EVENT, "neither a record"),
        ('{"carryon": {"v": 1, "chain": "c"}}', "neither a record"),
        ('{"requestContext": {"http": {}}, "body": ""}', "its requestContext has no condition"),
        ('{"requestPayload": {}}', "its requestContext has no condition"),
        ('{"requestContext": {"condition": "RetriesExhausted"}, "KinesisBatchInfo": {}}', "it has no event"),
        (record(condition="Success"), "it tells of a success"),
        (record(functionArn="arn:aws:sqs:eu-west-1:123456789012:q"), "its functionArn is none"),
        (record(envelope.wrap(b"{}", {**META, "parcel": {"bucket": "b"}}).decode()), "not by bucket, key and etag"),
        (json.dumps({"Body": "no"}), "it is not JSON"),
    ],
)
def test_what_is_no_failure_says_why(text, reason):
    """The reason names what is missing, and never raises anything else."""
    with pytest.raises(NoFailureError, match=reason):
        failures.of_document(text)


def test_a_dead_letter_that_is_no_json_says_so():
    """Lambda does not make such ones, but anybody can send a message."""
    with pytest.raises(NoFailureError, match="its event is not JSON"):
        failures.of_message("{", dead_letter_attributes())
