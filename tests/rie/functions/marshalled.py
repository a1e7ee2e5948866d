"""A function with a marshaller of its own, which the runtime client documents as overridable."""

import json
import time

from awslambdaric.lambda_runtime_client import LambdaRuntimeClient


class Marshaller:
    def unmarshal_request(self, request, content_type="application/json"):
        return Order(json.loads(request))

    def marshal_response(self, response):
        return json.dumps(response), "application/json"


class Order:
    def __init__(self, members):
        self.members = members


LambdaRuntimeClient.marshaller = Marshaller()


def handler(event, context):
    assert isinstance(event, Order)
    while event.members.get("work"):
        time.sleep(0.005)
    return event.members
