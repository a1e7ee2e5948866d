"""A function's reserved concurrency, and what it was before `carryon stop`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from carryon_cli.errors import CommandError, UsageError
from carryon_cli.function_name import FunctionName

if TYPE_CHECKING:
    import argparse

    from carryon_cli import aws

# A tag, because whoever starts the function again may sit at another machine.
TAG = "carryon:reserved-concurrency"
_UNRESERVED = "none"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what both commands need."""
    parser.add_argument("function", metavar="FUNCTION", help="its name or ARN, without version or alias")


class Concurrency:
    """Reads and sets it; every number is of invocations at a time, None for unreserved.

    Raises:
        UsageError: `name` is no function's, or has a version or an alias.
        CommandError: what was remembered cannot be read.
    """

    def __init__(self, clients: aws.Clients, name: str) -> None:
        function = FunctionName(name, "FUNCTION")
        if function.qualifier:
            raise UsageError(f"{name}: concurrency is the whole function's; leave out :{function.qualifier}")
        self.name = function.name
        self._name = function.text
        self._lambda = clients.get("lambda", function.region)
        self._configuration: dict[str, Any] = self._lambda.get_function_configuration(FunctionName=self._name)
        self.arn: str = self._configuration["FunctionArn"]
        self.now: int | None = self._lambda.get_function_concurrency(FunctionName=self._name).get(
            "ReservedConcurrentExecutions"
        )
        remembered = self._lambda.list_tags(Resource=self.arn)["Tags"].get(TAG)
        self.is_remembered = remembered is not None
        self.before = self._read(remembered) if remembered is not None else None

    def remember(self) -> None:
        """Keep what it is now, for `carryon start`."""
        self._lambda.tag_resource(Resource=self.arn, Tags={TAG: str(self.now) if self.now is not None else _UNRESERVED})
        self.before, self.is_remembered = self.now, True

    def forget(self) -> None:
        """Keep it no longer."""
        self._lambda.untag_resource(Resource=self.arn, TagKeys=[TAG])

    def set(self, value: int | None) -> None:
        """Change it."""
        if value is None:
            self._lambda.delete_function_concurrency(FunctionName=self._name)
        else:
            self._lambda.put_function_concurrency(FunctionName=self._name, ReservedConcurrentExecutions=value)
        self.now = value

    def catchers(self) -> list[str]:
        """Return the ARNs of what receives events that cannot be processed: on-failure destinations, the DLQ."""
        pages = self._lambda.get_paginator("list_function_event_invoke_configs").paginate(FunctionName=self._name)
        configs = [config for page in pages for config in page["FunctionEventInvokeConfigs"]]
        found = [config.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination") for config in configs]
        found.append(self._configuration.get("DeadLetterConfig", {}).get("TargetArn"))
        return list(dict.fromkeys(filter(None, found)))

    def _read(self, text: str) -> int | None:
        if text == _UNRESERVED:
            return None
        if not (text.isascii() and text.isdigit()):
            raise CommandError(f"the tag {TAG} of {self.name} says {text!r}: make it a number or {_UNRESERVED!r}")
        return int(text)


def described(value: int | None) -> str:
    """Return it in words."""
    return "unreserved" if value is None else str(value)
