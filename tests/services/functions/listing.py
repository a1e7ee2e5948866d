"""Functions that look at every object of a bucket that has more than one page of them."""

import time

import boto3

import carryon


def pages(event, context):
    paginator = boto3.client("s3").get_paginator("list_objects_v2")
    settings = {"PageSize": event["page"]}
    for page in carryon.each(paginator.paginate(Bucket=event["bucket"], PaginationConfig=settings)):
        for entry in carryon.each(page["Contents"]):
            look_at(entry["Key"], event)
    return "done"


def collection(event, context):
    for entry in carryon.each(boto3.resource("s3").Bucket(event["bucket"]).objects.page_size(event["page"])):
        look_at(entry.key, event)
    return "done"


def look_at(key, event):
    time.sleep(event["pace_s"])
    with open(event["path"], "a") as file:
        file.write(f"{key}\n")
