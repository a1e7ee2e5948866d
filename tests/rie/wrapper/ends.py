"""End as the first argument says; `wait` says its process id first."""

import os
import signal
import sys
import time

from awslambdaric import bootstrap


def told(number, frame):
    # Not print: the signal may come while the last one is still being flushed.
    os.write(1, b"told %d\n" % number)
    sys.exit(7)


def end(how):
    if how == "wait":
        print(os.getpid(), flush=True)
        time.sleep(60)
    elif how == "wait for signal":
        signal.signal(signal.SIGTERM, told)
        print(os.getpid(), flush=True)
        # One long sleep would begin after a signal that comes right before it.
        while True:
            time.sleep(0.05)
    elif how.startswith("signal"):
        os.kill(os.getpid(), int(how.split()[1]))
        signal.pause()
    elif how == "raise":
        raise ValueError("uncaught")
    elif how == "grandchild":
        # An orphan that ends while the process lives: nobody may be left a zombie.
        if os.fork() == 0:
            if os.fork() == 0:
                os._exit(0)
            os._exit(0)
        os.wait()
    else:
        sys.exit(int(how))


# As the runtime client does before it asks for an event: that is where the supervisor is made.
bootstrap._get_handler("json.dumps")
end(sys.argv[1])
