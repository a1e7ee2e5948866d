"""The runtime API refuses an answer of the supervisor's: a process whose work goes on elsewhere does not go on."""

import pytest

from tests.support.emulator import Emulator
from tests.support.functions import FUNCTIONS, continuing
from tests.support.processes import wait_until
from tests.support.runtime_api import RuntimeApi


@pytest.fixture(name="runtime_api")
def _runtime_api():
    with RuntimeApi() as api:
        yield api


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "InvalidRequestID"),
        (400, "SomethingElse"),
        (403, "InvalidStateTransition"),
        (413, "RequestEntityTooLarge"),
        (500, "InternalServerError"),
    ],
)
def test_a_process_whose_successor_was_accepted_never_goes_on(
    status, kind, newest_runtime, layer, lambda_api, runtime_api, tmp_path
):
    """Whatever is said of the answer: another process serves the next invocation, and the old one does nothing more."""
    runtime_api.refuse = lambda _, body: (status, kind) if b'"continued"' in body else None
    env = continuing(lambda_api, CARRYON_NEXT_WRAPPER=runtime_api.wrapper(tmp_path))
    with Emulator(newest_runtime, FUNCTIONS, "work.handler", layer=layer, env=env, timeout_s=2) as function:
        runtime_api.upstream = function.runtime_port
        before = function.invoke({"do": "finish"})
        stuck = function.invoke({"do": "swallow"})
        after = [function.invoke({"do": "finish"}) for _ in range(2)]

    assert len(lambda_api.accepted) == 1
    assert stuck.json["carryon"]["continued"] is True
    assert stuck.events == ["rescued", "continued"]
    assert before.json["pid"] != after[0].json["pid"] == after[1].json["pid"]
    assert [status for _, body, status in runtime_api.posts if b'"continued"' in body] == [status]


def test_a_process_that_has_answered_by_itself_goes_on(edge_runtime, layer, lambda_api, runtime_api, tmp_path):
    """It was stopped while it waited for the runtime API, which then refuses the supervisor's answer."""
    answers = []

    def be_late(_, body, status):
        if b'"continued"' in body:
            answers.append(status)
            if len(answers) == 1:
                wait_until(lambda: len(answers) == 2, 20, "nobody else has answered")

    runtime_api.before_answer = be_late
    env = continuing(lambda_api, CARRYON_NEXT_WRAPPER=runtime_api.wrapper(tmp_path), CARRYON_PROCESS="keep")
    with Emulator(edge_runtime, FUNCTIONS, "work.handler", layer=layer, env=env, timeout_s=2) as function:
        runtime_api.upstream = function.runtime_port
        before = function.invoke({"do": "finish"})
        stopped = function.invoke({"do": "clean_up"})
        after = [function.invoke({"do": "finish"}) for _ in range(2)]

    assert answers == [202, 403]
    assert len(lambda_api.accepted) == 1
    assert stopped.json["carryon"]["continued"] is True
    assert before.json["pid"] == after[0].json["pid"] == after[1].json["pid"]
