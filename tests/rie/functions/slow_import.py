"""A function whose import takes long in every process but its first."""

import os
import time

interrupted = None
if os.path.exists(os.environ["SEEN"]):
    try:
        time.sleep(float(os.environ["IMPORT_S"]))
    except BaseException as error:
        interrupted = repr(error)
open(os.environ["SEEN"], "w").close()


def handler(event, context):
    while event.get("do") == "swallow":
        try:
            time.sleep(60)
        except BaseException:
            pass
    return {"pid": os.getpid(), "interrupted": interrupted}
