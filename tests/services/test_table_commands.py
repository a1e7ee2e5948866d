"""`carryon cancel` and `carryon result`, and what `carryon recover` reads in the table."""

import json
import time

import pytest

TABLE = "chains"
CHAIN = {"CARRYON_TO": "self", "CARRYON_STATE": "steps", "CARRYON_TABLE": TABLE}


@pytest.fixture
def table(services):
    """An empty table as the template makes it."""
    return services.table(TABLE)


@pytest.fixture
def put(table):
    """Write `put(chain, hop, **members)` into it."""
    return table.set


@pytest.fixture
def of_chain(table):
    """Read the item of a chain itself."""
    return lambda chain: table.items(chain).get(-1)


def test_a_chain_that_is_cancelled_ends_at_its_next_hop(make_function, table, services, carryon):
    """The function is not called again, and the failure queue holds the event; where the chain stands is told."""
    url, arn = services.queue("failed")
    function = make_function("work.count", env=CHAIN, on_failure=arn)
    function.send({"steps": 10_000})
    function.wait_until(lambda invocations: len(invocations) == 2)
    chain = function.invocations[0].request_id
    status, _, errors = carryon("result", chain, "--table", TABLE)
    assert status == 3
    assert f"carryon: chain {chain}: hop " in errors

    assert carryon("cancel", chain, "--table", TABLE)[0] == 0

    function.wait_until(lambda _: services.count(url) == (1, 0))
    last = function.invocations[-1]
    assert last.answer["errorType"] == "Carryon.Cancelled"
    assert last.events == ["cancelled"]
    status, _, errors = carryon("result", chain, "--table", TABLE)
    assert status == 1
    assert "Carryon.Cancelled" in errors
    status, output, _ = carryon("recover", url, "--table", TABLE)
    assert status == 1
    assert f"kept: chain {chain}, hop {last.event['carryon']['hop']}: it has been cancelled" in output


def test_a_chain_that_was_recovered_has_its_result_and_is_not_sent_again(
    make_function, table, services, carryon, tmp_path
):
    """Its hop is taken up once more in spite of its lease; afterwards the same record is skipped, and removed."""
    url, arn = services.queue("failed")
    function = make_function("work.fragile", env=CHAIN, on_failure=arn)
    function.send({"steps": 250, "mark": str(tmp_path / "mark")})
    function.wait_until(lambda _: services.count(url) == (1, 0))
    chain = function.invocations[0].request_id
    sqs = services.client("sqs")
    (message,) = sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"]
    status, _, errors = carryon("result", chain, "--table", TABLE)
    assert status == 1
    assert "interrupted at step" in errors
    (tmp_path / "mark").touch()

    status, output, _ = carryon("recover", url, "--table", TABLE)
    assert (status, output.splitlines()[-1]) == (0, "chains sent: 1, skipped: 0; records kept: 0")
    function.wait_for_result()
    assert carryon("result", chain, "--table", TABLE) == (0, '{"steps": 250}\n', "")

    sqs.send_message(QueueUrl=url, MessageBody=message["Body"])
    status, output, _ = carryon("recover", url, "--table", TABLE)
    assert status == 0
    assert f"skipped: chain {chain}, hop 1: it has finished (" in output
    assert services.count(url) == (0, 0)


def test_a_chain_is_cancelled_once(put, of_chain, carryon):
    """The moment is in the chain's own item, which does not stay for ever; a second time changes nothing."""
    put("c-1", 1, status="running")

    assert carryon("cancel", "c-1", "--table", TABLE) == (0, "chain c-1 is cancelled: its next hop ends it\n", "")
    item = of_chain("c-1")
    assert abs(item["cancelled_at_ms"] - time.time() * 1000) < 60_000
    assert 0 < item["expires_at"] - time.time() < 16 * 24 * 3600

    assert carryon("cancel", "c-1", "--table", TABLE)[0] == 0
    assert of_chain("c-1") == item


def test_a_chain_that_is_not_known_may_be_cancelled_all_the_same(put, of_chain, carryon):
    """Before its first hand-over nothing of it is in the table."""
    status, output, _ = carryon("cancel", "c-1", "--table", TABLE)

    assert status == 0
    assert "the table knows no hop of it" in output
    assert "cancelled_at_ms" in of_chain("c-1")


