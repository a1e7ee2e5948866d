"""Takes its time when it is imported, by waiting and by computing; how long, the environment says."""

import os
import time

until = time.monotonic() + float(os.environ.get("IMPORT_S", "0"))
count = 0
while time.monotonic() < until:
    count += 1
    time.sleep(0.001)
