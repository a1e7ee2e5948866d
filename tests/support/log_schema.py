"""Carry On's own log lines, held against the schema that users have."""

import json

from jsonschema import Draft202012Validator

from .runtimes import ROOT

VALIDATOR = Draft202012Validator(json.loads((ROOT / "docs/log-line.schema.json").read_text()))


def validated(result):
    """The lines of a result, each checked against the schema."""
    for line in result.lines:
        VALIDATOR.validate(line)
        assert line["requestId"] == result.request_id
        assert line["function"] == "function"
    return result.lines
