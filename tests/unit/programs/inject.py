"""Raise errors at each statement of the layer's that runs because of a signal; JSON says what came of it.

Run by each Python: `inject.py EVERY`, one of so many statements, and another kind of error for each. The statements are
told apart by a call that is put before each of them when the layer's modules are imported: trace functions could not
look into trace functions.
"""

import ast
import builtins
import gc
import importlib.abc
import importlib.machinery
import itertools
import json
import os
import signal
import sys
import time

import awslambdaric.lambda_runtime_exception  # noqa: F401  # where the layer looks for it
import runtime_client

# This program is not a part of the function, whose own code is looked through.
del __file__

EVERY = int(sys.argv[1])
KINDS = (RecursionError, MemoryError, OSError, ImportError)
# Of the shim, only what the watchdog calls; of what a function says of its progress, what keeps its state; of what
# comes once the handler has ended, what becomes of the process.
ONLY = {
    "bootstrap": {"_put_off", "_capture", "_get_alarm", "_call_off", "_note_where", "_note_swallowed", "_error"},
    "finding": {"note_own_alarm", "note_stack"},
    "after_handler": {"_say_own_alarm"},
    "own_code": {"is_own", "is_worker"},
    "progress": {"keep_state", "_keep", "_put", "_encode"},
}
MODULES = {
    "alarm",
    "aliases",
    "boundary",
    "bootstrap",
    "bytecode",
    "value_kinds",
    "after_handler",
    "remaining_turns",
    "exception_table",
    "finding",
    "side_effects",
    "own_code",
    "code_facts",
    "loops",
    "state_writers",
    "progress",
    "other_writers",
    "plain_iterables",
    "search",
    "skipped_code",
    "snapshots",
    "state",
    "stepping",
    "response_streams",
    "symbols",
    "event_loop_tasks",
    "touches",
    "trust",
    "loop_turns",
    "watchdog",
}
# Before the first invocation; or what belongs to the function.
NOT = {"__init__", "adopt", "stand_by", "detach", "_pass_on", "prepare", "_set"}


# What a signal may come in the middle of, as it follows the program.
SEARCH = ("search:", "stepping:", "loop_turns:")


class Again:
    """Not an error: the signal once more."""


class Lines:
    """What is called before each statement."""

    def __init__(self):
        self.hits = None
        self.target = self.kind = None
        # Whether the last one came while it was judged what becomes of the process.
        self.was_in_judgement = False

    def __call__(self, where):
        if self.hits is not None:
            self.hits.append(where)
        elif where == self.target:
            self.target = None
            if self.kind is not Again:
                self.was_in_judgement = is_called_by("_judge", "verdict")
                raise self.kind("injected")
            # The time to look for a place is over, of all moments now.
            shim.watchdog._waits_until = min(shim.watchdog._waits_until, time.monotonic())
            signal.raise_signal(signal.SIGALRM)


def is_called_by(*names):
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name in names:
            return True
        frame = frame.f_back
    return False


class Marked(ast.NodeTransformer):
    """Puts a call before each statement of the functions that matter."""

    def __init__(self, name):
        self.name = name
        self.is_inside = False

    def visit_FunctionDef(self, node):
        only = ONLY.get(self.name)
        if not self.is_inside and (node.name in NOT or only and node.name not in only):
            return node
        was, self.is_inside = self.is_inside, True
        self.generic_visit(node)
        self.is_inside = was
        return node

    def generic_visit(self, node):
        super().generic_visit(node)
        if self.is_inside:
            for part in ("body", "orelse", "finalbody"):
                block = getattr(node, part, None)
                if isinstance(block, list):
                    setattr(node, part, [one for statement in block for one in self.marked(statement)])
        return node

    def marked(self, statement):
        """A `try` does nothing by itself, its first statement has a mark; returning a constant cannot fail."""
        is_constant = isinstance(getattr(statement, "value", None), ast.Constant)
        nothing_fails = is_constant and isinstance(statement, (ast.Expr, ast.Return))
        if nothing_fails or isinstance(statement, (ast.Try, ast.FunctionDef, ast.ClassDef, ast.Global, ast.Nonlocal)):
            return [statement]
        where = ast.Constant(f"{self.name}:{statement.lineno}")
        call = ast.Expr(ast.Call(ast.Name("lines_of_layer", ast.Load()), [where], []))
        return [ast.copy_location(ast.fix_missing_locations(ast.copy_location(call, statement)), statement), statement]


class Loader(importlib.machinery.SourceFileLoader):
    """Compiles with the marks."""

    def get_code(self, fullname):
        path = self.get_filename(fullname)
        tree = Marked(fullname.rpartition(".")[2]).visit(ast.parse(self.get_data(path)))
        return compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)


