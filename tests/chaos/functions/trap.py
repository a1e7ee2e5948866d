"""Strike this process or its parent at a place in other code that is passed too quickly to be hit from outside.

A profile function sees every call and return of the main thread, in signal handlers too, and changes nothing of what
the code does. It is not the tracing that the layer may use itself.
"""

import os
import sys


def spring(trap, request_id):
    """Send a signal at the given step (a call or a return) within a stretch of code.

    The stretch begins and ends with the call or the return of a function: `[event, end of the file's name, name]`.
    Where it has fewer steps, the signal comes at its end.
    """
    begin, end, steps = trap["begin"], trap["end"], trap["steps"]
    passed = -1

    def profile(frame, event, argument):
        nonlocal passed
        at = [event, frame.f_code]
        if passed < 0 and not _is(at, begin):
            return
        passed += 1
        if passed >= steps or passed and _is(at, end):
            sys.setprofile(None)
            place = f"step {passed}, {event} {getattr(argument, '__name__', frame.f_code.co_name)}"
            pid = os.getppid() if trap["parent"] else os.getpid()
            os.write(1, f"struck {request_id} {pid} {place}\n".encode())
            os.kill(pid, trap["signal"])

    sys.setprofile(profile)


def _is(at, wanted):
    event, code = at
    return [event, code.co_name] == [wanted[0], wanted[2]] and code.co_filename.endswith(wanted[1])


def disarm():
    """Let go of a trap of the invocation before that was not reached."""
    sys.setprofile(None)
