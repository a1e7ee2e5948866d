"""The measure by which the tests' own times grow."""

import os

import pytest

from tests.support import pace


@pytest.fixture
def measured(monkeypatch):
    """A function `measured(*taken_s)`: the pace of a machine on which the program takes that long on its cores."""

    def measured(*taken_s):
        monkeypatch.delenv(pace._TOLD, raising=False)
        monkeypatch.setattr(pace, "_run_on_all_cores", lambda: list(taken_s))
        pace.measure()
        return pace.pace()

    return measured


@pytest.mark.parametrize(
    ("taken_s", "expected"), [((0.01, 0.02), 1.0), ((0.12, 0.12), 1.0), ((0.12, 0.3), 2.5), ((9.0, 9.0), 8.0)]
)
def test_the_slowest_core_counts_within_limits(measured, taken_s, expected):
    """A fast machine shortens nothing, and one that does not get on at all lets nothing wait for ever."""
    assert measured(*taken_s) == expected


def test_a_run_has_one_pace(measured, monkeypatch):
    """Workers take what was measured before they were there, and not what they themselves make of the machine."""
    before = measured(0.24, 0.24)
    monkeypatch.setattr(pace, "_run_on_all_cores", lambda: [9.0])

    pace.measure()

    assert before == pace.pace() == 2.0


def test_timeouts_are_whole_seconds(monkeypatch):
    """On a quiet machine as they are written, elsewhere by at most half a second shorter than the pace asks for."""
    for of_the_machine, expected in ((1.0, [2, 3, 5]), (1.3, [3, 4, 6]), (2.0, [4, 6, 10])):
        monkeypatch.setattr(pace, "pace", lambda of_the_machine=of_the_machine: of_the_machine)
        assert [pace.seconds(written) for written in (2, 3, 5)] == expected


def test_every_core_is_measured():
    """By the program itself."""
    taken_s = pace._run_on_all_cores()

    assert len(taken_s) == os.cpu_count()
    assert min(taken_s) > 0
