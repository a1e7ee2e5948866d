"""Setting up: a line a step, and what a step itself says only where it helps."""

import sys

import pytest

from tests.support.runtimes import ROOT


@pytest.fixture
def prepare(monkeypatch):
    """tools/prepare.py as a module."""
    monkeypatch.syspath_prepend(ROOT / "tools")
    import prepare

    yield prepare
    del sys.modules["prepare"]


def step(status):
    """A step whose command says something and ends with that status."""
    program = f"import sys; print('noise'); print('more noise', file=sys.stderr); sys.exit({status})"
    return [sys.executable, "-c", program]


def test_a_step_that_succeeds_is_quiet(prepare, monkeypatch, capfd):
    """Warnings of pip and of build tools are nothing that a reader could act on."""
    monkeypatch.setattr(prepare, "make_ministack", lambda: prepare._run(step(0)))

    assert prepare.main(["ministack"]) == 0
    assert capfd.readouterr() == ("", "")


def test_a_step_that_fails_shows_what_it_said(prepare, monkeypatch, capfd):
    """All of it, and which part could not be set up."""
    monkeypatch.setattr(prepare, "make_ministack", lambda: prepare._run(step(3)))

    assert prepare.main(["ministack"]) == 1
    output, errors = capfd.readouterr()
    assert output == ""
    assert sorted(errors.splitlines()[:2]) == ["more noise", "noise"]
    assert "ministack could not be set up" in errors
