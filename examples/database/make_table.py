"""Make the table."""

import boto3

boto3.client("dynamodb").create_table(
    TableName="readings",
    BillingMode="PAY_PER_REQUEST",
    KeySchema=[{"AttributeName": "series", "KeyType": "HASH"}, {"AttributeName": "position", "KeyType": "RANGE"}],
    AttributeDefinitions=[
        {"AttributeName": "series", "AttributeType": "S"},
        {"AttributeName": "position", "AttributeType": "N"},
    ],
)
