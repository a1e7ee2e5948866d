"""The state is another module's, which this one changes by its functions or directly."""

import ledger
import steps
from steps import fetch, mix


def handler(event, context):
    steps.pace_s = event["pace_s"]
    globals()[event["shape"]](event["items"])
    return [ledger.done, ledger.checksum]


def by_functions(items):
    while ledger.done < items:
        ledger.open_entry()
        ledger.close_entry(fetch(ledger.done))


def by_attributes(items):
    for number in range(ledger.done, items):
        ledger.done = number + 1
        value = fetch(number)
        ledger.checksum = mix(ledger.checksum, value)
