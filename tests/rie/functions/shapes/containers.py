"""State in a dict and a list that are changed in place."""

import functools

import steps
from steps import fetch, mix

progress = {"done": 0, "checksum": 0}
seen = []


def handler(event, context):
    steps.pace_s = event["pace_s"]
    globals()[event["shape"]](event["items"])
    return [progress, len(seen), functools.reduce(mix, seen, 0)]


def in_place(items):
    while progress["done"] < items:
        progress["done"] += 1
        seen.append(fetch(progress["done"]))
        progress["checksum"] = mix(progress["checksum"], seen[-1])


def add(book, value):
    book["checksum"] = mix(book["checksum"], value)


def aliases(items):
    book, found = progress, seen
    while book["done"] < items:
        book["done"] += 1
        found.append(book["done"])
        add(book, fetch(book["done"]))


def replaced(items):
    global progress, seen
    while progress["done"] < items:
        progress = {**progress, "done": progress["done"] + 1}
        value = fetch(progress["done"])
        seen = [*seen, value][-10:]
        progress = {**progress, "checksum": mix(progress["checksum"], value)}
