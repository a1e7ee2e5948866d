"""What a runtime client does around a handler: for programs that send the layer's signals to themselves."""

import os
import sys
import time
import types


def load_function(source, **names):
    """The function's module, made of its source, as if it lay in the task's folder; with these names in it."""
    function = types.ModuleType("function")
    sys.modules["function"] = function
    function.__file__ = os.path.join(os.environ["LAMBDA_TASK_ROOT"], "function.py")
    vars(function).update(names)
    exec(compile(source, function.__file__, "exec"), vars(function))
    return function


def make(get_handler, answer):
    """A client as far as the shim takes its places: `answer(handler, body)` is what it does with an event."""

    def handle_event_request(
        lambda_runtime_client,
        request_handler,
        invoke_id,
        event_body,
        content_type,
        client_context_json,
        cognito_identity_json,
        invoked_function_arn,
        epoch_deadline_time_in_ms,
    ):
        return answer(request_handler, event_body)

    return types.SimpleNamespace(
        _get_handler=get_handler, handle_event_request=handle_event_request, extract_traceback=None
    )


def receive_event(shim, handler):
    """What the shim does with an empty event that it gets from the client, with 100 s to go."""
    deadline_ms = int(time.time() * 1000) + 100_000
    return shim._handle_event_request(
        None, handler, "id", b"{}", "", "", "", "arn:aws:lambda:x:1:function:f", deadline_ms
    )
