"""Tell how this process was started."""

import json
import os
import sys

from awslambdaric import bootstrap

# As the runtime client does before it asks for an event: that is where the supervisor is made.
bootstrap._get_handler("json.dumps")

with open(f"/proc/{os.getppid()}/cmdline") as file:
    parent = file.read().split("\0")[:-1]
print(
    json.dumps(
        {
            "pid": os.getpid(),
            "parent": parent,
            "executable": sys.executable,
            "argv": sys.argv,
            "orig_argv": sys.orig_argv,
            "path": sys.path,
            "name": __name__,
            "flags": repr(sys.flags),
            "warnoptions": sys.warnoptions,
            "xoptions": sys._xoptions,
            "line_buffered": sys.stdout.line_buffering,
            "write_through": sys.stdout.write_through,
            "environ": dict(os.environ),
        }
    )
)
