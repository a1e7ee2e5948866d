"""Event, state, keys and credentials are nowhere but where they have to be."""

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from carryon.shared import envelope, signing
from carryon.shared.board import EVENT_MAX
from tests.support.emulator import Emulator
from tests.support.functions import FUNCTIONS, continuing

EVENT, STATE, KEY, CREDENTIAL, TOKEN = SECRETS = [
    f"{name}-of-nobody-else" for name in ("event", "state", "key", "credential", "token")
]
ARN = "arn:aws:lambda:us-east-1:012345678912:function:function"
META = {"v": 1, "chain": "c-1", "hop": 1, "cause": "time", "parent": "r-2", "started_at_ms": 1}
ENV = {
    "CARRYON_STATE": "kept",
    "CARRYON_ON_CRASH": "continue",
    "CARRYON_MARGIN": "45%",
    "CARRYON_SIGNING_KEY": KEY,
    "AWS_SECRET_ACCESS_KEY": CREDENTIAL,
    "AWS_SESSION_TOKEN": TOKEN,
}
# Settings, behaviours, and the event of the line that shows that it came to what is meant.
ENDINGS = {
    "continued": ({}, ["wait", "fail", "keep", "leave_thread"], "continued"),
    "rescued": ({}, ["swallow"], "rescued"),
    "crashed": ({}, ["die"], "crashed"),
    "not JSON": ({"CARRYON_STALL_HOPS": "0"}, ["keep_what_is_no_json"], "time_is_up"),
    "hop limit": ({"CARRYON_MAX_HOPS": "0"}, ["wait", "swallow"], "time_is_up"),
    "dry run": ({"CARRYON_TO": "log"}, ["wait"], "dry_run"),
    "refused": ({"AWS_ENDPOINT_URL_LAMBDA": "http://127.0.0.1:9"}, ["wait", "swallow"], "delivery_failed"),
    "no bucket": ({"CARRYON_BUCKET": "parcels"}, ["wait_heavily"], "delivery_failed"),
    "no table": ({"CARRYON_TABLE": "leases"}, ["wait"], "delivery_failed"),
    "no key": ({"CARRYON_SIGNING_KEY": f"{KEY},short"}, ["wait"], "delivery_failed"),
    "misspelt key": ({"CARRYON_SIGNING_KYE": KEY, "CARRYON_SIGNING_KEY": ""}, ["wait"], "continued"),
}


def read_all(function):
    """What other processes of the machine can see of the function's: command lines, and files that they have open."""
    seen = b""
    for pid in function.processes():
        try:
            files = list(Path(f"/proc/{pid}/fd").iterdir())
        except OSError:
            continue  # one that was replaced has ended by now
        for path in [Path(f"/proc/{pid}/cmdline"), Path(f"/proc/{pid}/comm"), *files]:
            try:
                if stat.S_ISREG(path.stat().st_mode):
                    seen += path.read_bytes()
            except OSError:
                pass
    return seen


@pytest.mark.parametrize("name", ENDINGS)
def test_nothing_that_is_written_has_a_secret(name, newest_runtime, layer, lambda_api, tmp_path):
    """Log lines, error messages, arguments of processes, files: whatever an invocation has come to."""
    settings, behaviours, ending = ENDINGS[name]
    env = {**continuing(lambda_api), **ENV, "TMPDIR": str(tmp_path), **settings}
    seen, said = b"", []
    with Emulator(newest_runtime, FUNCTIONS, "secretive.handler", layer=layer, timeout_s=2, env=env) as function:
        for behaviour in behaviours:
            do, heavily, _ = behaviour.partition("_heavily")
            event = {"do": do, "secret": EVENT * (60_000 if heavily else 1), "state": STATE}
            running = function.begin(event)
            while not running.done():
                seen += read_all(function)
            result = running.result()
            said += result.events
            seen += result.body
        seen += function.raw_log.encode()
    for path in tmp_path.rglob("*"):
        seen += path.read_bytes() if path.is_file() else b""

    assert ending in said, seen.decode(errors="replace")
    for secret in SECRETS:
        at = seen.find(secret.encode())
        assert at < 0, seen[max(at - 300, 0) : at + 100].decode(errors="replace")


