"""Whose code a frame is, wherever in the layer's packages its file lies."""

import sys
import traceback
from types import SimpleNamespace

import pytest

import carryon
from carryon import startup
from carryon.runtime import bootstrap
from carryon.safe_points.state_writers import Program
from carryon.safe_points.touches import Known
from carryon.shared import own_code
from carryon.shared.settings import parse
from tests.support.runtimes import ROOT

PACKAGE = ROOT / "layer/python/carryon"
MODULES = sorted(map(str, PACKAGE.rglob("*.py")))
FUNCTIONS_OWN = "/var/task/app.py"


def passing(file, inner):
    """A function of that file that calls another one."""
    names = {"inner": inner}
    exec(compile("def passing():\n    return inner()", file, "exec"), names)
    return names["passing"]


def frames():
    """Those of the caller and of whoever has called it, outermost first, as far as their code was made here."""
    frame, found = sys._getframe(1), []
    while frame.f_code.co_name == "passing":
        found.append(frame)
        frame = frame.f_back
    return found[::-1]


@pytest.fixture
def error():
    """One that was raised with the function's own code around each module of the layer's."""

    def fail():
        raise LookupError("the function's own")

    call = passing(FUNCTIONS_OWN, fail)
    for file in MODULES:
        call = passing(FUNCTIONS_OWN, passing(file, call))
    with pytest.raises(LookupError, match="own") as raised:
        call()
    return raised.value


def files(trace):
    return [file for file, *_ in traceback.extract_tb(trace)]


def test_every_package_is_looked_through():
    """Those of the order in which they import each other."""
    packages = {path.parent.name for path in PACKAGE.rglob("__init__.py")}

    assert packages == {"carryon", "aws", "courier", "runtime", "safe_points", "shared", "supervisor"}
    assert packages <= {file.split("/")[-2] for file in MODULES}


def test_the_prefix_is_of_all_modules():
    """And of no package beside it."""
    assert own_code.LAYER == f"{PACKAGE}/"
    assert [file for file in MODULES if not file.startswith(own_code.LAYER)] == []
    assert not f"{PACKAGE}_of_somebody/app.py".startswith(own_code.LAYER)


def test_no_module_counts_as_code_that_writes_the_state():
    """While a function's own does, whatever calls it."""
    call = passing(FUNCTIONS_OWN, frames)
    for file in MODULES:
        call = passing(file, call)
    *layers, functions_own = call()
    program = Program([], Known(set(), is_flat=True))

    assert [frame.f_code.co_filename for frame in layers if program.of(frame)] == []
    assert len(layers) == len(MODULES)
    assert program.of(functions_own) is not None


def test_no_module_is_in_the_traceback_of_a_command_that_fails(error):
    """What the interpreter prints has the lines that it would have without the layer, all of them."""
    before = [file for file in files(error.__traceback__) if file not in MODULES]

    assert files(startup._without_ours(error.__traceback__)) == before
    assert before.count(FUNCTIONS_OWN) == len(MODULES) + 1


def test_no_module_is_in_the_stack_trace_of_a_handlers_error(error, monkeypatch):
    """The runtime client takes apart a traceback, and reports what is left of it."""
    client = SimpleNamespace(
        _get_handler=None,
        handle_event_request=lambda: None,
        extract_traceback=lambda trace: [tuple(entry) for entry in traceback.extract_tb(trace)],
    )
    monkeypatch.setattr(carryon, "_shim", None)
    bootstrap.Shim(client, parse({}), None, None).install()

    reported = [file for file, *_ in client.extract_traceback(error.__traceback__)]

    assert reported == [file for file in files(error.__traceback__) if file not in MODULES]
    assert reported.count(FUNCTIONS_OWN) == len(MODULES) + 1
