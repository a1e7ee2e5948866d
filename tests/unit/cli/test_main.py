import pytest

from carryon_cli import local
from carryon_cli.main import main


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["handler"], "'handler' is no handler: give MODULE.HANDLER"),
        ([".handler"], "is no handler"),
        (["app."], "is no handler"),
        (["app.handler", "--timeout", "0"], "--timeout 0: give a whole number from 1 to 900"),
        (["app.handler", "--timeout", "2.5"], "--timeout 2.5: give a whole number"),
        (["app.handler", "--memory", "64"], "--memory 64: give a whole number from 128 to 10240"),
        (["app.handler", "--event", "{'n': 1}"], "--event: not JSON: Expecting property name"),
        (["app.handler", "--event", '{"n": NaN}'], "NaN is not a JSON value"),
        (["app.handler", "--event", "missing.json"], "--event missing.json: there is no such file, and it is not JSON"),
        (["app.handler", "--env", "NAME"], "--env NAME: give NAME=VALUE"),
        (["app.handler", "--env", "1A=b"], "--env 1A=b: give NAME=VALUE"),
        (["app.handler", "--env", "AWS_LAMBDA_EXEC_WRAPPER=/opt/other"], "use CARRYON_NEXT_WRAPPER"),
        (["app.handler", "--env", "AWS_REGION=eu-west-1"], "Lambda sets AWS_REGION itself"),
        (["app.handler", "--setup", "missing.py"], "--setup missing.py: there is no such file"),
        (["app.handler", "--setup", __file__, "--runtime", "rie"], "--runtime rie has no services to set up"),
        (["app.handler", "--python", "/nonexistent/python"], "--python /nonexistent/python: no such program"),
        (["app.handler", "--python", "/bin/sh"], "--python /bin/sh: does not run as Python 3"),
    ],
)
def test_bad_usage_is_named(arguments, complaint, capsys):
    """Exit status 2 and one line on stderr with what was given and what is allowed."""
    status = main(["local", *arguments])

    output = capsys.readouterr()
    assert status == 2
    assert complaint in output.err
    assert output.err.startswith("carryon: ")
    assert output.out == ""


@pytest.mark.parametrize("arguments", [[], ["local"], ["local", "app.handler", "--runtime", "docker"], ["fly"]])
def test_an_unknown_command_line_is_bad_usage(arguments, capsys):
    """What argparse refuses has the same exit status."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2
    assert "usage: carryon" in capsys.readouterr().err


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_systems_are_told_to_use_docker(platform, monkeypatch, capsys):
    """The runtime client and the emulator are Linux programs; the message has the command to type instead."""
    monkeypatch.setattr(local.sys, "platform", platform)

    status = main(["local", "app.handler"])

    assert status == 2
    assert "docker run" in capsys.readouterr().err


def test_an_event_is_passed_on_as_it_was_written(tmp_path):
    """File or argument, not a byte is changed on the way."""
    text = '{ "n": 1.50,\n "text": "é" }'
    path = tmp_path / "event.json"
    path.write_bytes(text.encode())

    assert local.read_event(text) == text.encode()
    assert local.read_event(str(path)) == text.encode()
    assert local.read_event("[" + "1," * 5000 + "1]") == b"[" + b"1," * 5000 + b"1]"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["recover", "missing.json"], "missing.json: [Errno 2] No such file"),
        (["recover", "."], "Is a directory"),
        (
            ["recover", "https://example.com/queue"],
            "https://example.com/queue: give the URL or the ARN of an SQS queue",
        ),
        (["recover", "arn:aws:sns:eu-west-1:123456789012:topic"], "give the URL or the ARN of an SQS queue, or a file"),
        (["recover", "failed.json", "--to", "a b"], "--to a b: give the name or the ARN of a Lambda function"),
        (["recover", "failed.json", "--limit", "0"], "--limit 0: give a whole number, 1 or more"),
        (["recover", "failed.json", "--table", "t!"], "--table t!: give the name or the ARN of a DynamoDB table"),
        (["stop", "f:live"], "f:live: concurrency is the whole function's; leave out :live"),
        (["stop", "arn:aws:sqs:eu-west-1:123456789012:f"], "give the name or the ARN of a Lambda function"),
        (["start", "f!"], "f!: give the name or the ARN of a Lambda function"),
        (["cancel", "a b", "--table", "chains"], "'a b' is no chain: give the request id of its first invocation"),
        (["cancel", "", "--table", "chains"], "'' is no chain"),
        (["result", "c" * 129, "--table", "chains"], "is no chain"),
        (["result", "c", "--table", "t!"], "--table t!: give the name or the ARN of a DynamoDB table"),
    ],
)
def test_commands_for_aws_name_what_they_cannot_use(arguments, complaint, capsys):
    """Exit status 2 and one line, before anything is asked of AWS."""
    status = main([*arguments, "--region", "eu-west-1"])

    output = capsys.readouterr()
    assert status == 2
    assert complaint in output.err
    assert output.err.startswith("carryon: ")
    assert output.err.count("\n") == 1
    assert output.out == ""


@pytest.mark.parametrize(
    ("options", "complaint"),
    [([], "You must specify a region"), (["--profile", "missing"], "The config profile (missing) could not be found")],
)
def test_a_configuration_that_is_missing_is_named(options, complaint, capsys, monkeypatch):
    """What boto3 raises is one line, with exit status 1."""
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")

    status = main(["stop", "work", *options])

    assert status == 1
    assert f"carryon: {complaint}" in capsys.readouterr().err