class Finder(importlib.abc.MetaPathFinder):
    """Finds the layer's modules that are marked."""

    def find_spec(self, fullname, path, target=None):
        name = fullname.rpartition(".")[2]
        if not fullname.startswith("carryon.") or name not in MODULES:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        spec.loader = Loader(fullname, spec.origin)
        return spec


lines = builtins.lines_of_layer = Lines()
sys.meta_path.insert(0, Finder())

import carryon  # noqa: E402
from carryon.runtime import after_handler, bootstrap, watchdog  # noqa: E402, F401
from carryon.shared import settings  # noqa: E402
from carryon.shared.board import CAPTURE_SIGNAL, LEFT, PHASE, SPENT, Board  # noqa: E402

FUNCTION = """
import asyncio, signal
import carryon

a = b = 0


def loop(at, number, turns=300, again=0):
    global a, b
    a = b = 0
    for turn in range(turns):
        a += 1
        if turn == at:
            ring(number)
            at += again
        b += 1
    return a - b


def captured(event, context):
    return loop(50, 43) + loop(100, 43)


def in_time(event, context):
    return loop(-1, 0)


def alarm(event, context):
    return loop(50, signal.SIGALRM, 500_000)


def between(event, context):
    for turn in range(5_000_000):
        if turn == 50:
            ring(signal.SIGALRM)
    return 0


class Entered:
    def __init__(self, number):
        self.number = number

    def __enter__(self):
        ring(self.number)

    def __exit__(self, *error):
        pass


def entering(event, context):
    with Entered(signal.SIGALRM):
        return loop(-1, 0, 500_000)


class Destroyed:
    def __del__(self):
        ring(signal.SIGALRM)
        for _ in range(100):
            pass


def destructor(event, context):
    Destroyed()
    return loop(-1, 0, 500_000)


def shield(event, context):
    with carryon.shield():
        ring(signal.SIGALRM)
    return loop(-1, 0, 500_000)


def understudy(event, context):
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    try:
        # The supervisor sends it again as well, until it has had an effect.
        return loop(50, 41, 500_000, 5_000)
    finally:
        signal.signal(signal.SIGALRM, before)


def writing():
    global a
    while True:
        a += 1
        yield


def not_found(event, context):
    # Nothing is proved as long as it may go on.
    suspended = writing()
    next(suspended)
    return loop(50, signal.SIGALRM, 500_000)


def in_event_loop(event, context):
    async def work():
        return loop(50, signal.SIGALRM, 500_000)

    return asyncio.run(work())

"""
IN_TIME = {"captured", "in_time"}
TIME_IS_UP = "Carryon.TimeIsUp"
# Whose process may serve on.
KEPT = {("alarm", "with"), ("between", "without")}
STATES = {"with": {"CARRYON_STATE": "a,b"}, "without": {}}
INTERRUPTED = ("alarm", "between", "entering", "destructor", "shield", "understudy", "in_event_loop")
SCENARIOS = [("captured", "with"), *((name, state) for state in STATES for name in INTERRUPTED)]

# How long after now it is, where that is set: time can be up at once.
ahead_s = [0.0]


def ring(number):
    """A library's, which the function calls."""
    ahead_s[0] = 0.0 if number == CAPTURE_SIGNAL else 1_000.0
    signal.raise_signal(number)


function = runtime_client.load_function(FUNCTION, ring=ring)


def answer(handler, body):
    """The client posts it, or the kind of an error."""
    try:
        posted.append(handler(json.loads(body), None))
    except Exception as error:
        posted.append(getattr(error, "exception_type", type(error).__name__))


class Ended(BaseException):
    """The process would have been replaced."""


class BoardOfOne(Board):
    """With no supervisor behind it, that would end this process once it may not serve on."""

    def wake_supervisor(self):
        if self.words[PHASE] in (LEFT, SPENT):
            raise Ended


def own(*_):
    """The function's own handler, set before."""


posted = []
board = BoardOfOne()
shim = None


def environment(state, margin="100ms"):
    global shim
    if shim is not None:
        # References to the function's code are counted.
        shim.found.stack.clear()
        if shim._alarm is not None:
            shim._alarm._points = None
    client = runtime_client.make(lambda name: getattr(function, name.rpartition(".")[2]), answer)
    # What is searched for has half of the rest of the margin, after which the alarm is raised without.
    environ = {"CARRYON_MARGIN": margin, **STATES[state]}
    shim = bootstrap.Shim(client, settings.parse(environ), lambda: (board, None, ""), None)
    shim.install()
    shim._get_handler("function.in_time")
    shim.watchdog._clock = lambda: time.time() + ahead_s[0]
    return shim


