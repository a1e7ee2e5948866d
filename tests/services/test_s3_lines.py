"""examples/s3-lines: the sum is that of one version of the object, whatever became of it and of what was kept of it."""

import json

import pytest

from tests.support import examples

from .conftest import TIMEOUT_S

EXAMPLE = examples.find("s3-lines")
OBJECT = {"Bucket": EXAMPLE.event["bucket"], "Key": EXAMPLE.event["key"]}
LINES = 50_000
TOTAL = sum(number % 100 for number in range(LINES))
# 100 batches, about two hops' worth.
EVENT = {**EXAMPLE.event, "pause_s": 0.02 * TIMEOUT_S / 3}


@pytest.fixture
def s3(services):
    """A client, and an object to add up."""
    s3 = services.client("s3")
    s3.create_bucket(Bucket=OBJECT["Bucket"])
    put(s3, [number % 100 for number in range(LINES)])
    return s3


@pytest.fixture
def make_lines(make_function, tmp_path):
    """The example, `make_lines(folder)`: with a folder of that name for its /tmp."""

    def make(folder="tmp", **settings):
        (tmp_path / folder).mkdir(exist_ok=True)
        env = {"CARRYON_TO": "self", **EXAMPLE.env, "TMPDIR": str(tmp_path / folder), **settings}
        return make_function(EXAMPLE.handler, EXAMPLE.folder, env=env)

    return make


def put(s3, amounts):
    """Put an object with these amounts."""
    s3.put_object(**OBJECT, Body="".join(json.dumps({"amount": amount}) + "\n" for amount in amounts))


def places(hops):
    """Where each hop has had the object from."""
    return [hop.log.rpartition(" from ")[2].split()[0] for hop in hops]


@pytest.mark.parametrize(("process", "expected"), [("keep", {"/tmp", "memory"}), ("fresh", {"/tmp"})])
def test_the_object_crosses_the_network_once(process, expected, make_lines, s3):
    """The first of five hops reads it; another process finds it in /tmp, and one that comes again has it in memory."""
    function = make_lines(CARRYON_PROCESS=process)

    function.send({**EVENT, "pause_s": 0.07 * TIMEOUT_S / 3})
    hops = function.wait_for_result()

    assert len(hops) >= 5
    assert hops[-1].answer == {"lines": LINES, "total": TOTAL}
    first, *others = places(hops)
    assert first == "S3"
    assert set(others) == expected


def test_an_environment_that_has_kept_nothing_goes_on_with_the_same_sum(make_lines, s3):
    """A hop of a chain ends with the right sum in an environment that has never seen the object."""
    function = make_lines()
    function.send(EVENT)
    _, later, *_ = function.wait_for_result()
    other = make_lines("another")

    other.send(later.event)
    hops = other.wait_for_result()

    assert places(hops)[0] == "S3"
    assert hops[0].event["carryon"]["checkpoint"]["position"] > 0
    assert hops[-1].answer == {"lines": LINES, "total": TOTAL}


def test_an_object_that_was_replaced_midway_is_added_up_anew(make_lines, s3):
    """What was kept is not used any more, and no line of the first version is in the sum."""
    function = make_lines()

    function.send(EVENT)
    function.wait_until(lambda invocations: any("from S3" in one.log for one in invocations))
    put(s3, [1] * 1000)
    hops = function.wait_for_result()

    assert hops[-1].answer == {"lines": 1000, "total": 1000}
    assert places(hops) == ["S3", "S3"]
    assert hops[1].event["carryon"]["checkpoint"]["position"] > 0


def test_a_full_tmp_is_survived(make_lines, s3, tmp_path):
    """No space is left for what the first hop wants to keep: it is done without, and no part of it remains."""
    (tmp_path / "tmp").mkdir()
    function = make_lines()
    name = next(iter(kept_names(make_lines, s3, tmp_path)))
    (tmp_path / "tmp" / f"{name}.part").symlink_to("/dev/full")

    function.send({**EVENT, "pause_s": 0})
    (only,) = function.wait_for_result()

    assert "not kept in /tmp: [Errno 28] No space left on device" in only.log
    assert list((tmp_path / "tmp").iterdir()) == []
    assert only.answer == {"lines": LINES, "total": TOTAL}


def kept_names(make_lines, s3, tmp_path):
    """What a function that has space calls the files that it keeps."""
    function = make_lines("with-space")
    function.send({**EVENT, "pause_s": 0})
    function.wait_for_result()
    return [path.name for path in (tmp_path / "with-space").iterdir()]
