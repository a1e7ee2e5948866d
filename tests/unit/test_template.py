"""template.yaml, as written and as SAM translates it for CloudFormation."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cfnlint.decode import decode
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from carryon.courier import parcels
from carryon.shared import settings

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "template.yaml"


@pytest.fixture(name="template")
def _template():
    template, problems = decode(str(TEMPLATE))
    assert problems == []
    return json.loads(json.dumps(template))


def test_the_template_is_lint_clean():
    """cfn-lint finds nothing, warnings and remarks included."""
    assert lint(TEMPLATE) == []


def test_what_sam_makes_of_it_is_lint_clean(template, tmp_path, monkeypatch):
    """The translated template has no circular dependency either, which only shows after the translation."""
    assert lint(translate(template, tmp_path, monkeypatch)) == []


def test_the_permission_among_the_functions_own_policies_would_be_a_circle(template, tmp_path, monkeypatch):
    """The reason why the permission is a resource of its own still holds, and lint would tell."""
    document = template["Resources"].pop("PrimeMayContinue")["Properties"]["PolicyDocument"]
    template["Resources"]["Prime"]["Properties"]["Policies"] = [document]

    found = lint(translate(template, tmp_path, monkeypatch))

    assert "E3004" in [finding["Rule"]["Id"] for finding in found]


def test_the_layer_is_for_every_supported_python_and_both_processors(template):
    """One zip serves all of them."""
    layer = template["Resources"]["CarryOn"]["Properties"]

    assert layer["ContentUri"] == "dist/carryon-layer.zip"
    assert layer["CompatibleRuntimes"] == [f"python3.{minor}" for minor in range(10, 15)]
    assert sorted(layer["CompatibleArchitectures"]) == ["arm64", "x86_64"]


def test_the_function_may_invoke_itself_and_its_versions(template, tmp_path, monkeypatch):
    """The permission is attached to the function's role, for its ARN and every qualified one."""
    translated = json.loads(translate(template, tmp_path, monkeypatch).read_text())["Resources"]

    policy = translated["PrimeMayContinue"]["Properties"]

    statement = policy["PolicyDocument"]["Statement"][0]
    assert policy["Roles"] == [{"Ref": "PrimeRole"}]
    assert translated["Prime"]["Properties"]["Role"] == {"Fn::GetAtt": ["PrimeRole", "Arn"]}
    assert statement["Action"] == "lambda:InvokeFunction"
    assert statement["Resource"] == [{"Fn::GetAtt": ["Prime", "Arn"]}, {"Fn::Sub": "${Prime.Arn}:*"}]


def test_the_function_may_do_with_the_table_what_it_does_and_no_more(template):
    """Reads, and conditional writes, of this table alone."""
    statement = template["Resources"]["PrimeMayContinue"]["Properties"]["PolicyDocument"]["Statement"][1]
    source = (ROOT / "layer/python/carryon/courier/lease_table.py").read_text()
    granted = {action.removeprefix("dynamodb:") for action in statement["Action"]}

    # A transaction needs the permission for each of its steps.
    called = {call.title().replace("_", "") for call in re.findall(r"self\._client\.([a-z_]+_items?)\b", source)}
    steps = {f"{step}Item" for step in re.findall(r'"(Put|Update|ConditionCheck|Delete)":', source)}
    assert granted == called - {"TransactWriteItems"} | steps
    assert statement["Resource"] == {"Fn::GetAtt": ["Leases", "Arn"]}


def test_the_table_is_the_one_that_the_layer_asks(template):
    """Its keys, paid by request, and with items that go by themselves when they have expired."""
    table = template["Resources"]["Leases"]["Properties"]
    source = (ROOT / "layer/python/carryon/courier/leases.py").read_text()

    assert {key["AttributeName"]: key["KeyType"] for key in table["KeySchema"]} == {"chain": "HASH", "hop": "RANGE"}
    assert {key["AttributeName"]: key["AttributeType"] for key in table["AttributeDefinitions"]} == {
        "chain": "S",
        "hop": "N",
    }
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert f'"{table["TimeToLiveSpecification"]["AttributeName"]}": _expires_at(' in source


