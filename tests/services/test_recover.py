"""`carryon recover`: chains that ended in a queue, sent again."""

import json

import pytest

from carryon_cli import recover, sources

STATE = {"CARRYON_TO": "self", "CARRYON_STATE": "steps"}


@pytest.fixture
def run(carryon):
    """Run the command; returns its exit status and the lines it printed."""

    def run(*arguments):
        status, output, errors = carryon("recover", *arguments)
        assert errors == ""
        return status, output.splitlines()

    return run


def wait_for_message(services, url, function):
    """Wait until a chain has ended in the queue."""
    function.wait_until(lambda _: services.count(url) == (1, 0))


def test_a_chain_goes_on_from_its_last_state(make_function, services, run, tmp_path):
    """Its second hop failed for good; sent again, it begins where that hop began and comes to the right result."""
    url, arn = services.queue("failed")
    function = make_function("work.fragile", env=STATE, on_failure=arn)
    function.send({"steps": 250, "mark": str(tmp_path / "mark")})
    wait_for_message(services, url, function)
    _, failed = function.invocations
    envelope = failed.event["carryon"]
    (tmp_path / "mark").touch()

    status, lines = run(url, "--dry-run")
    assert (status, len(function.invocations)) == (0, 2)
    assert lines[0].startswith(f"would send: chain {envelope['chain']}, hop 1: to {function.arn} (message ")
    assert services.count(url) == (1, 0)

    status, lines = run(url)
    hops = function.wait_for_result()
    assert status == 0
    assert lines[0].startswith(f"sent: chain {envelope['chain']}, hop 1: to {function.arn} (message ")
    assert lines[0].endswith("failed: ValueError)")
    assert services.count(url) == (0, 0)
    assert hops[2].event == failed.event
    assert hops[2].lines[0]["event"] == "resumed"
    assert hops[-1].answer == {"steps": 250}


def test_what_cannot_be_sent_stays_in_the_queue(make_function, services, run):
    """Poison and refused chains can be received at once by whoever comes next; the others are gone."""
    url, arn = services.queue("failed")
    function = make_function("work.count", on_failure=arn)
    sqs = services.client("sqs")
    sqs.send_message(QueueUrl=url, MessageBody="poison")
    gone = {"functionArn": f"{function.arn}-gone", "requestId": "r-1", "condition": "RetriesExhausted"}
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"requestContext": gone, "requestPayload": {}}))
    here = {**gone, "functionArn": function.arn, "requestId": "r-2"}
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"requestContext": here, "requestPayload": {"steps": 1}}))

    status, lines = run(url)

    function.wait_for_result()
    assert status == 1
    assert len(lines) == 4
    assert ": it is not JSON" in lines[0]
    assert any(line.startswith("kept: chain r-1, hop 0: An error occurred (ResourceNotFound") for line in lines)
    assert any(line.startswith(f"sent: chain r-2, hop 0: to {function.arn} (") for line in lines)
    assert lines[-1] == "chains sent: 1, skipped: 0; records kept: 2"
    assert services.count(url) == (2, 0)


def test_dead_letters_are_sent_to_the_function_that_is_named(make_function, services, run):
    """Body and attributes are those of Lambda; the queue's ARN does as well as its URL."""
    url, arn = services.queue("letters")
    function = make_function("work.count")
    attributes = {"RequestID": {"DataType": "String", "StringValue": "r-1"}}
    services.client("sqs").send_message(QueueUrl=url, MessageBody='{"steps":  2}', MessageAttributes=attributes)

    status, lines = run(arn, "--to", function.name)

    (only,) = function.wait_for_result()
    assert status == 0
    assert only.answer == {"steps": 2}
    assert lines[0].startswith(f"sent: chain r-1, hop 0: to {function.name} (message ")
    assert services.count(url) == (0, 0)


def test_more_than_a_batch_is_read_and_removed(make_function, services, run, monkeypatch):
    """SQS gives, hides and takes ten messages at a time; a chain's own are dealt with together."""
    # As if reading had taken that long.
    monkeypatch.setattr(sources, "_HOLD_AGAIN_AFTER_S", -1)
    url, _ = services.queue("failed")
    function = make_function("work.count")
    sqs = services.client("sqs")
    for number in range(23):
        context = {"functionArn": function.arn, "requestId": f"r-{number % 2}", "condition": "RetriesExhausted"}
        record = {"requestContext": context, "requestPayload": {"steps": 1}}
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(record))

    status, lines = run(url)

    assert status == 0
    assert lines[-1] == "chains sent: 2, skipped: 0; records kept: 0"
    assert len(function.wait_for(2)) == 2
    assert services.count(url) == (0, 0)


