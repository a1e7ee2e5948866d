"""A function whose state is captured before its alarm sees nothing of it."""

import json

import pytest

from tests.unit import programs


@pytest.fixture(name="run")
def _run(python, tmp_path):
    """Runs a case by each Python; returns answer, signals and captures of each of three invocations."""

    def run(case):
        seen = json.loads(programs.run(python, "traced.py", case, task_root=tmp_path, timeout_s=120))
        assert seen["left"] == [False, [], 1]
        return seen["answers"]

    return run


def test_no_variable_of_another_thread_is_set_back(run):
    """A trace function sets a frame's variables to what they were before it, the `nonlocal` ones too."""
    assert [answer for answer, _, _ in run("shared")] == [0] * 3


@pytest.mark.parametrize("case", ["deleted", "passed_on"])
def test_what_the_function_deletes_is_gone(case, run):
    """A frame that was asked for its locals would keep them until it ends, before Python 3.13."""
    answers = run(case)

    assert [answer for answer, _, _ in answers] == [0] * 3
    # It was looked at.
    assert min(captures for _, _, captures in answers) > 20


def test_whoever_begins_to_trace_goes_on(run):
    """Also where that was while a trace function of ours was at work."""
    assert [answer for answer, _, _ in run("tracing")] == [True] * 3


def test_who_looks_at_each_call_sees_one_signal_at_most(run):
    """The process is not asked again in that invocation."""
    assert {sent for _, sent, _ in run("profiling")} == {1}


def test_what_the_function_keeps_of_its_locals_stays(run):
    """The dict that `locals()` has given belongs to it."""
    assert [answer for answer, _, _ in run("locals_kept")] == [[1, True]] * 3
