"""One hop after the other with a lease table, in environments of which each invocation is the test's own."""

import json
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.emulator import Emulator
from tests.support.functions import continuing
from tests.support.pace import seconds
from tests.support.processes import send, wait_until
from tests.support.runtimes import EDGES

from .conftest import ROOMY

FUNCTIONS = Path(__file__).resolve().parent / "functions"
TIMEOUT_S, LONG_S = seconds(4), seconds(20)


@pytest.fixture(name="table")
def _table(services):
    return services.table("leases")


@pytest.fixture(name="make")
def _make(newest_runtime, layer, lambda_api, services, table):
    """An environment `make(**settings)` of a function whose continuations the test receives."""
    with ExitStack() as stack:

        def make(timeout_s=TIMEOUT_S, runtime=newest_runtime, **settings):
            env = {
                "AWS_ENDPOINT_URL": services.url,
                "CARRYON_TABLE": table.name,
                **ROOMY,
                **settings,
            }
            env = continuing(lambda_api, **env)
            function = Emulator(runtime, FUNCTIONS, "guarded.handler", layer=layer, env=env, timeout_s=timeout_s)
            return stack.enter_context(function)

        yield make


def hop(number=1, chain="c", token=None, **event):
    """A hop's event as a continuation brings it."""
    meta = {"v": 1, "chain": chain, "hop": number, "cause": "time", "parent": "p", "started_at_ms": 1}
    if token:
        meta["token"] = token
    return json.dumps({"carryon": meta, **event}, separators=(",", ":")).encode()


def die_at_work(function):
    """Every process of the function is killed while it has the hop as "owner"."""
    running = function.begin(hop(do="run_on"), request_id="owner")
    function.wait_for_log("working")
    send(function.processes(), signal.SIGKILL)
    running.result()


def test_a_hop_is_recorded_before_it_is_sent_and_runs_with_its_token_alone(make, table, lambda_api):
    """The envelope has the record's token, its sender is handed over, and one with another token is told to wait."""
    function = make()
    first = function.invoke({"do": "run_on"}, request_id="chain-1")
    (call,) = lambda_api.accepted
    sent = table.items()
    old = function.invoke(hop(1, "chain-1", token="old", do="finish"))
    second = function.invoke(call.payload, request_id="second")
    third = function.invoke(lambda_api.accepted[-1].payload.replace(b"run_on", b"finish"), request_id="third")
    items = table.items()

    assert first.events == ["time_is_up", "continued"], first.log
    assert {number: item["status"] for number, item in sent.items()} == {1: "sent"}
    assert call.json["carryon"]["token"] == sent[1]["token"]
    assert old.error_type == "Carryon.Duplicate"
    assert second.events == ["resumed", "time_is_up", "continued"], second.log
    assert third.json == {"made": "it"}
    assert {number: (item["status"], item.get("owner")) for number, item in items.items()} == {
        -1: ("finished", None),
        1: ("handed", "second"),
        2: ("finished", "third"),
    }
    assert items[-1]["result"] == '{"made": "it"}'
    assert all(item["expires_at"] * 1000 > item.get("ended_at_ms", 0) for item in items.values())


def test_a_second_delivery_waits_for_the_first_and_then_has_its_answer(make, tmp_path):
    """It fails under the live lease, so that it comes again; what is finished is answered, and not done again."""
    owner, other = make(timeout_s=LONG_S), make(timeout_s=LONG_S)
    event = hop(do="wait_for_mark", mark=str(tmp_path / "mark"))
    running = owner.begin(event, request_id="owner")
    owner.wait_for_log("working")
    early = other.invoke(event, request_id="other")
    (tmp_path / "mark").touch()
    first = running.result()
    late = other.invoke(event, request_id="other")

    assert early.error_type == "Carryon.Duplicate"
    assert "owner" in early.json["errorMessage"]
    assert first.json == late.json == "waited"
    assert early.events == late.events == ["duplicate"]
    assert late.lines[0]["carryon"]["status"] == "finished"
    assert "working" not in other.log


def test_a_delivery_after_the_hand_over_has_the_answer_of_the_first(make, lambda_api, table):
    """Also where its owner died before it could say that it had handed over: the next hop has begun."""
    function = make()
    first = function.invoke(hop(do="run_on"), request_id="owner")
    again = function.invoke(hop(do="run_on"), request_id="other")
    function.invoke(lambda_api.accepted[0].payload.replace(b"run_on", b"finish"))
    table.set("c", 1, status="running", lease_until_ms=1)
    retry = function.invoke(hop(do="run_on"), request_id="owner")

    assert first.json["carryon"]["continued"] is True
    assert again.json == retry.json == first.json
    assert again.events == retry.events == ["duplicate"]
    assert len(lambda_api.accepted) == 1


