"""`carryon recover`: send chains that failed for good once more, from the last state that is known."""

from __future__ import annotations

import argparse
import random
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ParamValidationError,
)

from carryon_cli import aws, sources
from carryon_cli.errors import UsageError
from carryon_cli.function_name import FunctionName
from carryon_cli.sources import Entry
from carryon_cli.table import OF_CHAIN, Table

if TYPE_CHECKING:
    from argparse import Namespace, _SubParsersAction
    from collections.abc import Iterable, Mapping

    from carryon_cli.failures import Failure
    from carryon_cli.sources import Source

_DESCRIPTION = """\
Send chains that failed for good to their functions again, each from the last state that is known of it.
The records are those of an on-failure destination or of a dead-letter queue: in the SQS queue itself, or in a file
that holds them (an object of an S3 destination, a JSON array, one document a line, or what `aws sqs receive-message`
prints). Of several records of a chain the one of its highest hop counts.
"""
_EPILOG = """\
A message is deleted when its chain has been accepted again, or is known (--table) to have gone on without it. All
others are kept, and named with the reason. A file is never changed: recovered twice, its chains run twice, unless
--table says that they have gone on.
Exit status: 0 nothing was kept, 1 something was kept or AWS refused, 2 bad usage.
"""
_LIMIT = 10_000
_ATTEMPTS = 5
_PAUSE_S = 0.2
_THROTTLED = 429
_SERVER_ERROR = 500
_PAST = {"send": "sent", "skip": "skipped"}


class Verdict(NamedTuple):
    """What is to become of a chain: `send` it, `skip` it because it has gone on, or `keep` its records; and why."""

    word: str
    why: str