def invoke(shim, name):
    """What an invocation comes to: its answer, or the kind of its error; and whether the process may serve on.

    It does so all the same, which is more than is asked of it.
    """
    posted.clear()
    is_kept = True
    ahead_s[0] = 0.0
    handler = shim._get_handler(f"function.{name}")
    try:
        runtime_client.receive_event(shim, handler)
    except Ended:
        is_kept = shim.is_spent = False
        if not posted:
            # By the supervisor.
            posted.append(TIME_IS_UP)
    except BaseException as error:
        posted.append(type(error).__name__)
    return posted[0] if len(posted) == 1 else posted[:], is_kept


def tools():
    monitoring = getattr(sys, "monitoring", None)
    return [tool for tool in range(6) if monitoring.get_tool(tool)] if monitoring else []


def complaints(shim, name, outcome):
    """What is wrong, after the invocation that was hit."""
    if outcome != 0 and (name in IN_TIME or outcome != TIME_IS_UP):
        yield f"it came to {outcome!r}"
    if signal.getsignal(signal.SIGALRM) is not own:
        yield f"the signal is {signal.getsignal(signal.SIGALRM)}"
    remaining_s, interval_s = signal.getitimer(signal.ITIMER_REAL)
    if not (400 < remaining_s <= 500 and interval_s == 7):
        yield f"the timer has {remaining_s} s left, and {interval_s} s again and again"
    if sys.gettrace() is not None or sys.unraisablehook is not hook or tools():
        yield f"left: {sys.gettrace()} {sys.unraisablehook} {tools()}"
    if not gc.isenabled():
        yield "no garbage is collected"
    if shim.watchdog.is_busy or shim.watchdog.phase != watchdog.OFF:
        yield f"busy {shim.watchdog.is_busy}, phase {shim.watchdog.phase}"


def set_own():
    gc.enable()
    signal.signal(signal.SIGALRM, own)
    signal.setitimer(signal.ITIMER_REAL, 500, 7)


def statements(name, state):
    """Those that run, in their order, and what the invocation comes to."""
    set_own()
    # Enough to find what is there on a busy machine.
    shim = environment(state, "2s" if (name, state) in KEPT else "100ms")
    lines.hits = []
    outcome, is_kept = invoke(shim, name)
    hits, lines.hits = lines.hits, None
    return list(dict.fromkeys(hits)), outcome, shim.found.state_known, is_kept


def complaints_with(name, state, target, kind):
    """What is wrong with an invocation with that error there, and with the next two."""
    set_own()
    shim = environment(state)
    lines.target, lines.kind, lines.was_in_judgement = target, kind, False
    outcome, is_kept = invoke(shim, name)
    lines.target = None
    if is_kept and lines.was_in_judgement:
        yield "kept, which nobody has found out"
    yield from complaints(shim, name, outcome)
    for after in ("in_time", name):
        outcome, _ = invoke(shim, after)
        for one in complaints(shim, after, outcome):
            yield f"in the next, {after}: {one}"
        if after not in IN_TIME and outcome != TIME_IS_UP:
            yield f"no alarm any more: {outcome}"


hook = sys.unraisablehook
# One that has another name by now would have no marks.
shipped = {name.removesuffix(".py") for _, _, names in os.walk(os.path.dirname(carryon.__file__)) for name in names}
wrong = [["no module of the layer's", name] for name in sorted({*MODULES, *ONLY} - shipped)]
pairs = []
kinds = itertools.cycle(KINDS[sys.version_info.minor % len(KINDS) :] + KINDS[: sys.version_info.minor % len(KINDS)])
found_out = os.dup(1)
# The layer's own lines.
os.dup2(os.open("/dev/null", os.O_WRONLY), 1)
for name, state in SCENARIOS:
    # The first one imports.
    statements(name, state)
    where, outcome, known, is_kept = statements(name, state)
    if outcome != (0 if name in IN_TIME else TIME_IS_UP):
        wrong.append([name, state, f"without an error it comes to {outcome}"])
    if (name, state) in KEPT and not is_kept:
        wrong.append([name, state, f"it was replaced: {shim.found.stopped_how}"])
    if name == "alarm" and known != ("boundary" if state == "with" else None):
        wrong.append([name, state, f"no place was found: {known}"])
    pairs += [(name, state, target, next(kinds)) for target in where]
    if name in ("alarm", "between"):
        pairs += [(name, state, target, Again) for target in where if target.startswith(SEARCH)]
# All kinds get their turn.
taken = pairs[:: EVERY | 1]
for name, state, target, kind in taken:
    wrong += [[name, state, target, kind.__name__, one] for one in complaints_with(name, state, target, kind)]
# The time for a search is over at any moment of it.
for _ in range(max(20, 2_000 // EVERY)):
    set_own()
    shim = environment("with")
    wrong += [["not_found", one] for one in complaints(shim, "not_found", invoke(shim, "not_found")[0])]
signal.setitimer(signal.ITIMER_REAL, 0)
os.write(found_out, json.dumps({"taken": len(taken), "pairs": len(pairs), "wrong": wrong}).encode())
