import os
import subprocess
import sys
import time


def handler(event, context):
    print("started", flush=True)
    if "stray" in event:
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    time.sleep(event.get("sleep_s", 0))
    return {
        "environment": dict(os.environ),
        "path": sys.path,
        "process": os.getpid(),
        "request_id": context.aws_request_id,
        "arn": context.invoked_function_arn,
    }


def fail(event, context):
    raise ValueError("no")
