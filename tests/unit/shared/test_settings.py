"""Whatever the variables say, the function starts; what cannot be used is named."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carryon.shared.settings import DEFAULT_MAX_HOPS, DEFAULT_STALL_HOPS, NO_GOOD_KEY, NOT_SHOWN, parse

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:work"
TABLE = "arn:aws:dynamodb:eu-west-1:123456789012:table/leases"
PARAMETER = "arn:aws:ssm:eu-west-1:123456789012:parameter/carryon/key"
SECRET = "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:carryon/key-AbCdEf"
KEY = "correct horse battery staple"
DEFAULT = parse({})

GOOD = [
    ("CARRYON_TO", "self", {"to": "self"}),
    ("CARRYON_TO", ARN, {"to": ARN}),
    ("CARRYON_TO", ARN + ":live", {"to": ARN + ":live"}),
    ("CARRYON_TO", ARN + ":$LATEST", {"to": ARN + ":$LATEST"}),
    ("CARRYON_TO", ARN.replace("arn:aws:", "arn:aws-cn:"), {"to": ARN.replace("arn:aws:", "arn:aws-cn:")}),
    ("CARRYON_TO", f"  {ARN}\n", {"to": ARN}),
    ("CARRYON_TO", "log", {"to": "log"}),
    ("CARRYON_FALLBACK_TO", ARN, {"fallback_to": ARN}),
    ("CARRYON_MARGIN", "2s", {"margin_ms": 2_000}),
    ("CARRYON_MARGIN", "1.5s", {"margin_ms": 1_500}),
    ("CARRYON_MARGIN", "2.3s", {"margin_ms": 2_300}),
    ("CARRYON_MARGIN", "4.35s", {"margin_ms": 4_350}),
    ("CARRYON_MARGIN", "0.1s", {"margin_ms": 100}),
    ("CARRYON_MARGIN", "1500ms", {"margin_ms": 1_500}),
    ("CARRYON_MARGIN", "5%", {"margin_percent": 5.0}),
    ("CARRYON_MARGIN", "50%", {"margin_percent": 50.0}),
    ("CARRYON_STATE", "done", {"state": ((None, None, "done", None),)}),
    ("CARRYON_STATE", "a, b.c:d ,a", {"state": ((None, None, "a", None), ("b.c", None, "d", None))}),
    ("CARRYON_STATE", "a=KEY, m:b = k-2", {"state": ((None, None, "a", "KEY"), ("m", None, "b", "k-2"))}),
    ("CARRYON_STATE", "handler().a=KEY", {"state": ((None, "handler", "a", "KEY"),)}),
    ("CARRYON_STATE", "m:f().a=KEY", {"state": (("m", "f", "a", "KEY"),)}),
    ("CARRYON_STATE_INTO", "event", {"state_into": "event"}),
    ("CARRYON_STATE_INTO", "both", {"state_into": "both"}),
    ("CARRYON_EVENT", "current", {"event_as_left": True}),
    ("CARRYON_EVENT", "original", {}),
    ("CARRYON_BATCH", "report", {"batch": "report"}),
    ("CARRYON_MAX_HOPS", "0", {"max_hops": 0}),
    ("CARRYON_MAX_HOPS", "40", {"max_hops": 40}),
    ("CARRYON_STALL_HOPS", "0", {"stall_hops": 0}),
    ("CARRYON_STALL_HOPS", "7", {"stall_hops": 7}),
    ("CARRYON_MAX_AGE", "30s", {"max_age_ms": 30_000}),
    ("CARRYON_MAX_AGE", "90m", {"max_age_ms": 5_400_000}),
    ("CARRYON_MAX_AGE", "6 h", {"max_age_ms": 21_600_000}),
    ("CARRYON_MAX_AGE", "2d", {"max_age_ms": 172_800_000}),
    ("CARRYON_PROCESS", "safe", {}),
    ("CARRYON_PROCESS", "keep", {"process": "keep"}),
    ("CARRYON_PROCESS", "fresh", {"process": "fresh"}),
    ("CARRYON_BUCKET", "my.bucket-1", {"bucket": "my.bucket-1"}),
    ("CARRYON_TABLE", "leases", {"table": "leases"}),
    ("CARRYON_TABLE", TABLE, {"table": TABLE}),
    ("CARRYON_TABLE_ALWAYS", "1", {"table_always": True}),
    ("CARRYON_SIGNING_KEY", KEY, {"signing_keys": (KEY,)}),
    (
        "CARRYON_SIGNING_KEY",
        f"{PARAMETER}, {SECRET} ,{KEY}",
        {"signing_keys": (PARAMETER, SECRET, KEY)},
    ),
    ("CARRYON_RAISE", "TimeoutError", {"raise_timeout_error": True}),
    ("CARRYON_RAISE", "TimeIsUp", {}),
    ("CARRYON_RESPONSE", "error", {"response_error": True}),
    ("CARRYON_RESPONSE", '{"a": 1}', {"response": '{"a": 1}'}),
    ("CARRYON_RESPONSE", "null", {"response": "null"}),
    ("CARRYON_ON_CRASH", "continue", {"continue_on_crash": True}),
    ("CARRYON_ON_CRASH", "report", {}),
    ("CARRYON_NEXT_WRAPPER", "/bin/sh", {"next_wrapper": "/bin/sh"}),
    ("CARRYON_METRICS", "off", {"metrics": False}),
    ("CARRYON_METRICS", "No", {"metrics": False}),
    ("CARRYON_METRICS", "TRUE", {}),
    ("CARRYON_DISABLED", "1", {}),
    ("CARRYON_DISABLED", "0", {}),
]
BAD_KEYS = [
    "short",
    "fifteen letters",
    f"{KEY},",
    f"{KEY},short",
    f"{KEY}\udcff",
    PARAMETER.replace("ssm", "kms"),
    PARAMETER[:-12],
    SECRET.replace("123456789012", "1234"),
]
BAD = [
    ("CARRYON_TO", ["Self", "work", ARN[:-5], ARN + ":", ARN + ":a:b", ARN.replace("lambda", "sqs"), ARN + "\n:x"]),
    ("CARRYON_FALLBACK_TO", ["self", "log", ARN.replace("lambda", "sqs")]),
    ("CARRYON_MARGIN", ["2", "s", "-1s", "0s", "99ms", "0%", "51%", "1e3s", "٢s", "nan%", "1 000ms", "2m"]),
    (
        "CARRYON_STATE",
        [
            ",",
            "a,",
            "a b",
            "1a",
            ":a",
            "m:",
            "m..n:a",
            "a:b:c",
            "=KEY",
            "f().x",
            "a.b",
            "a=",
            "class",
            "f().=K",
            "f()=K",
            "a=K,b=K",
        ],
    ),
    ("CARRYON_STATE_INTO", ["Globals", "1", "globals,event"]),
    ("CARRYON_EVENT", ["Current", "1"]),
    ("CARRYON_BATCH", ["yes", "Report"]),
    ("CARRYON_MAX_HOPS", ["-1", "1.0", "²", "many", "1_0", "9" * 10]),
    ("CARRYON_STALL_HOPS", ["-1", "three"]),
    ("CARRYON_MAX_AGE", ["6", "0h", "h", "1.5h", "-1d", "6H", "500ms", "1w", "9999999999s"]),
    ("CARRYON_BUCKET", ["s3://bucket", "Bucket", "b", "bucket/folder", "-bucket", "arn:aws:s3:::bucket"]),
    ("CARRYON_TABLE", ["t", "my table", TABLE + "/index/a", TABLE.replace("dynamodb", "s3")]),
    ("CARRYON_TABLE_ALWAYS", ["yes", "2"]),
    ("CARRYON_RAISE", ["timeisup", "Exception", "1"]),
    ("CARRYON_RESPONSE", ["{", "Error", "NaN", '{"a": Infinity}', "[" * 200_000, "1e999", '"\\ud800"', '"\udcff"']),
    ("CARRYON_ON_CRASH", ["Continue", "1", "retry"]),
    ("CARRYON_NEXT_WRAPPER", ["/", "/nowhere", "/etc/passwd", "sh\0"]),
    ("CARRYON_METRICS", ["maybe", "2"]),
    ("CARRYON_DISABLED", ["2", "disabled"]),
]


def test_defaults_need_no_variable():
    """A function that only sets the wrapper gets the alarm, and no continuation."""
    set_without_asking = {
        "process": "safe",
        "state_into": "globals",
        "max_hops": DEFAULT_MAX_HOPS,
        "stall_hops": DEFAULT_STALL_HOPS,
        "metrics": True,
    }

    assert {name: value for name, value in DEFAULT._asdict().items() if value} == set_without_asking


@pytest.mark.parametrize(("name", "value", "changed"), GOOD)
def test_a_good_value_is_taken(name, value, changed):
    """Nothing but its own settings changes."""
    assert parse({name: value}) == DEFAULT._replace(**changed)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD for value in values])
def test_a_bad_value_is_named_and_the_default_taken(name, value):
    """One problem with the variable, what it says, and what it may say."""
    settings = parse({name: value})

    (problem,) = settings.problems
    assert settings._replace(problems=()) == DEFAULT
    assert (name, value.strip()[:200]) == (problem.name, problem.value)
    assert problem.allowed


@pytest.mark.parametrize("value", BAD_KEYS)
def test_a_bad_key_closes_and_is_not_shown(value):
    """Signed chains are asked for, so without a usable key nothing is signed and nothing counts as signed."""
    settings = parse({"CARRYON_SIGNING_KEY": value})

    (problem,) = settings.problems
    assert ("CARRYON_SIGNING_KEY", NOT_SHOWN) == (problem.name, problem.value)
    assert settings == DEFAULT._replace(signing_keys=NO_GOOD_KEY, problems=(problem,))


@pytest.mark.parametrize("name", [*dict(BAD), "CARRYON_SIGNING_KEY", "CARRYON_LATER"])
@pytest.mark.parametrize("value", ["", "  \t"])
def test_an_empty_value_counts_as_unset(name, value):
    """Templates set variables to nothing."""
    assert parse({name: value}) == DEFAULT


@pytest.mark.parametrize("name", ["CARRYON_MARGINS", "CARRYON_", "CARRYON_Max_Hops", "CARRYON_SIGNING_KEYS"])
def test_a_variable_that_does_not_exist_is_named(name):
    """A typo is not silently the default, and what it says is not shown: it may be a key."""
    (problem,) = parse({name: KEY}).problems

    assert (name, NOT_SHOWN) == (problem.name, problem.value)
    assert "CARRYON_MARGIN," in problem.allowed


def test_variables_of_others_are_left_alone():
    """Only the prefix makes a variable ours."""
    assert parse({"PATH": "x", "MY_CARRYON_TO": "x", "CARRYON": "x"}) == DEFAULT


def test_every_bad_variable_is_named():
    """One bad value does not hide another."""
    environ = {name: values[0] for name, values in BAD}

    assert set(environ) == {problem.name for problem in parse(environ).problems}


names = (
    st.sampled_from([*dict(BAD), "CARRYON_SIGNING_KEY"])
    | st.text(max_size=9).map("CARRYON_".__add__)
    | st.text(max_size=9)
)
texts = st.text(max_size=30) | st.sampled_from([value for _, values in BAD for value in values]) | st.text("1.5ms%, :")


@given(st.dictionaries(names, texts, max_size=6))
def test_no_environment_raises(environ):
    """Every result is usable, and every problem names a variable that is set."""
    settings = parse(environ)

    assert settings.margin_ms is None or settings.margin_percent is None
    assert settings.max_hops >= 0
    assert bool(settings.signing_keys) == bool(environ.get("CARRYON_SIGNING_KEY", "").strip())
    assert settings.response is None or json.loads(settings.response) is not settings
    assert {problem.name for problem in settings.problems} <= set(environ)
    assert len(settings.problems) == len({problem.name for problem in settings.problems})


@given(st.integers(100, 999_999_999))
def test_a_margin_in_milliseconds_is_exact(margin_ms):
    """Seconds with a fraction and milliseconds say the same."""
    assert margin_ms == parse({"CARRYON_MARGIN": f"{margin_ms}ms"}).margin_ms
    assert margin_ms == parse({"CARRYON_MARGIN": f"{margin_ms // 1000}.{margin_ms % 1000:03d}s"}).margin_ms
