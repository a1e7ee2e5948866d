"""Others that use SIGALRM: vendors whose wrapper is the configured handler, and alarms set in the handler."""

import re
import shutil
from pathlib import Path

import pytest

from tests.support.emulator import Emulator
from tests.support.functions import FUNCTIONS, continuing
from tests.support.runtimes import ROOT

FAULTY = Path(__file__).parents[1] / "fidelity/functions"

TIMEOUT_S = 5
MARGIN_MS = 1000
# 100 ms are promised; the rest is for a loaded machine.
LATE_MS = 150

# A closed port: nothing may leave the machine.
NOWHERE = "127.0.0.1:9"
VENDORS = {
    "datadog": (
        "datadog_lambda.handler.handler",
        "DD_LAMBDA_HANDLER",
        {
            "DD_FLUSH_TO_LOG": "true",
            "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
            "DD_REMOTE_CONFIGURATION_ENABLED": "false",
            "DD_TRACE_AGENT_URL": f"http://{NOWHERE}",
        },
    ),
    "lumigo": (
        "lumigo_tracer._handler",
        "LUMIGO_ORIGINAL_HANDLER",
        {"LUMIGO_TRACER_TOKEN": "token", "LUMIGO_TRACER_HOST": NOWHERE},
    ),
    "elastic": (
        "elasticapm_handler.lambda_handler",
        "ELASTICAPM_ORIGINAL_HANDLER",
        {
            "ELASTIC_APM_SERVER_URL": f"http://{NOWHERE}",
            "ELASTIC_APM_CENTRAL_CONFIG": "false",
            "ELASTIC_APM_CLOUD_PROVIDER": "none",
            "ELASTIC_APM_LOG_LEVEL": "off",
        },
    ),
}
VENDORS_FILES = {
    "datadog": ("datadog_lambda/", "ddtrace/"),
    "lumigo": ("lumigo_tracer/",),
    "elastic": ("elasticapm/", "elasticapm_handler.py"),
}
# They set alarms, and load the function's handler in a way of their own.
WITH_ALARM = ["datadog", "lumigo"]

TAKERS = [
    {"do": "later_alarm"},
    {"do": "no_timer"},
    {"do": "no_alarm"},
    {"do": "own_handler"},
    {"do": "ignored"},
    {"do": "blocked"},
    {"do": "decorated_with_timeout_decorator"},
    {"do": "decorated_with_datadog", "inside": "clean_up"},
    {"do": "decorated_with_lumigo", "inside": "clean_up"},
]


@pytest.fixture(name="folder")
def _folder(tmp_path, edge_runtime):
    """The function's folder, with the packages that it was deployed with."""
    for module in (
        FUNCTIONS / "instrumented.py",
        *Path(FUNCTIONS.parents[1], "fidelity/functions").glob("*_at_import.py"),
    ):
        shutil.copy(module, tmp_path)
    packages = [ROOT / ".cache/packages" / f"{name}py{edge_runtime.version}" for name in ("", "elastic-")]
    assert all(folder.is_dir() for folder in packages), "no packages to test with: ./build.sh setup"
    (tmp_path / "packages.pth").write_text("".join(f"{folder}\n" for folder in packages))
    # Where its layer has it.
    shutil.copy(packages[1] / "elasticapm/contrib/serverless/aws_wrapper/elasticapm_handler.py", tmp_path)
    return tmp_path


def started(runtime, folder, vendor, handler, env, **options):
    """The function as that vendor's manual has it configured."""
    configured, variable, settings = VENDORS[vendor]
    env = {**env, **settings, variable: handler}
    return Emulator(runtime, folder, configured, env=env, timeout_s=TIMEOUT_S, **options)


def ms_left(result):
    """How long before the deadline the clean-up ran."""
    return int(re.search(r"cleaned up with (\d+) ms left", result.log)[1])


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_function_inside_a_vendors_wrapper_is_stopped_in_time_and_continued(
    vendor, edge_runtime, folder, layer, lambda_api
):
    """The wrapper's own timer does not matter, the wrapper returns our answer, and the next invocation is right."""
    env = continuing(lambda_api, CARRYON_MARGIN=f"{MARGIN_MS}ms")
    with started(edge_runtime, folder, vendor, "instrumented.handler", env, layer=layer) as function:
        before = function.invoke({"do": "echo"})
        stopped = function.invoke({"do": "clean_up"})
        after = function.invoke({"do": "echo"})

    assert before.json == after.json == {"do": "echo"}
    assert stopped.json["carryon"]["continued"] is True, stopped
    assert stopped.events == ["time_is_up", "continued"], stopped
    assert stopped.lines[0]["carryon"]["handler_returned"] is False
    assert MARGIN_MS - LATE_MS <= ms_left(stopped) <= MARGIN_MS + 10
    assert [call.json["do"] for call in lambda_api.calls] == ["clean_up"]
    assert function.leftovers == []


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_shim_is_next_to_the_functions_own_handler(vendor, edge_runtime, folder, layer):
    """Whatever the vendor patches, wraps or times lies outside; at every invocation and only once."""
    with started(edge_runtime, folder, vendor, "instrumented.handler", {}, layer=layer) as function:
        stacks = [function.invoke({"do": "stack"}).json for _ in range(3)]

    assert stacks[0] == stacks[1] == stacks[2]
    *outside, shim, dispatcher, own = stacks[0]
    assert dispatcher == own == str(folder / "instrumented.py")
    assert shim.endswith("/carryon/runtime/bootstrap.py")
    vendors = [place for place, file in enumerate(outside) if any(part in file for part in VENDORS_FILES[vendor])]
    shims = [place for place, file in enumerate(outside) if file.endswith("/carryon/runtime/bootstrap.py")]
    # Datadog patches the code of the function that it is given, which is the shim's.
    assert vendors
    assert max(vendors) < max(shims)


