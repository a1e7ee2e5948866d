"""Stands for a vendor's wrapper: it imports the function's own handler, and sends what it has measured afterwards."""

import importlib
import os
import signal
import time


def lambda_handler(event, context):
    module, _, name = os.environ["ELASTICAPM_ORIGINAL_HANDLER"].rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)(event, context)
    finally:
        if event.get("flush") == "hangs":
            time.sleep(30)
        if event.get("flush") == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
