"""Dockerfile.test as a person would use it, and the places in which a container is stricter than Lambda."""

import concurrent.futures
import json

PYTHON = "/var/lang/bin/python3"
SUPERVISED = "/opt/python/carryon/launch.py"

# Everything is allowed but memfd_create, which answers as it does under a profile that has not heard of it.
NO_MEMFD = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [{"names": ["memfd_create"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}],
}

AS_IN_LAMBDA = {
    "user": "993:990",
    "read_only": True,
    "tmpfs": {"/tmp": "size=512m"},
    "mem_limit": "256m",
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
}

CONTINUED = {
    "CARRYON_TO": "self",
    "AWS_ENDPOINT_URL_LAMBDA": "http://127.0.0.1:9100",
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
}


def test_a_function_in_an_image_is_told_before_its_timeout_and_cleans_up(start):
    """The handler's finally runs, the answer names TimeIsUp, and one line says where the function was."""
    function = start()

    answer = function.invoke({"seconds": 60})

    line = function.line("time_is_up")
    assert answer["errorType"] == "Carryon.TimeIsUp"
    assert line["level"] == "WARN"
    assert line["carryon"]["hop"] == 0
    assert "function.py" in line["carryon"]["stopped_at"][0]
    assert function.log().index("cleaned up") < function.log().index('"time_is_up"')


def test_the_next_invocation_is_served_by_the_same_process(start):
    """Running out of time between two turns of a loop costs nothing that the function had in memory."""
    function = start()
    before = function.invoke({})

    function.invoke({"computes": True})

    after = function.invoke({})
    assert SUPERVISED in before["parent"]
    assert (before["process"], 3) == (after["process"], after["invocations"])
    assert function.line("time_is_up") in function.lines()
    assert len(function.lines()) == 1


def test_a_function_in_time_gets_no_line(start):
    """What does not run out of time leaves nothing of Carry On in the log."""
    function = start()

    assert function.invoke({})["invocations"] == 1
    function.wait_for("REPORT RequestId")
    assert function.lines() == []


def test_without_the_layer_the_same_function_is_killed(start):
    """CARRYON_DISABLED=1 leaves the bare runtime: no supervisor, no clean-up, the platform's timeout."""
    function = start(environment={"CARRYON_DISABLED": "1"})

    parent = function.invoke({})["parent"]
    answer = function.invoke({"seconds": 60})

    assert SUPERVISED not in parent
    assert "Task timed out" in str(answer)
    function.wait_for("Sending SIGKILL")
    assert function.log().count("cleaned up") == 1
    assert function.lines() == []


def test_an_ordinary_user_on_a_read_only_disk_is_enough(start):
    """As in Lambda: no root, nothing to write but /tmp, no capabilities, 256 MB."""
    function = start(**AS_IN_LAMBDA)

    before = function.invoke({})
    answer = function.invoke({"seconds": 60})

    assert before["user"] == 993
    assert SUPERVISED in before["parent"]
    assert answer["errorType"] == "Carryon.TimeIsUp"
    # Interrupted in a wait, the process is replaced.
    assert function.invoke({})["process"] != before["process"]


