"""The table of CARRYON_TABLE in DynamoDB: an item for each hop of a chain, and one for the chain."""

from __future__ import annotations

from . import attempts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Item = dict[str, Any]

# The number of the chain's own item, among those of its hops.
OF_CHAIN = -1

# What a hop's item is known again by.
_SAME = ("status", "owner", "attempt", "token", "lease_until_ms")
_CHANGED = {"ConditionalCheckFailedException", "ConditionalCheckFailed"}
# Why a transaction may be refused that will succeed later.
_PASSING = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}


class Changed(Exception):
    """An item is no longer as it was read, or somebody else is about to change it."""


class Table:
    """Reads items, and changes them where they are as they were read. Texts are str, numbers int.

    Args:
        name: the table's name or ARN.
        client: botocore's, for DynamoDB.
    """

    def __init__(self, name: str, client: Any) -> None:
        self._name = name
        self._client = client

    def read(self, chain: str, hops: Iterable[int], until_ms: int) -> dict[int, Item]:
        """The items of a chain that there are, by their hops' numbers.

        Raises:
            Exception: botocore's; they could not be read until then.
        """
        wanted = [_encode({"chain": chain, "hop": hop}) for hop in hops]
        found: dict[int, Item] = {}
        attempt = 0
        while wanted:
            request = {self._name: {"Keys": wanted, "ConsistentRead": True}}
            answer = attempts.call(self._client.batch_get_item, until_ms, RequestItems=request)
            items = [item for items in answer["Responses"].values() for item in items]
            found.update((item["hop"], item) for item in map(_decode, items))
            wanted = answer.get("UnprocessedKeys", {}).get(self._name, {}).get("Keys", [])
            if wanted and not attempts.pause(attempt, until_ms):
                raise TimeoutError("the table did not give all of the items that were asked for")
            attempt += 1
        return found

    def put(
        self,
        before: Item | None,
        after: Item,
        until_ms: int,
        while_same: Item | None = None,
        together_with: tuple[Item, Item] | None = None,
    ) -> None:
        """Put an item in the place of what was read.

        Args:
            before: what was read, None where there was none.
            while_same: another one that has to be as it was read as well.
            together_with: another one's key and what is set in it, whatever it was, as for `update`.

        Raises:
            Changed: it is not as it was read.
            Exception: botocore's; it may be put or not.
        """
        put = {"TableName": self._name, "Item": _encode(after), **_same(before)}
        steps: list[dict[str, Any]] = [{"Put": put}]
        if while_same is not None:
            steps.append({"ConditionCheck": {"TableName": self._name, "Key": _key(while_same), **_same(while_same)}})
        if together_with is not None:
            steps.append({"Update": self._update(*together_with)})
        try:
            if len(steps) == 1:
                attempts.call(self._client.put_item, until_ms, **put)
            else:
                attempts.call(self._client.transact_write_items, until_ms, TransactItems=steps)
        except Exception as error:
            # By its code: threads that ask a client for its exceptions at the same time are given different classes.
            response = getattr(error, "response", {})
            codes = {response.get("Error", {}).get("Code")}
            codes.update(reason.get("Code") for reason in response.get("CancellationReasons", ()))
            if codes & _CHANGED or codes & _PASSING and attempts.pause(0, until_ms):
                raise Changed from None
            raise

    def update(self, key: Item, values: Item, until_ms: int) -> None:
        """Set some attributes of an item, whatever it was; None removes one.

        Raises:
            Exception: botocore's; they may be set or not.
        """
        attempts.call(self._client.update_item, until_ms, **self._update(key, values))

    def _update(self, key: Item, values: Item) -> dict[str, Any]:
        kept = {name: value for name, value in values.items() if value is not None}
        expression = "SET " + ", ".join(f"#{name} = :{name}" for name in kept)
        if len(kept) < len(values):
            expression += " REMOVE " + ", ".join(f"#{name}" for name in values if name not in kept)
        # By other names: some of ours are reserved words.
        return {
            "TableName": self._name,
            "Key": _encode(key),
            "UpdateExpression": expression,
            "ExpressionAttributeNames": {f"#{name}": name for name in values},
            "ExpressionAttributeValues": {f":{name}": value for name, value in _encode(kept).items()},
        }


def _same(item: Item | None) -> dict[str, Any]:
    """The condition that an item is as it was read; None: that there is none."""
    if item is None:
        return {"ConditionExpression": "attribute_not_exists(#chain)", "ExpressionAttributeNames": {"#chain": "chain"}}
    there = {name: item[name] for name in _SAME if name in item}
    terms = [f"#{name} = :{name}" for name in there]
    terms += [f"attribute_not_exists(#{name})" for name in _SAME if name not in item]
    return {
        "ConditionExpression": " AND ".join(terms),
        "ExpressionAttributeNames": {f"#{name}": name for name in _SAME},
        "ExpressionAttributeValues": {f":{name}": value for name, value in _encode(there).items()},
    }


def _key(item: Item) -> dict[str, dict[str, str]]:
    return _encode({"chain": item["chain"], "hop": item["hop"]})


def _encode(item: Item) -> dict[str, dict[str, str]]:
    return {name: {"N": str(value)} if isinstance(value, int) else {"S": value} for name, value in item.items()}


def _decode(item: dict[str, dict[str, Any]]) -> Item:
    decoded = {}
    for name, value in item.items():
        ((kind, content),) = value.items()
        decoded[name] = int(content) if kind == "N" else content
    return decoded