def test_an_envelope_that_is_refused_is_not_shown(newest_runtime, layer, lambda_api, tmp_path):
    """Whatever is wrong with it, and whichever part of Carry On says so."""
    event = json.dumps({"do": "wait", "secret": EVENT, "state": STATE}).encode()
    meta = {**META, "state": {"kept": STATE}, "checkpoint": STATE}
    good = envelope.wrap(event, signing.sign(meta, event, ARN, KEY.encode()))
    refused = [
        envelope.wrap(event, meta),
        good.replace(b'"hop":1', b'"hop":2'),
        envelope.wrap(event, {**meta, "v": 2}),
        envelope.wrap(event, signing.sign({**meta, "parcel": {"key": STATE}}, event, ARN, KEY.encode())),
    ]
    env = {**continuing(lambda_api), **ENV}
    with Emulator(newest_runtime, FUNCTIONS, "secretive.handler", layer=layer, env=env) as function:
        results = [function.invoke(raw) for raw in refused]
        log = function.raw_log

    assert {result.error_type for result in results} == {"Carryon.BadEnvelope", "Carryon.OpeningFailed"}
    for secret in SECRETS:
        assert secret not in log
        assert not any(secret.encode() in result.body for result in results)


LOOK = "head -c 1 /proc/$1/mem; head -c 1 /proc/$1/environ; ls /proc/$1/fd; ls /proc/$1/map_files"


def test_nobody_else_can_read_the_board(newest_runtime, layer):
    """It is memory without a name: no file that another user could open, and no way to it but by the processes' own."""
    with Emulator(newest_runtime, FUNCTIONS, "work.handler", layer=layer) as function:
        function.invoke({"do": "echo", "secret": EVENT})
        supervisor = function.processes()[0]
        maps = [line.split() for line in Path(f"/proc/{supervisor}/maps").read_text().splitlines()]
        boards = []
        for where, permissions, _, _, _, *name in maps:
            start, end = (int(address, 16) for address in where.split("-"))
            if "s" in permissions and end - start > EVENT_MAX:
                boards.append((start, end - start, " ".join(name)))
        ((start, size, name),) = boards
        with open(f"/proc/{supervisor}/mem", "rb") as memory:
            memory.seek(start)
            assert EVENT.encode() in memory.read(size), "that is not the board"
        # Who is not root cannot become another.
        nobody = {"user": 65_534, "group": 65_534, "extra_groups": []} if os.getuid() == 0 else {}
        look = ["/bin/sh", "-c", LOOK, "look", str(supervisor)]
        seen = subprocess.run(look, cwd="/", capture_output=True, text=True, check=False, **nobody)

    assert name in ("", "/dev/zero (deleted)")
    assert not any(EVENT.encode() in path.read_bytes() for path in Path("/dev/shm").iterdir() if path.is_file())
    if nobody:
        assert (seen.stdout, seen.stderr.count("Permission denied")) == ("", 4), seen


def test_a_child_that_stays_has_no_part_in_the_events_to_come(runtime, layer, lambda_api):
    """What the supervisor and the runtime share is not there in what the runtime forks, and nothing there needs it."""
    env = continuing(lambda_api)
    with Emulator(runtime, FUNCTIONS, "secretive.handler", layer=layer, env=env, timeout_s=5) as function:
        result = function.invoke({"do": "leave_child", "state": 1})
        supervisor, own, child = function.processes()
        shared = [shared_mb(pid) for pid in (supervisor, own, child)]
        after = function.invoke({"do": "leave_child", "state": 2})

    assert result.json == {"pid": own, "child": child, "says": "unharmed", "kept": "before"}
    assert after.json["pid"] == own
    assert shared[0] == shared[1] > EVENT_MAX >> 20
    assert shared[2] == 0


def shared_mb(pid):
    """The size of what a process has mapped together with others, and no file."""
    mapped = 0
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        addresses, modes, *_, name = line.split(maxsplit=5) + [""] * (line.count(" ") < 5)
        if modes.endswith("s") and "/dev/zero" in name:
            start, end = (int(address, 16) for address in addresses.split("-"))
            mapped += end - start
    return mapped >> 20
