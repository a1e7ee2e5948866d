"""Fuzz the readers for a time, guided by coverage: `python -m tests.fuzz.with_atheris SECONDS`.

It wants atheris, which is no requirement of the tests: there is a wheel for Linux and some of the Pythons only.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["carryon"]):
    from carryon.shared import envelope  # noqa: F401 imported here to be instrumented

from .checks import check_readers
from .hostile import GOOD

_WORDS = ("carryon", "event", "v", "chain", "hop", "cause", "time", "crash", "parent", "started_at_ms", "state", "each")


def main(seconds: str) -> None:
    """Start from good envelopes; ends with an error and the event at the first that is read wrong."""
    with tempfile.TemporaryDirectory() as folder:
        corpus, words = Path(folder, "corpus"), Path(folder, "words")
        corpus.mkdir()
        for number, raw in enumerate(GOOD):
            (corpus / str(number)).write_bytes(raw)
        words.write_text("".join(f'"\\"{word}\\""\n' for word in _WORDS))
        options = [f"-max_total_time={seconds}", "-max_len=4000", "-timeout=10", f"-dict={words}"]
        atheris.Setup([sys.argv[0], *options, str(corpus)], check_readers)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1])
