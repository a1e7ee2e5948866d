"""`carryon stop` and `carryon start`."""

import pytest

TAG = "carryon:reserved-concurrency"


@pytest.fixture
def run(carryon):
    """Run a command; returns its exit status and what it printed."""

    def run(*arguments):
        status, output, errors = carryon(*arguments)
        return status, output + errors

    return run


@pytest.fixture
def reserved(services):
    """Reads and sets the reserved concurrency of a function, None for none."""
    client = services.client("lambda")

    def reserved(function, *value):
        if value:
            client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=value[0])
        return client.get_function_concurrency(FunctionName=function.name).get("ReservedConcurrentExecutions")

    return reserved


@pytest.mark.parametrize(("before", "words"), [(None, "unreserved"), (7, "7")])
def test_stopped_twice_and_started_it_is_as_before(make_function, reserved, run, services, before, words):
    """The second stop does not forget the first value; the second start says that there is nothing to do."""
    function = make_function("work.count")
    if before:
        reserved(function, before)

    for _ in range(2):
        status, output = run("stop", function.name)
        assert status == 0
        assert f"{function.name} is stopped; its reserved concurrency was {words}\n" in output
        assert (
            "it has no on-failure destination and no dead-letter queue: what waits or is still sent is LOST" in output
        )
        assert reserved(function) == 0

    status, output = run("start", function.arn)
    assert (status, output) == (0, f"{function.name} is started; its reserved concurrency is {words} again\n")
    assert reserved(function) == before
    assert services.client("lambda").list_tags(Resource=function.arn)["Tags"] == {}

    status, output = run("start", function.name)
    assert (status, output) == (0, f"{function.name} is not stopped; its reserved concurrency is {words}\n")


def test_a_stopped_function_says_where_its_events_go(make_function, services, run):
    """The on-failure destination is named."""
    _, arn = services.queue("failed")
    function = make_function("work.count", on_failure=arn)

    status, output = run("stop", function.name)

    assert status == 0
    assert f"what waits or is still sent goes to {arn}\n" in output


def test_a_chain_that_is_stopped_can_go_on_later(make_function, services, run):
    """The hop that runs ends, its continuation goes to the queue; started and recovered, the chain comes to its end."""
    url, arn = services.queue("failed")
    function = make_function("work.count", env={"CARRYON_TO": "self", "CARRYON_STATE": "steps"}, on_failure=arn)
    function.send({"steps": 250})
    function.wait_until(lambda invocations: len(invocations) == 1)

    assert run("stop", function.name)[0] == 0
    function.wait_until(lambda _: services.count(url) == (1, 0))
    # The continuation may be in the queue before the hop has said so.
    function.wait_until(lambda hops: [hop.events for hop in hops] == [["time_is_up", "continued"]])

    assert run("start", function.name)[0] == 0
    assert run("recover", url)[0] == 0
    hops = function.wait_for_result()
    assert hops[1].event["carryon"]["hop"] == 1
    assert hops[-1].answer == {"steps": 250}


def test_what_something_else_has_stopped_is_left_alone(make_function, reserved, run):
    """Nothing is remembered, so nothing is given back."""
    function = make_function("work.count")
    reserved(function, 0)

    status, output = run("stop", function.name)
    assert (status, output) == (0, f"{function.name} had been stopped before, not by this command: it stays as it is\n")

    status, output = run("start", function.name)
    assert status == 1
    assert "was not stopped by `carryon stop`" in output
    assert reserved(function) == 0


def test_a_tag_that_makes_no_sense_is_named(make_function, services, reserved, run):
    """Rather than a concurrency that nobody has set."""
    function = make_function("work.count")
    services.client("lambda").tag_resource(Resource=function.arn, Tags={TAG: "many"})

    status, output = run("start", function.name)

    assert status == 1
    assert f"the tag {TAG} of {function.name} says 'many': make it a number or 'none'" in output
    assert reserved(function) is None


@pytest.mark.parametrize("command", ["stop", "start"])
def test_a_function_that_is_not_there_is_named(run, command):
    """One line and exit status 1."""
    status, output = run(command, "missing")

    assert status == 1
    assert output.startswith("carryon: An error occurred (ResourceNotFoundException) when calling the GetFunctionConf")
    assert output.count("\n") == 1
