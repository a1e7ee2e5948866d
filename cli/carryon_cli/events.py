"""What happens in environments: `environment` is a process id, `at` and `deadline` are times of time.monotonic()."""

from __future__ import annotations

from typing import NamedTuple


class Started(NamedTuple):
    """An environment has begun to load the function."""

    environment: int


class Request(NamedTuple):
    """An environment received an event, to be answered until `deadline`."""

    environment: int
    request_id: str
    event: bytes
    at: float
    deadline: float


class Answer(NamedTuple):
    """An environment answered; `ok` is False for an error as the Runtime API knows it."""

    environment: int
    request_id: str
    ok: bool
    body: bytes
    at: float


class InitError(NamedTuple):
    """An environment reported that it cannot load the function."""

    environment: int
    body: bytes
    at: float


class Output(NamedTuple):
    """A line that an environment wrote; `request_id` is that of the last event it received, None before the first."""

    environment: int
    request_id: str | None
    line: str


class Ended(NamedTuple):
    """An environment is gone, `lived_s` seconds after it registered; `served`: something of it was recorded before."""

    environment: int
    at: float
    lived_s: float
    served: bool


Event = Started | Request | Answer | InitError | Output | Ended
