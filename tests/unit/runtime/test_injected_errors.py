"""Whatever fails on the way of one of our signals, the function and the invocations after it are unharmed."""

import json

from tests.unit import programs


def test_no_error_at_any_statement_reaches_the_function(edge_runtime, sample, tmp_path):
    """RecursionError, MemoryError, OSError and ImportError at each statement that runs because of a signal.

    A function in time has its result, one that is not gets TimeIsUp or goes on; what was taken is given back; and of
    the two invocations that follow one is in time and the other is told when it is not.
    """
    every = 1 if sample(6_000, 100) == 6_000 else 61
    said = programs.run(edge_runtime.python, "inject.py", str(every), task_root=tmp_path, timeout_s=3_000)
    came_of_it = json.loads(said)

    assert came_of_it["wrong"] == []
    assert came_of_it["pairs"] > 4_000