def test_the_function_may_do_with_the_bucket_what_it_does_and_no_more(template):
    """Store, read and delete below the prefix of parcels, and see what is there."""
    objects, bucket = template["Resources"]["PrimeMayContinue"]["Properties"]["PolicyDocument"]["Statement"][2:]
    source = (ROOT / "layer/python/carryon/courier/parcels.py").read_text()

    called = {call.title().replace("_", "") for call in re.findall(r"self\._client\.([a-z]+_object)\b", source)}
    # HeadObject is GetObject to a policy.
    assert {action.removeprefix("s3:") for action in objects["Action"]} == called - {"HeadObject"}
    assert objects["Resource"] == {"Fn::Sub": f"${{Parcels.Arn}}/{parcels.FOLDER}*"}
    assert bucket["Action"] == "s3:ListBucket"
    assert bucket["Resource"] == {"Fn::GetAtt": ["Parcels", "Arn"]}


def test_what_nobody_deletes_in_the_bucket_goes_after_the_queue_has_forgotten_it(template):
    """A failed hop can be sent again as long as its record is in the queue."""
    properties = template["Resources"]["Parcels"]["Properties"]
    (rule,) = properties["LifecycleConfiguration"]["Rules"]
    kept_s = template["Resources"]["Failed"]["Properties"]["MessageRetentionPeriod"]

    assert (rule["Prefix"], rule["Status"]) == (parcels.FOLDER, "Enabled")
    # An event may have waited for six hours before.
    assert rule["ExpirationInDays"] * 86_400 >= kept_s + 6 * 3_600
    assert all(properties["PublicAccessBlockConfiguration"].values())


def test_what_fails_for_good_goes_to_the_queue(template, tmp_path, monkeypatch):
    """Failed asynchronous invocations, also those that loop detection drops, are kept, and the role may send them."""
    translated = json.loads(translate(template, tmp_path, monkeypatch).read_text())["Resources"]

    destination = translated["PrimeEventInvokeConfig"]["Properties"]["DestinationConfig"]["OnFailure"]["Destination"]

    policies = translated["PrimeRole"]["Properties"]["Policies"]
    statements = [policy["PolicyDocument"]["Statement"] for policy in policies]
    assert destination == {"Fn::GetAtt": ["Failed", "Arn"]}
    assert translated["Failed"]["Type"] == "AWS::SQS::Queue"
    assert [{"Action": "sqs:SendMessage", "Effect": "Allow", "Resource": destination}] in statements


def test_the_settings_are_good_with_every_parameter_at_its_default(template):
    """What the function gets on a plain deploy parses without a problem and starts a chain on itself."""
    defaults = {name: str(parameter["Default"]) for name, parameter in template["Parameters"].items()}
    function = template["Resources"]["Prime"]["Properties"]
    # The Ref of a table or a bucket is its name.
    names = {**defaults, "Leases": "stack-Leases-1A2B3C", "Parcels": "stack-parcels-1a2b3c"}
    variables = {
        name: names[value["Ref"]] if isinstance(value, dict) else value
        for name, value in function["Environment"]["Variables"].items()
    }

    parsed = settings.parse(variables)

    assert variables["AWS_LAMBDA_EXEC_WRAPPER"] == "/opt/carryon"
    assert parsed.problems == ()
    assert parsed.to == "self"
    assert (parsed.table, parsed.bucket) == (names["Leases"], names["Parcels"])
    assert function["Layers"] == [{"Ref": "CarryOn"}]
    assert function["RecursiveLoop"] == {"Ref": "RecursiveLoop"}
    assert function["Timeout"] == {"Ref": "TimeoutSeconds"}


def test_the_handler_and_the_state_are_there(template):
    """The handler's module is in the folder that is deployed, and has the globals that make up the state."""
    function = template["Resources"]["Prime"]["Properties"]
    module, _, handler = function["Handler"].rpartition(".")
    tree = ast.parse((ROOT / function["CodeUri"] / f"{module}.py").read_text())

    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    names = {name.id for node in tree.body for name in ast.walk(node) if isinstance(name, ast.Name)}
    assert handler in functions
    assert set(function["Environment"]["Variables"]["CARRYON_STATE"].split(",")) <= names


def lint(path):
    """What cfn-lint finds in a template, as its JSON output says it."""
    command = [Path(sys.executable).with_name("cfn-lint"), "--format", "json", "--include-checks", "I", "--", path]
    return json.loads(subprocess.run(command, capture_output=True, check=False, cwd=ROOT).stdout)


def translate(template, folder, monkeypatch):
    """Write what SAM makes of a template, as a deploy does after it has uploaded the code."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for resource in template["Resources"].values():
        for name in {"CodeUri", "ContentUri"} & set(resource["Properties"]):
            resource["Properties"][name] = "s3://bucket/key"
    path = folder / "translated.json"
    path.write_text(json.dumps(Translator({}, Parser()).translate(template, {}, None)))
    return path
