import concurrent.futures
import fcntl
import queue
import tempfile
import threading
import time

import app


def thread_pool(event):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        app.at_it()
        list(pool.map(time.sleep, [60, 60]))


def thread_join(event):
    thread = threading.Thread(target=time.sleep, args=(60,))
    thread.start()
    app.at_it()
    thread.join()


def lock(event):
    once = threading.Lock()
    once.acquire()
    app.at_it()
    with once:
        pass


def queue_get(event):
    app.at_it()
    return queue.Queue().get()


def file_lock(event):
    with tempfile.NamedTemporaryFile() as one, open(one.name) as other:
        fcntl.flock(one, fcntl.LOCK_EX)
        app.at_it()
        fcntl.flock(other, fcntl.LOCK_EX)