def test_lambdas_retry_takes_its_hop_over_at_once(make, table):
    """The process that had it under the same request id is dead."""
    dead, function = make(), make()
    die_at_work(dead)
    other = function.invoke(hop(do="finish"), request_id="other")
    retry = function.invoke(hop(do="finish"), request_id="owner")

    assert other.error_type == "Carryon.Duplicate"
    assert retry.json == {"made": "it"}
    assert table.items()[1]["attempt"] == 2


def test_a_hop_whose_owner_died_is_anybodys_when_its_lease_ends(make, table):
    """Not before: it might be alive."""
    dead, function = make(), make()
    die_at_work(dead)
    early = function.invoke(hop(do="finish"), request_id="other")
    table.set("c", 1, lease_until_ms=1)
    late = function.invoke(hop(do="finish"), request_id="other")

    assert early.error_type == "Carryon.Duplicate"
    assert late.json == {"made": "it"}
    assert table.items()[1]["owner"] == "other"


@pytest.mark.parametrize("ends", ["run_on", "wait_for_mark"])
def test_an_environment_frozen_past_its_lease_can_neither_hand_over_nor_finish(make, table, lambda_api, tmp_path, ends):
    """Thawed, it finds the hop another's; the chain goes on and ends with that one alone."""
    frozen, function = make(timeout_s=seconds(6)), make()
    event = hop(do=ends, mark=str(tmp_path / "mark"))
    running = frozen.begin(event, request_id="frozen")
    frozen.wait_for_log("working")
    stopped = frozen.freeze()
    table.set("c", 1, lease_until_ms=1)
    taken = function.invoke(hop(do="finish"), request_id="other")
    (tmp_path / "mark").touch()
    frozen.thaw(stopped)
    result = running.result()
    items = table.items()

    assert taken.json == {"made": "it"}
    assert result.error_type == "Carryon.Duplicate"
    assert result.events[-1] == "duplicate"
    assert result.events.count("duplicate") == 1
    assert "taken over by other" in result.json["errorMessage"]
    assert lambda_api.calls == []
    assert (items[1]["owner"], items[-1]["result"]) == ("other", '{"made": "it"}')


@pytest.mark.parametrize("way", ["hang", "die"])
def test_a_hand_over_by_the_supervisor_is_recorded_as_any_other(make, table, lambda_api, way):
    """Rescued from a process that is stuck, or carried on from one that died: the lease is the same."""
    function = make(CARRYON_ON_CRASH="continue")
    result = function.invoke(hop(do=way), request_id="owner")
    (call,) = lambda_api.accepted
    # The courier writes that down after the answer.
    wait_until(lambda: table.items()[1]["status"] == "handed", 10, "it is not recorded")
    items = table.items()
    again = function.invoke(hop(do=way), request_id="other")
    last = function.invoke(call.payload.replace(way.encode(), b"finish"), request_id="last")

    assert result.json["carryon"]["continued"] is True, result.log
    assert call.json["carryon"]["token"] == items[2]["token"]
    assert {number: item["status"] for number, item in items.items()} == {1: "handed", 2: "sent"}
    assert again.json == result.json
    assert last.json == {"made": "it"}
    assert {number: item["status"] for number, item in table.items().items()} == {
        -1: "finished",
        1: "handed",
        2: "finished",
    }


def test_a_request_that_was_not_answered_is_sent_again(make, table, lambda_api):
    """Both may arrive: the successor begins once."""
    function, another = make(), make(timeout_s=LONG_S)
    lambda_api.reset_after_reading(times=1)
    result = function.invoke({"do": "run_on"})
    lost, accepted = lambda_api.accepted
    running = function.begin(lost.payload, request_id="first")
    function.wait_for_log("working(?s:.*)working")
    duplicate = another.invoke(accepted.payload, request_id="second")

    assert result.events == ["time_is_up", "continued"], result.log
    assert lost.payload == accepted.payload
    assert duplicate.error_type == "Carryon.Duplicate"
    assert running.result().events[-1] == "continued"
    assert "working" not in another.log