@pytest.mark.parametrize("vendor", WITH_ALARM)
@pytest.mark.parametrize(
    "handler",
    [
        "missing_module_at_import.handler",
        "attribute_error_at_import.handler",
        "raises_at_import.handler",
        "nowhere.handler",
        "instrumented.no_such_handler",
        "instrumented",
    ],
)
def test_a_function_that_cannot_be_loaded_fails_as_with_the_vendor_alone(vendor, handler, edge_runtime, folder, layer):
    """Type, message and stack of the error are the vendor's and the function's own."""
    errors = []
    for wrapper in (False, True):
        with started(edge_runtime, folder, vendor, handler, {}, layer=layer, wrapper=wrapper) as function:
            errors.append(function.invoke().json)

    without, with_layer = ({**error, "requestId": "", "stackTrace": frames(error)} for error in errors)
    assert with_layer == without


def frames(error):
    """A stack trace without the lines of the vendor's own loader, which loads by the other of two statements."""
    return [line for line in error.get("stackTrace", []) if "datadog_lambda/handler.py" not in line]


@pytest.mark.parametrize("vendor", VENDORS)
def test_an_error_inside_a_vendors_wrapper_is_reported_as_without_the_layer(vendor, edge_runtime, folder, layer):
    """The stack trace has the vendor's frames and the function's, and none of ours."""
    errors = []
    for wrapper in (False, True):
        with started(
            edge_runtime, folder, vendor, "instrumented.handler", {}, layer=layer, wrapper=wrapper
        ) as function:
            errors.append(function.invoke({"do": "fail"}).json)

    without, with_layer = ({**error, "requestId": ""} for error in errors)
    # Datadog calls the function through its own name, once more than the shim.
    assert with_layer["errorType"] == without["errorType"] == "ValueError"
    assert with_layer["errorMessage"] == without["errorMessage"]
    assert not [line for line in with_layer["stackTrace"] if "carryon" in line]
    assert with_layer["stackTrace"][-1] == without["stackTrace"][-1]


@pytest.mark.parametrize("event", TAKERS, ids=lambda event: event["do"])
def test_the_understudy_stops_a_function_whose_alarm_was_taken(event, edge_runtime, folder, layer, lambda_api):
    """Within 100 ms of when the alarm was due, whoever cancelled, replaced or ignored it."""
    env = continuing(lambda_api, CARRYON_MARGIN=f"{MARGIN_MS}ms")
    for vendor in WITH_ALARM:
        env |= VENDORS[vendor][2]
    with Emulator(edge_runtime, folder, "instrumented.handler", layer=layer, env=env, timeout_s=TIMEOUT_S) as function:
        # A vendor's package takes its time to be imported.
        first = {**event, "inside": "echo"} if "inside" in event else {"do": "echo"}
        assert function.invoke(first).json == first
        stopped = function.invoke(event)
        after = function.invoke({"do": "echo"})

    assert stopped.events == ["time_is_up", "continued"], stopped
    assert MARGIN_MS - LATE_MS <= ms_left(stopped) <= MARGIN_MS + 10
    assert len(lambda_api.calls) == 1
    assert after.json == {"do": "echo"}
    assert function.leftovers == []


def test_the_functions_own_alarms_work_as_without_the_layer(edge_runtime, folder, layer):
    """They ring when they are due, whether handler and timer were set in this invocation or in one before."""
    names = [
        "one_second_alarm",
        "repeating_timer",
        "times_out_in_decorator",
        "set_handler",
        "alarm_for_the_handler_that_is_set",
        "leave_alarm",
        "wait_for_alarm",
    ]
    answers = []
    for wrapper in (False, True):
        with Emulator(
            edge_runtime, folder, "instrumented.handler", layer=layer, wrapper=wrapper, timeout_s=TIMEOUT_S
        ) as function:
            answers.append({name: function.invoke({"do": name}).json for name in names})

    without, with_layer = answers
    assert without["one_second_alarm"] == without["alarm_for_the_handler_that_is_set"] == [10]
    assert with_layer == without


def test_the_functions_own_handler_is_there_after_the_understudy(edge_runtime, folder, layer, lambda_api):
    """Whoever has taken SIGALRM still has it in the next invocation."""
    env = continuing(lambda_api, CARRYON_MARGIN=f"{MARGIN_MS}ms")
    with Emulator(edge_runtime, folder, "instrumented.handler", layer=layer, env=env, timeout_s=TIMEOUT_S) as function:
        function.invoke({"do": "own_handler"})
        alarm = function.invoke({"do": "alarm_for_the_handler_that_is_set"})

    assert alarm.json == [10]