def add_parser(commands: _SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "recover",
        help="send chains that failed for good again",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", metavar="QUEUE|FILE", help="URL or ARN of an SQS queue, or a file")
    parser.add_argument(
        "--to",
        metavar="FUNCTION",
        help="name or ARN of the function to send to, instead of the one that failed; dead letters do not name it",
    )
    parser.add_argument("--table", metavar="NAME|ARN", help="CARRYON_TABLE of the function: skips what has gone on")
    parser.add_argument("--limit", metavar="N", default=str(_LIMIT), help=f"messages to read at most ({_LIMIT})")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    aws.add_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Run the command and return its exit status.

    Raises:
        CommandError: something is wrong with the command line, or AWS refuses to show what is there.
    """
    if not (arguments.limit.isascii() and arguments.limit.isdigit() and int(arguments.limit) > 0):
        raise UsageError(f"--limit {arguments.limit}: give a whole number, 1 or more")
    to = FunctionName(arguments.to, "--to") if arguments.to else None
    with aws.errors():
        clients = aws.Clients(arguments.profile, arguments.region)
        table = Table(clients, arguments.table) if arguments.table else None
        source = sources.find(arguments.source, clients, int(arguments.limit))
        recovery = Recovery(source, clients, to, table, dry_run=arguments.dry_run)
        try:
            recovery.run()
        finally:
            source.close()
    return 1 if recovery.kept else 0


class Recovery:
    """One run of the command.

    Args:
        to: the function to send to; None for that of each record.
        table: tells what has gone on.
        dry_run: say what would be done, and send and remove nothing.
    """

    def __init__(
        self, source: Source, clients: aws.Clients, to: FunctionName | None, table: Table | None, *, dry_run: bool
    ) -> None:
        self._source = source
        self._clients = clients
        self._to = to
        self._table = table
        self._dry_run = dry_run
        self._counts = {"send": 0, "skip": 0, "keep": 0}
        self.kept = 0

    def run(self) -> None:
        """Deal with every record, printing a line for each chain and for each record that is kept."""
        for entries in self._chains():
            entry, verdict = self._choose(entries)
            failure = entry.failure
            if verdict.word == "send" and not self._dry_run:
                self._source.hold(entries)
                verdict = self._send(failure)
            chain = f"chain {failure.chain}, hop {failure.hop}" if failure.chain else "an event"
            found = f"{entry.place}; failed: {failure.error}"
            if verdict.word == "keep":
                self.kept += len(entries)
                print(f"kept: {chain}: {verdict.why} ({found})")
            elif self._dry_run:
                print(f"would {verdict.word}: {chain}: {verdict.why} ({found})")
            else:
                print(f"{_PAST[verdict.word]}: {chain}: {verdict.why} ({found})", flush=True)
                self._source.remove(entries)
            self._counts[verdict.word] += 1
        would = "would be " if self._dry_run else ""
        sent, skipped = self._counts["send"], self._counts["skip"]
        print(f"chains {would}sent: {sent}, {would}skipped: {skipped}; records kept: {self.kept}")
        if self._source.is_cut:
            print("there may be more messages: --limit was reached")

    def _chains(self) -> Iterable[list[Entry]]:
        """Return the records of each chain; what is no failure is kept at once."""
        chains: dict[str, list[Entry]] = {}
        for entry in self._source.read():
            if isinstance(entry, Entry):
                chains.setdefault(entry.failure.chain or entry.key, []).append(entry)
            else:
                self.kept += 1
                print(f"kept: {entry.place}: {entry.why}")
        return chains.values()

    def _choose(self, entries: list[Entry]) -> tuple[Entry, Verdict]:
        """Of the records of a chain's highest hop return one that can be sent, if there is one, and what to do."""
        highest = max(entry.failure.hop for entry in entries)
        judged = [(entry, self._judge(entry.failure)) for entry in entries if entry.failure.hop == highest]
        return next((pair for pair in judged if pair[1].word == "send"), judged[-1])

    def _judge(self, failure: Failure) -> Verdict:
        function = self._to or failure.function
        if function is None:
            return Verdict("keep", "its record does not say which function failed; name it with --to")
        if failure.signed and failure.function and not failure.function.may_be(function):
            return Verdict("keep", f"its envelope is signed for {failure.function}, another one would refuse it")
        if self._table and failure.chain:
            verdict = _by_table(self._table.items(failure.chain), failure, int(time.time() * 1000))
            if verdict:
                return verdict
        return self._by_parcel(failure) or Verdict("send", f"to {function}")

    def _by_parcel(self, failure: Failure) -> Verdict | None:
        if failure.parcel is None:
            return None
        bucket, key, etag = (failure.parcel[name] for name in ("bucket", "key", "etag"))
        try:
            self._clients.get("s3").head_object(Bucket=bucket, Key=key, IfMatch=etag)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            why = {404: "it is not there any more", 412: "it is another one by now"}.get(status, aws.describe(error))
            return Verdict("keep", f"its envelope is s3://{bucket}/{key}: {why}")
        except ParamValidationError as error:
            return Verdict("keep", f"its envelope is s3://{bucket}/{key}: {aws.describe(error)}")
        return None

    def _send(self, failure: Failure) -> Verdict:
        function = self._to or failure.function
        assert function
        # Attempts are counted here: botocore would repeat a request that was sent and not answered.
        client = self._clients.get("lambda", function.region, attempts=1)
        for attempt in range(_ATTEMPTS):
            try:
                client.invoke(FunctionName=function.text, InvocationType="Event", Payload=failure.payload)
            except ClientError as error:
                why = aws.describe(error)
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                if status != _THROTTLED and status < _SERVER_ERROR:
                    break
            except (EndpointConnectionError, ConnectTimeoutError) as error:
                why = aws.describe(error)
            except HTTPClientError as error:
                return Verdict("keep", f"not answered, so it may have been sent all the same: {aws.describe(error)}")
            else:
                return Verdict("send", f"to {function}")
            time.sleep(_PAUSE_S * 2**attempt * random.uniform(0.5, 1))
        return Verdict("keep", why)


def _by_table(items: Mapping[int, Mapping[str, Any]], failure: Failure, now_ms: int) -> Verdict | None:
    """Return what the table says against sending a hop again, None where it says nothing."""
    hop = failure.hop
    chain = items.get(OF_CHAIN, {})
    if "cancelled_at_ms" in chain:
        return Verdict("keep", "it has been cancelled")
    if chain.get("status") == "finished":
        return Verdict("skip", "it has finished")
    own = items.get(hop, {})
    # One that was recorded as sent and never began may not have been sent at all.
    later = {number: item["status"] for number, item in items.items() if number > hop and item["status"] != "sent"}
    if later and later[max(later)] == "failed":
        return Verdict("keep", f"it has failed in hop {max(later)} since; the record of that is the one to send")
    if later or own.get("status") in ("handed", "finished"):
        return Verdict("skip", "it has gone on from there")
    if own.get("token") not in (None, failure.token):
        return Verdict("keep", "it was sent once more since, and that envelope is the one to run")
    if own.get("status") == "running" and own.get("lease_until_ms", 0) > now_ms:
        return Verdict("keep", "it is running")
    return None