def test_only_as_many_as_asked_for_are_read(services, run):
    """The rest stays for the next run."""
    url, _ = services.queue("failed")
    sqs = services.client("sqs")
    for number in range(4):
        sqs.send_message(QueueUrl=url, MessageBody=f"poison {number}")

    status, lines = run(url, "--limit", "3")

    assert status == 1
    assert lines[-2:] == [
        "chains sent: 0, skipped: 0; records kept: 3",
        "there may be more messages: --limit was reached",
    ]
    assert services.count(url) == (4, 0)


def test_an_interrupted_run_gives_back_what_it_has_not_sent(make_function, services, carryon, monkeypatch):
    """At once, and not when the messages would have been visible again by themselves."""
    url, _ = services.queue("failed")
    function = make_function("work.count")
    for number in range(3):
        context = {"functionArn": function.arn, "requestId": f"r-{number}", "condition": "RetriesExhausted"}
        record = {"requestContext": context, "requestPayload": {"steps": 1}}
        services.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(record))
    send = recover.Recovery._send
    sent = []

    def send_one(recovery, failure):
        if sent:
            raise KeyboardInterrupt
        sent.append(failure)
        return send(recovery, failure)

    monkeypatch.setattr(recover.Recovery, "_send", send_one)

    status, output, errors = carryon("recover", url)

    assert (status, errors) == (130, "carryon: interrupted\n")
    assert output.count("sent: ") == 1
    assert services.count(url) == (2, 0)


def test_a_parcel_that_is_gone_or_changed_keeps_its_chain(make_function, services, run):
    """An envelope that refers to S3 is sent only if the object is there, and still the one it means."""
    url, _ = services.queue("failed")
    function = make_function("work.count")
    s3 = services.client("s3")
    s3.create_bucket(Bucket="parcels")
    etag = s3.put_object(Bucket="parcels", Key="here", Body=b"{}")["ETag"]
    for key, tag in (("here", etag), ("gone", etag), ("here", '"other"')):
        parcel = {"bucket": "parcels", "key": key, "etag": tag}
        meta = {"v": 1, "chain": f"c-{key}-{tag}", "hop": 1, "cause": "time", "parent": "p", "started_at_ms": 1}
        context = {"functionArn": function.arn, "requestId": "r", "condition": "RetriesExhausted"}
        record = {"requestContext": context, "requestPayload": {"carryon": {**meta, "parcel": parcel}, "steps": 0}}
        services.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(record))

    status, lines = run(url, "--dry-run")

    assert status == 1
    assert any(f"c-here-{etag}, hop 1: to " in line for line in lines)
    assert any("its envelope is s3://parcels/gone: it is not there any more" in line for line in lines)
    assert any("its envelope is s3://parcels/here: it is another one by now" in line for line in lines)
    assert services.count(url) == (3, 0)


def test_a_queue_that_is_not_there_is_named(services, carryon):
    """One line on stderr and exit status 1."""
    status, output, errors = carryon("recover", f"{services.url}/000000000000/missing")

    assert (status, output) == (1, "")
    assert errors.startswith("carryon: An error occurred (")
    assert errors.count("\n") == 1


def test_a_signed_envelope_in_a_bucket_is_good_for_its_function_still(make_function, services, run, tmp_path):
    """As long as its chain has not gone on; afterwards the object is gone, and the record is kept."""
    url, arn = services.queue("failed")
    s3 = services.client("s3")
    s3.create_bucket(Bucket="parcels")
    settings = {"CARRYON_SIGNING_KEY": "a key of some length", "CARRYON_BUCKET": "parcels"}
    function = make_function("work.fragile", env={**STATE, **settings}, on_failure=arn)
    function.send({"steps": 250, "mark": str(tmp_path / "mark"), "large": "x" * 1_100_000})
    wait_for_message(services, url, function)
    (message,) = services.client("sqs").receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"]
    (tmp_path / "mark").touch()

    status, lines = run(url)
    hops = function.wait_for_result()

    assert (status, lines[-1]) == (0, "chains sent: 1, skipped: 0; records kept: 0")
    assert {"parcel", "sig"} < hops[-1].event["carryon"].keys()
    assert hops[-1].answer == {"steps": 250}
    assert "Contents" not in s3.list_objects_v2(Bucket="parcels")
    services.client("sqs").send_message(QueueUrl=url, MessageBody=message["Body"])
    status, lines = run(url)
    assert status == 1
    assert "it is not there any more" in lines[0]
