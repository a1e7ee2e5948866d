"""A function that tells what it finds in its process."""

import os
import subprocess
import sys
import threading
import time


def handler(event, context):
    return globals()[event["do"]](event)


def tell(event):
    return {**itself(), **(children() if event.get("children", True) else {})}


def itself():
    return {
        "threads": sorted(thread.name for thread in threading.enumerate() if not of_client(thread)),
        "argv": sys.argv,
        "orig_argv": sys.orig_argv,
        "flags": repr(sys.flags),
        "path": sys.path,
        "environ": {name: value for name, value in os.environ.items() if name not in OTHERS},
    }


def children():
    code = "import sys; print(sys.flags.no_site, sys.flags.isolated, 'site' in sys.modules)"
    return {
        "options": subprocess._args_from_interpreter_flags(),
        "child": subprocess.check_output([sys.executable, "-c", code], text=True, env=CLEAN),
        "fork": forks(),
    }


def pids(event):
    return {"pid": os.getpid(), "parent": os.getppid(), "group": os.getpgrp()}


def forks():
    pid = os.fork()
    if not pid:
        os._exit(7)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def of_client(thread):
    """The runtime client asks for events in a thread of a pool."""
    return thread.name.startswith("ThreadPoolExecutor")


# Differ from run to run, or with the shell.
OTHERS = {
    "AWS_LAMBDA_METADATA_API",
    "AWS_LAMBDA_METADATA_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "CARRYON_NEXT_WRAPPER",
    "EMULATED_FUNCTION",
    "OLDPWD",
    "PWD",
    "SHLVL",
    "STARTED",
    "_",
}
CLEAN = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def clean_up(event):
    try:
        while True:
            time.sleep(0.005)
    finally:
        print("cleaned up")


def stuck(event):
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass


def nap(event):
    """Until shortly before the alarm, when the helpers are there."""
    time.sleep(event["seconds"])
    return "rested"