def test_a_sender_whose_request_was_never_answered_sends_anew_when_it_is_repeated(make, table, lambda_api):
    """It cannot know what arrived; what it sent first is refused from then on."""
    function = make()
    lambda_api.hang(times=9)
    failed = function.invoke(hop(do="run_on"), request_id="owner")
    first = lambda_api.calls[0]
    lambda_api.recover()
    repeated = function.invoke(hop(do="run_on"), request_id="owner")
    last = lambda_api.accepted[-1]
    refused = function.invoke(first.payload.replace(b"run_on", b"finish"))
    finished = function.invoke(last.payload.replace(b"run_on", b"finish"))

    assert failed.error_type == "Carryon.DeliveryFailed"
    assert "delivery_failed" in failed.events
    assert repeated.events[-1] == "continued"
    assert first.json["carryon"]["token"] != last.json["carryon"]["token"]
    assert refused.error_type == "Carryon.Duplicate"
    assert finished.json == {"made": "it"}


def test_a_cancelled_chain_ends_at_its_next_hop(make, table, carryon):
    """With an error of its own, which the chain's item has as well; the handler is not called."""
    function = make()
    assert carryon("cancel", "c", "--table", table.name)[0] == 0
    result = function.invoke(hop(do="finish"))
    items = table.items()

    assert result.error_type == "Carryon.Cancelled"
    assert result.events == ["cancelled"]
    assert "working" not in function.log
    assert list(items) == [-1]
    assert json.loads(items[-1]["result"])["errorType"] == "Carryon.Cancelled"


def test_a_failure_is_recorded_and_may_be_repeated_by_anybody(make, table):
    """The chain's item says how it failed until a repetition ends well."""
    function = make()
    result = function.invoke(hop(do="fail"), request_id="owner")
    failed = table.items()
    again = function.invoke(hop(do="finish"), request_id="other")
    items = table.items()

    assert result.error_type == "ValueError"
    assert (failed[1]["status"], failed[-1]["status"]) == ("failed", "failed")
    assert json.loads(failed[-1]["result"]) == {"errorType": "ValueError", "errorMessage": "not today"}
    assert again.json == {"made": "it"}
    assert (items[1]["status"], items[-1]["status"], items[-1]["result"]) == ("finished", "finished", '{"made": "it"}')


def test_a_chain_that_cannot_go_on_is_recorded_as_failed(make, table):
    """Its limit of hops is as good an end as an error of its own, stuck or not."""
    function = make(CARRYON_MAX_HOPS="1")
    results = [function.invoke(hop(chain=do, do=do)) for do in ("run_on", "hang")]
    items = [table.items(do)[-1] for do in ("run_on", "hang")]

    assert [result.error_type for result in results] == ["Carryon.HopLimit"] * 2
    assert [item["status"] for item in items] == ["failed"] * 2
    assert [json.loads(item["result"])["errorType"] for item in items] == ["Carryon.HopLimit"] * 2


def test_a_chain_that_the_function_continues_itself_is_not_recorded_as_finished(make, table, lambda_api):
    """What it has sent has the work; this hop's answer is no result."""
    function = make()
    continued = function.invoke(hop(do="invoke_itself"), request_id="owner")

    assert "continued_itself" in continued.events
    assert len(lambda_api.calls) == 1
    assert [item["status"] for item in table.items().values()] == ["running"]


def test_a_result_that_has_no_room_in_the_table_leaves_its_size_there(make, table):
    """The hop's own caller has it all the same."""
    function = make()
    result = function.invoke(hop(do="large", size=400_000))
    again = function.invoke(hop(do="large", size=400_000), request_id="other")

    assert result.json == "x" * 400_000
    assert json.loads(table.items()[-1]["result"]) == {"bytes": 400_002}
    assert again.json is None


def test_a_result_that_has_no_room_goes_into_the_bucket(make, table, services):
    """The chain's item says where it is."""
    s3 = services.client("s3")
    s3.create_bucket(Bucket="results")
    function = make(CARRYON_BUCKET="results")
    function.invoke(hop(do="large", size=400_000))
    place = json.loads(table.items()[-1]["result"])["parcel"]

    kept = s3.get_object(Bucket=place["bucket"], Key=place["key"], IfMatch=place["etag"])["Body"].read()
    assert json.loads(kept) == "x" * 400_000


def test_hop_0_writes_nothing_unless_it_is_guarded_too(make, table):
    """With CARRYON_TABLE_ALWAYS=1 an event that Lambda delivers twice is answered, not run, a second time."""
    function, guarded = make(), make(timeout_s=LONG_S, CARRYON_TABLE_ALWAYS="1")
    function.invoke({"do": "finish"})
    nothing = table.items()
    results = [guarded.invoke({"do": "finish", "what": what}, request_id="r") for what in ("this", "that")]
    other = guarded.invoke({"do": "finish", "what": "that"}, request_id="other")
    own = guarded.invoke({"carryon": "the function's own", "do": "finish"}, request_id="own")

    assert nothing == {}
    assert [result.json for result in results] == [{"made": "this"}] * 2
    assert [result.events for result in results] == [[], ["duplicate"]]
    assert other.json == {"made": "that"}
    assert own.json == {"made": "it"}
    assert {number: item["status"] for number, item in table.items("own").items()} == {-1: "finished", 0: "finished"}


