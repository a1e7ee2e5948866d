"""Where records of failed invocations lie: SQS queues and files."""

from __future__ import annotations

import dataclasses
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from carryon_cli import aws, failures, json_text
from carryon_cli.errors import CommandError, UsageError
from carryon_cli.failures import Failure, NoFailureError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_QUEUE_ARN = re.compile(r"arn:aws[a-z-]*:sqs:([a-z0-9-]+):(\d{12}):([\w-]{1,80}(?:\.fifo)?)", re.ASCII)
_QUEUE_URL = re.compile(r"https?://(?:sqs\.([a-z]{2}(?:-[a-z]+)+-\d+)\.)?[^/]+/\d{12}/[\w.-]+", re.ASCII)
_BATCH = 10
_POLL_S = 2
# Nobody else sees a message meanwhile; what is kept is given back before this time at the end.
_HIDDEN_S = 900
_HOLD_AGAIN_AFTER_S = 600


@dataclasses.dataclass(frozen=True)
class Entry:
    """A failure and where it was found; `key` is what its source knows it by."""

    place: str
    key: str
    failure: Failure


@dataclasses.dataclass(frozen=True)
class Unusable:
    """Something else that was found where failures are, and why it is none."""

    place: str
    why: str


class Source(Protocol):
    """Failure records that are to be sent again; `is_cut` says whether some may have been left unread."""

    is_cut: bool

    def read(self) -> Iterator[Entry | Unusable]:
        """Yield every record there is."""

    def hold(self, entries: Sequence[Entry]) -> None:
        """See to it that nobody else gets these while they are sent."""

    def remove(self, entries: Sequence[Entry]) -> None:
        """Forget these, which have been dealt with."""

    def close(self) -> None:
        """Give back what has not been removed."""


def find(text: str, clients: aws.Clients, limit: int) -> Source:
    """Return the source that is meant by a queue's URL or ARN, or by a file's path.

    Args:
        limit: how many messages of a queue are read at most.

    Raises:
        UsageError: there is no such file.
    """
    arn = _QUEUE_ARN.fullmatch(text)
    if arn:
        sqs = clients.get("sqs", arn[1])
        url = sqs.get_queue_url(QueueName=arn[3], QueueOwnerAWSAccountId=arn[2])["QueueUrl"]
        return Queue(sqs, url, limit)
    url_match = _QUEUE_URL.fullmatch(text)
    if url_match:
        return Queue(clients.get("sqs", url_match[1]), text, limit)
    if "://" in text or text.startswith("arn:"):
        raise UsageError(f"{text}: give the URL or the ARN of an SQS queue, or a file")
    return File(Path(text))


class Queue:
    """Messages of a queue, hidden from others until `close`.

    Args:
        sqs: a boto3 client.
        url: the queue's.
        limit: how many messages are read at most.
    """

    def __init__(self, sqs: Any, url: str, limit: int) -> None:
        self._sqs = sqs
        self._url = url
        self._limit = limit
        self.is_cut = False
        self._receipts: dict[str, str] = {}
        self._hidden_at: dict[str, float] = {}

    def read(self) -> Iterator[Entry | Unusable]:
        while len(self._receipts) < self._limit:
            answer = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=min(_BATCH, self._limit - len(self._receipts)),
                MessageAttributeNames=["All"],
                VisibilityTimeout=_HIDDEN_S,
                WaitTimeSeconds=_POLL_S,
            )
            messages = answer.get("Messages", ())
            if not messages:
                return
            for message in messages:
                identity = message["MessageId"]
                is_new = identity not in self._receipts
                # A queue may give the same message twice; only its last receipt is good.
                self._receipts[identity] = message["ReceiptHandle"]
                self._hidden_at[identity] = time.monotonic()
                if is_new:
                    yield _entry(
                        f"message {identity}",
                        identity,
                        failures.of_message,
                        message["Body"],
                        message.get("MessageAttributes", {}),
                    )

        self.is_cut = True

    def hold(self, entries: Sequence[Entry]) -> None:
        now = time.monotonic()
        late = [entry.key for entry in entries if now - self._hidden_at[entry.key] > _HOLD_AGAIN_AFTER_S]
        self._change_visibility(late, _HIDDEN_S)
        self._hidden_at.update(dict.fromkeys(late, now))

    def remove(self, entries: Sequence[Entry]) -> None:
        for keys in _batches([entry.key for entry in entries]):
            listed = [{"Id": str(i), "ReceiptHandle": self._receipts[key]} for i, key in enumerate(keys)]
            answer = self._sqs.delete_message_batch(QueueUrl=self._url, Entries=listed)
            failed = {keys[int(failure["Id"])]: failure for failure in answer.get("Failed", ())}
            for key in keys:
                if key not in failed:
                    del self._receipts[key]
            if failed:
                key, failure = next(iter(failed.items()))
                raise CommandError(
                    f"message {key} cannot be deleted: {failure.get('Code')} {failure.get('Message', '')}"
                )

    def close(self) -> None:
        self._change_visibility(list(self._receipts), 0)

    def _change_visibility(self, keys: list[str], seconds: int) -> None:
        for some in _batches(keys):
            listed = [
                {"Id": str(i), "ReceiptHandle": self._receipts[key], "VisibilityTimeout": seconds}
                for i, key in enumerate(some)
            ]
            self._sqs.change_message_visibility_batch(QueueUrl=self._url, Entries=listed)


class File:
    """Records in a file, which is never changed: JSON documents, one or an array or one a line.

    Raises:
        UsageError: the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._text = path.read_text("utf-8-sig")
        except (OSError, ValueError) as error:
            raise UsageError(f"{path}: {error}") from error
        self._path = path
        self.is_cut = False

    def read(self) -> Iterator[Entry | Unusable]:
        for place, text in self._documents():
            yield _entry(place, place, failures.of_document, text)

    def hold(self, entries: Sequence[Entry]) -> None:
        """Nobody else takes records out of a file."""

    def remove(self, entries: Sequence[Entry]) -> None:
        """The file is the user's."""

    def close(self) -> None:
        """There is nothing to give back."""

    def _documents(self) -> Iterator[tuple[str, str]]:
        try:
            document = json_text.load(self._text)
        except ValueError:
            for number, line in enumerate(self._text.split("\n"), 1):
                if line.strip():
                    yield f"{self._path}, line {number}", line
            return
        listed = self._text
        if isinstance(document, dict) and isinstance(document.get("Messages"), list):
            listed, document = json_text.members(self._text)["Messages"], document["Messages"]
        if isinstance(document, list):
            for number, text in enumerate(json_text.elements(listed), 1):
                yield f"{self._path}, record {number}", text
        else:
            yield str(self._path), self._text


def _entry(place: str, key: str, read: Callable[..., Failure], *content: Any) -> Entry | Unusable:
    try:
        return Entry(place, key, read(*content))
    except NoFailureError as error:
        return Unusable(place, str(error))


def _batches(keys: list[str]) -> Iterator[list[str]]:
    for at in range(0, len(keys), _BATCH):
        yield keys[at : at + _BATCH]
