"""Start one execution environment: `environment.py SOCKET`, run by the platform's stand-in as its `bootstrap`.

Registers with `carryon local` over the socket, which answers with a pipe for the output and the environment to run
in, and then becomes what Lambda would start, under the same process id.
"""

from __future__ import annotations

import json
import os
import socket
import sys

_MESSAGE_BYTES = 1 << 20


def main(path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(path)
        connection.send(json.dumps([os.getpid(), dict(os.environ)]).encode())
        answer, descriptors, _, _ = socket.recv_fds(connection, _MESSAGE_BYTES, 1)
    if not answer:
        raise SystemExit("carryon local has ended")
    task_root, command, environment = json.loads(answer)
    for standard in (1, 2):
        os.dup2(descriptors[0], standard)
    os.close(descriptors[0])
    os.chdir(task_root)
    os.execve(command[0], command, environment)  # noqa: S606 (there is nothing for a shell to do)


if __name__ == "__main__":
    main(sys.argv[1])
