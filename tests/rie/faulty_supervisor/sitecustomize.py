"""Lets calls of the supervisor fail, as the file PLAN says: a kind of plan, and for some of them a point.

A point is a call and the function of Carry On's that makes it. "record" writes down every point that is passed; "once"
and "always" let the point's call fail.
"""

import _socket
import builtins
import errno
import fcntl
import os
import sys

SUPERVISOR = os.getpid()
PLAN = os.environ.get("PLAN", "")
# What each call fails with: the errors that are said of it in the manual and come from outside.
ERRORS = {
    "os.fork": errno.EAGAIN,
    "os.pipe": errno.EMFILE,
    "os.kill": errno.ESRCH,
    "os.waitid": errno.ECHILD,
    "os.wait4": errno.ECHILD,
    "os.waitpid": errno.ECHILD,
    "os.open": errno.EMFILE,
    "open": errno.EMFILE,
    "os.listdir": errno.ENOMEM,
    "os.read": errno.ESRCH,
    "os.pread": errno.EIO,
    "os.write": errno.EPIPE,
    "os.fstat": errno.EIO,
    "os.ftruncate": errno.EIO,
    "os.lseek": errno.EIO,
    "fcntl.lockf": errno.ENOLCK,
    "socket": errno.EMFILE,
    "connect": errno.ECONNREFUSED,
    "sendall": errno.ECONNRESET,
    "recv": errno.ETIMEDOUT,
}
_open, _os_open, _read, _write, _close = builtins.open, os.open, os.read, os.write, os.close


def look(name):
    """Fail if that is planned of this call."""
    if os.getpid() != SUPERVISOR:
        return
    caller = sys._getframe(2)
    if "/carryon/" not in caller.f_code.co_filename:
        return
    try:
        plan = _os_open(PLAN, os.O_RDONLY)
    except OSError:
        return
    kind, _, planned = _read(plan, 1_000).decode().partition(" ")
    _close(plan)
    point = f"{name} in {caller.f_code.co_filename.rpartition('/')[2]} {caller.f_code.co_name}"
    if kind == "record":
        points = _os_open(f"{PLAN}.points", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        _write(points, f"{point}\n".encode())
        _close(points)
    elif point == planned:
        if kind == "once":
            os.unlink(PLAN)
        done = _os_open(f"{PLAN}.done", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        _write(done, f"{point}\n".encode())
        _close(done)
        if name not in ERRORS:
            raise MemoryError
        raise OSError(ERRORS[name], os.strerror(ERRORS[name]))


def failing(name, function):
    def call(*args, **named):
        look(name)
        return function(*args, **named)

    return call


class Socket(_socket.socket):
    __slots__ = ()

    def __init__(self, *args):
        look("socket")
        super().__init__(*args)

    def connect(self, *args):
        look("connect")
        super().connect(*args)

    def sendall(self, *args):
        look("sendall")
        super().sendall(*args)

    def recv(self, *args):
        look("recv")
        return super().recv(*args)


_import = builtins.__import__


def import_failing(name, names=None, local=None, fromlist=(), level=0):
    if level:
        look(f"import {name or '.'} {' '.join(fromlist or ())}")
    return _import(name, names, local, fromlist, level)


if PLAN:
    for name in ERRORS:
        module, _, function = name.rpartition(".")
        if module:
            owner = {"os": os, "fcntl": fcntl}[module]
            setattr(owner, function, failing(name, getattr(owner, function)))
    builtins.open = failing("open", builtins.open)
    _socket.socket = Socket
    builtins.__import__ = import_failing
