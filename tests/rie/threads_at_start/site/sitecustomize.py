"""Starts a thread with the interpreter, and notes in which process it did."""

import os
import threading
import time

with open(os.environ["STARTED"], "a") as file:
    file.write(f"{os.getpid()}\n")


def export():
    while True:
        time.sleep(0.01)


threading.Thread(target=export, name="exporter", daemon=True).start()
