"""The same function in a container that was full when the runtime started, and is not any longer.

As a program it takes up every process that the container may have, and becomes the command it is given. The function
gives the places back when it is imported: the runtime client needs threads of its own from then on.
"""

import os
import signal
import sys

from function import handler  # noqa: F401  what the runtime calls

if __name__ == "__main__":
    taken = []
    try:
        while True:
            child = os.fork()
            if child == 0:
                while True:
                    signal.pause()
            taken.append(str(child))
    except OSError:
        pass
    os.environ["TAKEN"] = " ".join(taken)
    os.execv(sys.argv[1], sys.argv[1:])
else:
    for place in map(int, os.environ["TAKEN"].split()):
        os.kill(place, signal.SIGKILL)
        os.waitpid(place, 0)
