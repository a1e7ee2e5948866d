import atexit
import threading

atexit.register(print, "at exit")
started = threading.Event()


def work():
    started.set()
    threading.Event().wait()


threading.Thread(target=work, daemon=True, name="background").start()
started.wait()


def handler(event, context):
    return sorted(thread.name for thread in threading.enumerate())
