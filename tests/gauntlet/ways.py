"""The ways to be stuck or to die, and how an invocation ends that takes one of them with Carry On in place."""

from __future__ import annotations

from typing import NamedTuple

CONTINUED = "continued"
DIED = "Runtime.ExitError"


class Way(NamedTuple):
    """What a handler does.

    Args:
        ending: CONTINUED, or the error type that the invocation fails with.
        text: for the reader of a table.
        service: what it blocks on, a key of the event that `services.py` has a server for.
        busy: whether it keeps a core busy. A function has its share of the CPU for itself, so one at a time does.
    """

    ending: str
    text: str
    service: str = ""
    busy: bool = False


WAYS = {
    "stuck_in_boto3.s3_read": Way(CONTINUED, "boto3: the server never answers", "silent"),
    "stuck_in_network.urllib3_request": Way(CONTINUED, "urllib3: the server never answers", "silent"),
    "stuck_in_network.socket_recv": Way(CONTINUED, "`socket.recv`", "silent"),
    "stuck_in_grpc.unary_call": Way(CONTINUED, "gRPC: the server never answers", "grpc"),
    "stuck_in_psycopg.pg_sleep": Way(CONTINUED, "psycopg: a query that takes a minute", "postgres"),
    "stuck_in_psycopg.pg_lock": Way(CONTINUED, "psycopg: a lock that is never released", "postgres"),
    "stuck_in_sqlite.long_query": Way(CONTINUED, "sqlite3: an endless query", busy=True),
    "stuck_in_sqlite.lock_wait": Way(CONTINUED, "sqlite3: waits for a locked database"),
    "stuck_in_numpy.matmul": Way(CONTINUED, "numpy: one long matrix product", busy=True),
    "stuck_in_c.pbkdf2": Way(CONTINUED, "`hashlib.pbkdf2_hmac`", busy=True),
    "stuck_in_c.regular_expression": Way(CONTINUED, "`re`: catastrophic backtracking", busy=True),
    "stuck_in_c.endless_iterator": Way(CONTINUED, "an endless iterator in C, GIL held", busy=True),
    "stuck_in_c.deadlock_with_gil": Way(CONTINUED, "a deadlock in C, GIL held"),
    "stuck_in_c.deadlock_without_gil": Way(CONTINUED, "a deadlock in C, GIL released"),
    "stuck_in_processes.run": Way(CONTINUED, "`subprocess.run`"),
    "stuck_in_processes.stubborn_in_new_session": Way(CONTINUED, "subprocess in a session of its own, ignores signals"),
    "stuck_in_processes.daemon": Way(CONTINUED, "a daemon was started (double fork)"),
    "stuck_in_processes.pool_map": Way(CONTINUED, "`multiprocessing.Pool.map`"),
    "stuck_in_processes.process_join": Way(CONTINUED, "`multiprocessing.Process.join`"),
    "stuck_in_processes.process_pool": Way(CONTINUED, "`ProcessPoolExecutor` in a `with`"),
    "stuck_in_processes.waitpid": Way(CONTINUED, "`os.waitpid`"),
    "stuck_in_processes.pipe_read": Way(CONTINUED, "reads a pipe that nobody writes to"),
    "stuck_in_threads.thread_pool": Way(CONTINUED, "`ThreadPoolExecutor` in a `with`"),
    "stuck_in_threads.thread_join": Way(CONTINUED, "`Thread.join`"),
    "stuck_in_threads.lock": Way(CONTINUED, "a `threading.Lock` taken twice"),
    "stuck_in_threads.queue_get": Way(CONTINUED, "`queue.get`"),
    "stuck_in_threads.file_lock": Way(CONTINUED, "`fcntl.flock`"),
    "stuck_in_asyncio.sleep": Way(CONTINUED, "`asyncio.run`, awaits something"),
    "stuck_in_asyncio.to_thread": Way(CONTINUED, "`asyncio.to_thread`"),
    "stuck_in_asyncio.swallowed_cancellation": Way(CONTINUED, "asyncio, `CancelledError` swallowed"),
    "swallows.base_exception": Way(CONTINUED, "`except BaseException: pass` in a loop"),
    "swallows.bare_except": Way(CONTINUED, "bare `except:` in a loop"),
    "swallows.long_finally": Way(CONTINUED, "`finally` that takes too long"),
    "swallows.generator": Way(CONTINUED, "a generator that catches everything"),
    "swallows.destructor": Way(CONTINUED, "sleeps in `__del__`"),
    "takes_signals.all_masked": Way(CONTINUED, "all signals masked"),
    "takes_signals.alarm_cancelled": Way(CONTINUED, "`signal.alarm(0)`"),
    "takes_signals.timer_cancelled": Way(CONTINUED, "`signal.setitimer(ITIMER_REAL, 0)`"),
    "takes_signals.alarm_ignored": Way(CONTINUED, "SIGALRM ignored"),
    "takes_signals.timeout_decorator": Way(CONTINUED, "timeout-decorator with a longer time"),
    "stuck_in_processes.replaced_by_exec": Way(DIED, "`os.execv`"),
    "dies.segmentation_fault": Way(DIED, "segmentation fault"),
    "dies.killed": Way(DIED, "SIGKILL, as from the kernel out of memory"),
    "dies.os_exit": Way(DIED, "`os._exit(3)`"),
    "dies.sys_exit": Way(DIED, "`sys.exit()`"),
    "dies.keyboard_interrupt": Way(DIED, "KeyboardInterrupt"),
    "dies.abort": Way(DIED, "`os.abort()`"),
    "dies.out_of_memory": Way(DIED, "a C++ library finds no memory"),
    "dies.stack_overflow": Way(DIED, "stack overflow in C"),
}
STUCK = [name for name, way in WAYS.items() if way.ending == CONTINUED]
DEADLY = [name for name, way in WAYS.items() if way.ending == DIED]