def test_a_function_that_takes_all_memory_hears_so_and_is_replaced(start):
    """The kernel kills it without a word: the error has the limit and how much of it was in use."""
    environment = {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256"}
    function = start(environment=environment, **AS_IN_LAMBDA, memswap_limit="256m")

    before = function.invoke({})
    answer = function.invoke({"takes": "all memory"})
    after = function.invoke({})

    assert answer["errorType"] == "Runtime.ExitError"
    assert answer["errorMessage"].endswith("Runtime exited with error: signal: killed")
    known = answer["carryon"]
    assert known["signal"] == "SIGKILL"
    assert 230 < known["peak_memory_mb"] <= 256
    assert known["memory_limit_mb"] == 256
    assert f"the process had {known['peak_memory_mb']} MB of 256 MB in use at its peak" in known["hint"]
    assert function.line("crashed")["carryon"]["hint"] == known["hint"]
    assert after["invocations"] == 1
    assert after["parent"] == before["parent"]


def test_the_work_goes_on_in_a_new_invocation(start):
    """In the same narrow container the courier finds the image's boto3 and delivers one continuation."""
    function = start(environment=CONTINUED, **AS_IN_LAMBDA)
    # The container's own loopback address is the only one that the function can reach.
    api = start(
        PYTHON,
        "/var/task/endpoint.py",
        entrypoint=[],
        network_mode=f"container:{function.container.id}",
        ports=None,
    )
    api.wait_for("ready")

    answer = function.invoke({"seconds": 60})

    assert answer["carryon"]["continued"] is True
    assert function.line("continued")["carryon"]["hop"] == 0
    api.wait_for("/invocations")
    (request,) = api.log().splitlines()[1:]
    envelope = json.loads(request.partition(" ")[2])
    assert (envelope["seconds"], envelope["carryon"]["hop"]) == (60, 1)


def test_memfd_create_is_not_needed(start):
    """Under a seccomp profile that denies it everything works as ever, with a supervisor and without a warning."""
    function = start(security_opt=[f"seccomp={json.dumps(NO_MEMFD)}"])

    before = function.invoke({})
    answer = function.invoke({"seconds": 60})

    assert before["memfd"] == "Operation not permitted"
    assert SUPERVISED in before["parent"]
    assert answer["errorType"] == "Carryon.TimeIsUp"
    assert function.line("time_is_up")
    assert function.lines("stepped_aside") == []


def test_where_fork_is_refused_the_watchdog_works_alone(start):
    """In a container that is full when the runtime starts: one warning, no supervisor, and the alarm all the same."""
    function, (stopped, after) = invoke_in_full_container(start, [{"seconds": 60}, {}])

    warning = function.line("stepped_aside")
    assert warning["level"] == "WARN"
    assert "supervisor could not be started" in warning["carryon"]["reason"]
    assert stopped["errorType"] == "Carryon.TimeIsUp"
    assert function.line("time_is_up")
    assert function.log().index("cleaned up") < function.log().index('"time_is_up"')
    assert (after["parent"], after["invocations"]) == ([], 2)


def test_where_fork_is_refused_the_work_goes_on_all_the_same(start):
    """Without a supervisor there is no courier, and the function's own process delivers the continuation."""
    # Nothing is imported ahead of time here, so the margin has to be enough for boto3 as well.
    environment = {**CONTINUED, "CARRYON_MARGIN": "2500ms"}

    function, (answer,) = invoke_in_full_container(start, [{"seconds": 60}], environment)

    assert answer["carryon"]["continued"] is True
    assert function.line("continued")
    assert len(function.lines("stepped_aside")) == 1


def invoke_in_full_container(start, events, environment=None):
    """Invoke the function where fork is refused; returns it, and its answers.

    The emulator needs threads of its own, so it sits in a container of its own, and so does the Lambda API. All three
    share the emulator's loopback address.
    """
    emulator = start(
        entrypoint=["/usr/local/bin/aws-lambda-rie", PYTHON, "-c", "import signal; signal.pause()"],
        environment={"AWS_LAMBDA_FUNCTION_TIMEOUT": "6"},
    )
    beside = {"entrypoint": [], "network_mode": f"container:{emulator.container.id}", "ports": None}
    api = start(PYTHON, "/var/task/endpoint.py", **beside)
    api.wait_for("ready")
    with concurrent.futures.ThreadPoolExecutor() as caller:
        answers = caller.submit(lambda: [emulator.invoke(event) for event in events])
        # Only from here on does it serve a runtime.
        emulator.wait_for("INIT START")
        function = start(
            PYTHON,
            "/var/task/crowded.py",
            "/lambda-entrypoint.sh",
            "crowded.handler",
            environment={"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001", **(environment or {})},
            pids_limit=32,
            **beside,
        )
        return function, answers.result()
