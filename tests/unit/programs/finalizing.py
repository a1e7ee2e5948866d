"""End with exit status 3, slowly, while somebody sends the signals that the layer has taken.

`finalizing.py FILE [daemon|joined]`; says "ready" once it has them and "ends" when it begins to end. FILE gets a text
that is written when its buffer is destroyed.
"""

import atexit
import os
import sys
import threading
import time

from carryon.runtime.watchdog import Watchdog
from carryon.shared import stack_dumps

# Before the layer's own, so that they come later.
for _ in range(2):
    atexit.register(time.sleep, 0.1)
dog = Watchdog(lambda in_event_loop: BaseException(), lambda frame: None, lambda: None)
dog.stand_by(lambda frame: None)
stack_dumps.write_on_signal(os.memfd_create("stacks"))
atexit.register(time.sleep, 0.1)


class Slow:
    """Destroyed as the interpreter ends, which takes its time."""

    def __init__(self):
        self.clock = time.monotonic

    def __del__(self):
        ends_at = self.clock() + 0.3
        while self.clock() < ends_at:
            pass


# In this order they are destroyed.
slow = Slow()
file = open(sys.argv[1], "w")  # noqa: SIM115
file.write("buffered")
if "daemon" in sys.argv:
    threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
if "joined" in sys.argv:
    threading.Thread(target=time.sleep, args=(0.2,)).start()
print("ready", flush=True)
sys.stdin.readline()
sys.exit(3)
