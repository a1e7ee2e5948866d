import concurrent.futures
import multiprocessing
import os
import subprocess
import time

import app

STUBBORN = "trap '' TERM INT HUP ALRM QUIT; sleep 60"
fork = multiprocessing.get_context("fork")


def run(event):
    app.at_it()
    subprocess.run(["sleep", "60"], check=True)


def stubborn_in_new_session(event):
    """Wait for one that ignores signals, has left the process group and knows nothing of this environment."""
    with subprocess.Popen(["/bin/sh", "-c", STUBBORN], start_new_session=True, env={}):
        app.at_it()


def daemon(event):
    """Leave a process behind that has lost its parent, and work on."""
    if not os.fork():
        os.setsid()
        if not os.fork():
            time.sleep(60)
        os._exit(0)
    os.wait()
    app.at_it()
    time.sleep(60)


def pool_map(event):
    with fork.Pool(2) as pool:
        app.at_it()
        pool.map(time.sleep, [60, 60])


def process_join(event):
    process = fork.Process(target=time.sleep, args=(60,))
    process.start()
    app.at_it()
    process.join()


def process_pool(event):
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=fork) as pool:
        app.at_it()
        list(pool.map(time.sleep, [60, 60]))


def waitpid(event):
    pid = os.posix_spawn("/bin/sleep", ["sleep", "60"], os.environ)
    app.at_it()
    return os.waitpid(pid, 0)


def pipe_read(event):
    reading, writing = os.pipe()
    app.at_it()
    return os.read(reading, writing)


def replaced_by_exec(event):
    app.at_it()
    os.execv("/bin/sleep", ["sleep", "60"])
