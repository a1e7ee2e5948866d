"""A module is found and executed as it would have been, and somebody hears of it."""

import importlib
import importlib.util
import sys

import pytest

from carryon.runtime import import_hook

NAME = "carryon_test_hooked"


@pytest.fixture(name="heard")
def _heard(tmp_path, monkeypatch):
    (tmp_path / f"{NAME}.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    yield []
    sys.modules.pop(NAME, None)


def test_who_waits_for_a_module_hears_of_it_once_and_leaves_no_trace(heard):
    """With everything in it; the finder is gone and the loader is as it was."""
    before = list(sys.meta_path)
    import_hook.on_import([NAME], lambda module: heard.append((module.__name__, module.value)))
    assert len(sys.meta_path) == len(before) + 1

    module = importlib.import_module(NAME)

    assert heard == [(NAME, 1)]
    assert sys.meta_path == before
    assert "exec_module" not in vars(module.__loader__)


def test_somebody_who_only_looks_for_the_module_changes_nothing(heard):
    """Many a tool asks whether a package is there before it imports it."""
    import_hook.on_import([NAME], lambda module: heard.append(module.value))

    assert importlib.util.find_spec(NAME) is not None
    assert heard == []
    importlib.import_module(NAME)
    assert heard == [1]


def test_a_module_that_is_there_already_is_heard_of_at_once(heard):
    """Something may have imported it before the runtime client."""
    importlib.import_module(NAME)
    import_hook.on_import([NAME], lambda module: heard.append(module.value))

    assert heard == [1]


def test_a_module_that_does_not_exist_is_missed_as_ever(heard):
    """By everybody who asks."""
    import_hook.on_import(["carryon_test_not_there"], heard.append)

    with pytest.raises(ModuleNotFoundError, match="carryon_test_not_there"):
        importlib.import_module("carryon_test_not_there")
    assert heard == []