def test_a_table_that_is_lost_at_the_end_takes_nothing_from_the_answer(make, faulty, tmp_path):
    """The work is done; a line says that the table does not know."""
    function = make(timeout_s=seconds(8), AWS_ENDPOINT_URL_DYNAMODB=faulty.url)
    running = function.begin(hop(do="wait_for_mark", mark=str(tmp_path / "mark")))
    function.wait_for_log("working")
    faulty.always = "fail"
    (tmp_path / "mark").touch()
    result = running.result()

    assert result.json == "waited"
    assert result.events == ["resumed", "completed", "not_recorded"]


def test_a_table_that_is_lost_before_the_hand_over_keeps_the_work_with_lambda(make, faulty, lambda_api):
    """Nothing is sent of which nobody knows, and the invocation fails so that it comes again."""
    function = make(AWS_ENDPOINT_URL_DYNAMODB=faulty.url)
    running = function.begin(hop(do="run_on"))
    function.wait_for_log("working")
    faulty.always = "fail"
    result = running.result()
    faulty.always = None
    again = function.invoke(hop(do="finish"), request_id=result.request_id)

    assert result.error_type == "Carryon.DeliveryFailed", result.log
    assert "leases cannot be told who carries on" in result.json["errorMessage"]
    assert lambda_api.calls == []
    assert again.json == {"made": "it"}


def test_throttles_of_the_table_pass_within_the_time_there_is(make, faulty, table):
    """At the start, at the hand-over and at the end."""
    function = make(timeout_s=seconds(8), AWS_ENDPOINT_URL_DYNAMODB=faulty.url)
    faulty.plan("throttle", "fail", "passed", "fail", "lost", "passed", "throttle", "lost")
    result = function.invoke(hop(do="finish"))

    assert result.json == {"made": "it"}, result.log
    assert table.items()[1]["status"] == "finished"


def test_the_courier_stays_for_the_next_hop(make):
    """The first hop of an environment pays for its start, the others do not; an ordinary invocation starts none."""
    function = make()
    function.invoke({"do": "finish"})
    before = function.processes()
    after = []
    for number in (1, 2):
        function.invoke(hop(do="finish", chain=str(number)))
        after.append(function.processes())

    assert len(before) == 2
    assert len(after[0]) == 3
    assert after[0] == after[1]


def test_a_replaced_process_touches_nothing_of_the_function_before_the_hop_is_its_own(make, table):
    """It asks for its event before it imports the function, and for a hop of another's it never does."""
    function = make()
    function.invoke({"do": "hang"})
    table.set("c", 1, status="running", owner="other", attempt=1, lease_until_ms=1 << 50)
    refused = function.invoke(hop(do="finish"))
    table.set("c", 1, lease_until_ms=1)
    opened = function.invoke(hop(do="finish"))

    assert refused.error_type == "Carryon.Duplicate"
    assert "imported" not in refused.log
    assert opened.json == {"made": "it"}, opened.log
    assert "imported" in opened.log
    assert opened.events == ["resumed", "completed"]


@pytest.mark.parametrize("runtime", [runtime for runtime in EDGES if runtime.client.startswith("3.")], ids=str)
def test_a_hop_is_guarded_without_a_supervisor_too(make, table, lambda_api, runtime, tmp_path):
    """The runtime process asks the table itself, as it delivers itself."""
    # The emulator takes the variable for its own, and this runtime client for nobody's.
    wrapper = tmp_path / "wrapper"
    wrapper.write_text('#!/bin/sh\nAWS_LAMBDA_MAX_CONCURRENCY=1 exec "$@"\n')
    wrapper.chmod(0o755)
    function = make(timeout_s=seconds(8), runtime=runtime, CARRYON_NEXT_WRAPPER=str(wrapper))
    function.invoke({"do": "finish"})
    assert len(function.processes()) == 1
    handed = function.invoke(hop(do="run_on"), request_id="owner")
    again = function.invoke(hop(do="run_on"), request_id="other")
    last = function.invoke(lambda_api.accepted[-1].payload.replace(b"run_on", b"finish"))

    assert handed.events[-1] == "continued", handed.log
    assert again.json == handed.json
    assert last.json == {"made": "it"}
    assert {number: item["status"] for number, item in table.items().items()} == {
        -1: "finished",
        1: "handed",
        2: "finished",
    }
