"""Without a target: Lambda's own retries and on-failure queue keep the work."""


def test_lambda_repeats_what_ran_out_of_time(make_function, tmp_path):
    """Carryon.TimeIsUp is an error in Lambda's sense: the event comes again, unchanged, and can succeed."""
    function = make_function("work.patient", retries=1)
    event = {"mark": str(tmp_path / "mark")}

    function.send(event)
    first, second = function.wait_for(2)

    assert first.answer["errorType"] == "Carryon.TimeIsUp"
    assert first.events == ["time_is_up"]
    assert (second.event, second.answer) == (event, "second attempt")


def test_what_never_fits_ends_in_the_queue(make_function, services):
    """After the last retry the on-failure queue holds the original event and the error."""
    url, arn = services.queue("failed")
    function = make_function("work.count", retries=1, on_failure=arn)

    function.send({"steps": 6000})
    kept = services.receive(url)

    assert kept["requestPayload"] == {"steps": 6000}
    assert kept["responsePayload"]["errorType"] == "Carryon.TimeIsUp"
    assert len(function.invocations) == 2


def test_a_function_that_is_in_time_is_invoked_once(make_function):
    """Nothing of Carry On's is seen in the event, the answer or the log."""
    function = make_function("work.count", env={"CARRYON_TO": "self", "CARRYON_STATE": "steps"})

    assert function.call({"steps": 3}) == (None, {"steps": 3})
    (only,) = function.invocations
    assert only.event == {"steps": 3}
    assert only.log == ""
