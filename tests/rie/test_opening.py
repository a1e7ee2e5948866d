"""The start of a hop that has to be opened: by the courier, before the handler or its module is touched."""

import json
import os
import signal
import socket
import time

import pytest

from tests.support.emulator import Emulator
from tests.support.functions import FUNCTIONS, continuing
from tests.support.processes import wait_until

AS_SENT = (",", ":")
ENCODED_ANEW = (", ", ": ")


def envelope(separators=AS_SENT, **members):
    """An event as a continuation brings it."""
    meta = {"v": 1, "chain": "c", "hop": 1, "cause": "time", "parent": "p", "started_at_ms": 1}
    return json.dumps({"carryon": meta, "do": "echo", **members}, separators=separators).encode()


@pytest.fixture(name="table_url")
def _table_url():
    """A table that takes requests and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture(name="make")
def _make(newest_runtime, layer, lambda_api, table_url):
    """A function `make(**settings)` with that table."""

    def make(handler="work.handler", timeout_s=3, **settings):
        env = {"CARRYON_TABLE": "leases", "AWS_ENDPOINT_URL_DYNAMODB": table_url, **settings}
        env = continuing(lambda_api, **env)
        return Emulator(newest_runtime, FUNCTIONS, handler, layer=layer, env=env, timeout_s=timeout_s)

    return make


def failed(result):
    """The invocation failed so that Lambda repeats it, and nothing of the function ran."""
    assert result.error_type == "Carryon.OpeningFailed", result.log
    assert result.events == ["opening_failed"]
    assert "stackTrace" not in result.json or not result.json["stackTrace"]
    return result.json["errorMessage"]


def courier_of(function):
    """The courier's process id, once there is one."""
    return wait_until(lambda: (function.processes()[2:] or [None])[0], 10, "no courier")


def test_a_table_that_does_not_answer_fails_the_hop_in_time(make):
    """Time is left for Lambda to hear of it, and the environment serves what comes next; its courier stays for that."""
    with make() as function:
        result = function.invoke(envelope())
        before = function.processes()
        following = function.invoke({"do": "echo"})
        after = function.processes()

    assert len(before) == 3
    assert before == after
    assert "no answer from the table leases" in failed(result)
    assert not result.timed_out
    assert following.json == {"do": "echo"}
    assert function.leftovers == []


def test_a_table_that_cannot_be_reached_fails_the_hop(make):
    """With the cause, and for an envelope that was encoded anew on its way as well."""
    with make(AWS_ENDPOINT_URL_DYNAMODB="http://127.0.0.1:9") as function:
        results = [function.invoke(envelope(separators)) for separators in (AS_SENT, ENCODED_ANEW)]

    for result in results:
        failed(result)


def test_a_courier_that_dies_while_it_opens_fails_the_hop_at_once(make):
    """It is not waited for until its time is over, and the next hop gets another one."""
    with make(timeout_s=20) as function:
        running = function.begin(envelope())
        courier = courier_of(function)
        os.kill(courier, signal.SIGKILL)
        result = running.result()
        running = function.begin(envelope())
        another = courier_of(function)
        os.kill(another, signal.SIGKILL)
        following = running.result()

    failed(result)
    assert result.seconds < 10
    assert another != courier
    failed(following)


def test_an_ordinary_invocation_starts_no_courier(make):
    """Nothing is asked of a table that cannot answer."""
    with make() as function:
        result = function.invoke({"do": "echo"})
        processes = function.processes()

    assert (result.json, result.log) == ({"do": "echo"}, "")
    assert len(processes) == 2


def test_a_hop_that_was_frozen_while_it_was_opened_does_not_begin_late(make):
    """By then it may be another's."""
    with make(CARRYON_MARGIN="300ms") as function:
        function.invoke({"do": "echo"})
        began = time.time()
        running = function.begin(envelope())
        courier_of(function)
        stopped = function.freeze()
        wait_until(lambda: time.time() > began + 2.3, 5, "time does not pass")
        function.thaw(stopped)
        result = running.result()
        following = function.invoke({"do": "echo"})

    failed(result)
    assert following.json == {"do": "echo"}
