"""What a function can see of its process."""

import _signal
import importlib.util
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading

# Two of the layer's own, and those by which a process crashes, whose stack the layer has written.
LAYERS = {41, 42, signal.SIGSEGV, signal.SIGFPE, signal.SIGABRT, signal.SIGBUS, signal.SIGILL}


def _dispositions():
    numbers = sorted(int(number) for number in _signal.valid_signals() if number not in (41, 42))
    return {number: repr(_signal.getsignal(number)) for number in numbers}


def _mask(text):
    return [number for number in range(1, 65) if int(text, 16) >> (number - 1) & 1 and number not in LAYERS]


def _state():
    main = sys.modules["__main__"]
    status = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\t" in line)
    return {
        "argv": sys.argv,
        "orig_argv": sys.orig_argv,
        "executable": sys.executable,
        "path": sys.path,
        # The layer's own waits there for botocore where there is a target.
        "meta_path": [
            repr(finder) if "0x" not in repr(finder) else ""
            for finder in sys.meta_path
            if type(finder).__module__ != "carryon.runtime.import_hook"
        ],
        "path_hooks": len(sys.path_hooks),
        "flags": repr(sys.flags),
        "xoptions": sys._xoptions,
        "warnoptions": sys.warnoptions,
        "main": {name: repr(value) for name, value in vars(main).items() if "0x" not in repr(value)},
        "main_names": list(vars(main)),
        "cwd": os.getcwd(),
        "environ": {name: value for name, value in os.environ.items() if not name.startswith("CARRYON_")},
        "threads": [thread.name for thread in threading.enumerate()],
        "main_thread": threading.current_thread() is threading.main_thread(),
        "dispositions": _dispositions(),
        "masks": [_mask(status[name]) for name in ("SigBlk", "SigIgn", "SigCgt")],
        "timer": signal.getitimer(signal.ITIMER_REAL),
        "umask": status.get("Umask"),
        "nice": os.nice(0),
        "limits": {
            name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")
        },
        "recursion_limit": sys.getrecursionlimit(),
        "hooks": [repr(hook) for hook in (sys.excepthook, sys.unraisablehook, threading.excepthook)],
        "trace": [repr(sys.gettrace()), repr(sys.getprofile())],
        "oom": open("/proc/self/oom_score_adj").read(),
        "children": len(open(f"/proc/self/task/{os.getpid()}/children").read().split()),
    }


AT_IMPORT = _state()


def at_import(event, context):
    return AT_IMPORT


def in_handler(event, context):
    state = _state()
    # The alarm of the invocation that is running is what the layer is for.
    for number in (signal.SIGALRM,):
        del state["dispositions"][number]
    del state["timer"], state["masks"]
    return state


def descriptors(event, context):
    """What each open descriptor is, and whether a new program gets it."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}").split(":[")[0]
            found.append([target.rpartition("/")[2].split("-")[0], os.get_inheritable(int(name))])
        except OSError:
            continue  # of the listing itself
    return sorted(found)


def main_is_importable(event, context):
    spec = importlib.util.find_spec("surroundings")
    return [spec.name, spec.origin, type(spec.loader).__name__]


def _in_child(connection):
    connection.send([sys.argv, sys.path, os.getcwd(), _dispositions(), signal.getitimer(signal.ITIMER_REAL)])
    connection.close()


def _child_by(method):
    here, there = multiprocessing.get_context(method).Pipe()
    child = multiprocessing.get_context(method).Process(target=_in_child, args=(there,))
    child.start()
    there.close()
    result = here.recv()
    child.join()
    return [result, child.exitcode]


def spawn(event, context):
    return _child_by("spawn")


def fork(event, context):
    return _child_by("fork")


def forkserver(event, context):
    # From Python 3.14 on the default. The server outlives the invocation, so it is ended here.
    from multiprocessing import forkserver as module

    try:
        return _child_by("forkserver")
    finally:
        module._forkserver._stop()


def bare_fork(event, context):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, repr([sys.argv, signal.getitimer(signal.ITIMER_REAL), _dispositions()]).encode())
        os._exit(7)
    os.close(writer)
    text = os.fdopen(reader).read()
    return [text, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])]


def command(event, context):
    code = "import os, sys, _signal; print(sys.argv, sys.path, sorted(os.environ), _signal.getsignal(14))"
    done = subprocess.run([sys.executable, "-c", code, "x"], capture_output=True, text=True)
    status = subprocess.run(["grep", "^Sig[BI]", "/proc/self/status"], capture_output=True, text=True).stdout
    return [done.returncode, done.stdout, done.stderr, status]


def no_child_to_wait_for(event, context):
    try:
        return os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return "no child"


def stack(event, context):
    frame = sys._getframe()
    return frame.f_code.co_name
