"""What botocore sends, without sending it."""

import pytest
from botocore.config import Config
from botocore.session import get_session


def sent_by_botocore(region, **request):
    """The request that botocore would send to invoke a function."""
    sent = []

    def keep(request, **_):
        sent.append(request)
        raise ConnectionAbortedError

    client = get_session().create_client("lambda", region, config=Config(retries={"total_max_attempts": 1}))
    client.meta.events.register("before-send.lambda.Invoke", keep)
    with pytest.raises(ConnectionAbortedError):
        client.invoke(**{"FunctionName": "f", "InvocationType": "Event", "Payload": b"{}", **request})
    return sent[0]