def test_a_chain_that_has_failed_may_still_be_cancelled(put, of_chain, carryon):
    """Its retries do not run then."""
    put("c-1", -1, status="failed", result="{}")

    assert carryon("cancel", "c-1", "--table", TABLE)[0] == 0
    assert "cancelled_at_ms" in of_chain("c-1")


def test_a_chain_that_has_finished_is_not_cancelled(put, of_chain, carryon):
    """Its result stays what it is."""
    put("c-1", -1, status="finished", result="1")

    status, output, errors = carryon("cancel", "c-1", "--table", TABLE)

    assert (status, output, errors) == (1, "", "carryon: chain c-1 has finished: there is nothing to cancel\n")
    assert "cancelled_at_ms" not in of_chain("c-1")


def test_a_result_is_printed_as_it_is(put, carryon):
    """On stdout, and nothing else."""
    put("c-1", 2, status="finished")
    put("c-1", -1, status="finished", result='{"primes": [2, 3]}')

    assert carryon("result", "c-1", "--table", TABLE) == (0, '{"primes": [2, 3]}\n', "")


def test_a_result_that_has_no_room_in_the_table_is_printed_too(make_function, table, services, carryon):
    """It lies in the bucket, and is the answer of the last hop."""
    services.client("s3").create_bucket(Bucket="parcels")
    function = make_function("work.wordy", env={**CHAIN, "CARRYON_BUCKET": "parcels"})
    function.send({"steps": 250, "bytes": 400_000})
    hops = function.wait_for_result()
    assert "result_bytes" in table.items()[-1]

    status, output, errors = carryon("result", hops[0].request_id, "--table", TABLE)

    assert (status, errors) == (0, "")
    assert json.loads(output) == hops[-1].answer == "x" * 400_000


@pytest.mark.parametrize(
    ("items", "status", "text"),
    [
        ([(-1, {"status": "failed", "result": '{"errorType": "ValueError"}'})], 1, 'has failed: {"errorType": "Val'),
        ([(1, {"status": "handed"}), (2, {"status": "sent"})], 3, "hop 2 has been sent and has not begun"),
        ([(1, {"status": "handed"})], 3, "hop 1 has handed over"),
        ([(1, {"status": "running", "lease_until_ms": 1})], 3, "hop 1 is running; its lease ended "),
        ([(1, {"status": "running"}), (-1, {"cancelled_at_ms": 1})], 3, "; it is cancelled"),
        ([(-1, {"cancelled_at_ms": 1})], 3, "cancelled before its first hand-over"),
        ([(-1, {"status": "finished", "result_bytes": 400_000, "result": "{}"})], 1, "400,000 bytes had no room"),
        ([], 1, "the table knows no chain c-1"),
    ],
)
def test_a_chain_without_a_result_says_where_it_stands(put, carryon, items, status, text):
    """On stderr; the exit status tells apart what has failed and what has not ended."""
    for hop, members in items:
        put("c-1", hop, **members)

    ran = carryon("result", "c-1", "--table", TABLE)

    assert ran[:2] == (status, "")
    assert text in ran[2]
    assert ran[2].count("\n") == 1


@pytest.mark.parametrize("command", ["cancel", "result"])
def test_a_table_that_is_not_there_is_named(services, carryon, command):
    """One line and exit status 1."""
    status, _, errors = carryon(command, "c-1", "--table", "missing")

    assert status == 1
    assert errors.startswith("carryon: An error occurred (ResourceNotFoundException)")
    assert errors.count("\n") == 1


def test_recover_leaves_to_itself_what_has_gone_on(put, services, carryon):
    """By the table: what has handed over is skipped and its record removed, what was cancelled is kept."""
    url, _ = services.queue("failed")
    arn = "arn:aws:lambda:us-east-1:000000000000:function:work"
    for chain in ("c-1", "c-2"):
        meta = {"v": 1, "chain": chain, "hop": 1, "cause": "time", "parent": chain, "started_at_ms": 1}
        context = {"functionArn": arn, "requestId": "r", "condition": "RetriesExhausted"}
        record = {"requestContext": context, "requestPayload": {"carryon": meta}}
        services.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(record))
    put("c-1", 1, status="handed")
    put("c-2", -1, cancelled_at_ms=1)

    status, output, errors = carryon("recover", url, "--table", TABLE)

    assert (status, errors) == (1, "")
    assert "skipped: chain c-1, hop 1: it has gone on from there (" in output
    assert "kept: chain c-2, hop 1: it has been cancelled (" in output
    assert services.count(url) == (1, 0)
