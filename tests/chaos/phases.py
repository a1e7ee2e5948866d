"""The twelve phases in which a process is struck: how each is met, and how an invocation may end that was struck there.

Where a phase lasts, it is met from outside, by what the function, the endpoint or the kernel tells. Where it lasts for
microseconds, the process strikes itself, at a step that is drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from signal import SIGKILL
from typing import NamedTuple

from .scene import STOPPED_S, Scene, parent

IMPORT_S = 0.3
# The courier is there this much earlier than the alarm, and a little more.
_COURIER_S = 0.8
_ANSWER_S = 0.05
# Of the blows, those that come before the continuation has arrived.
_BEFORE_ARRIVAL_SHARE = 0.6
# Of the blows after the answer, those that come before the invocation is over for the supervisor.
_NOT_OVER_SHARE = 0.7
# Of the blows to the supervisor, those between invocations, and those in the hand-over and the delivery.
_IDLE_SHARE = 0.2
_HAND_OVER_SHARE = 0.4

# How an invocation ended, and how many continuations of it arrived.
FINISHED = "finished", 0
CONTINUED = "continued", 1
CRASHED = "Runtime.ExitError", 0
# Lambda delivers an event again whose invocation has failed. That the courier may have been heard is said in the log.
UNDELIVERED = "Carryon.DeliveryFailed", 0
IN_DOUBT = "Carryon.DeliveryFailed", 1
# Nobody is left to answer: as the platform reports a runtime that has died.
DEAD = "dead environment", 0
DEAD_AFTER_HAND_OVER = "dead environment", 1
# Where the stop lasts past the deadline, or until shortly before it.
TIMED_OUT = "timed out", 0
TIMED_OUT_AFTER_HAND_OVER = "timed out", 1

# What else may happen on a machine that runs nobody for a while.
OUT_OF_TIME = {TIMED_OUT, TIMED_OUT_AFTER_HAND_OVER, UNDELIVERED, IN_DOUBT}

Ending = tuple[str, int]


class Allowed(NamedTuple):
    """How an invocation may end that was struck, with SIGKILL or with SIGSTOP for a second."""

    killed: set[Ending]
    stopped: set[Ending]

    def after(self, blow: int, on_crash: str) -> set[Ending]:
        """How it may end after this signal, under this CARRYON_ON_CRASH."""
        endings = self.killed if blow == SIGKILL else self.stopped
        return {CONTINUED if ending == CRASHED and on_crash == "continue" else ending for ending in endings}


_ALARM = ["call", "carryon/runtime/watchdog.py", "_on_alarm"]
_CAPTURE = ["call", "carryon/runtime/state.py", "capture"]
_CAPTURED = ["return", "carryon/runtime/state.py", "capture"]
_CONCLUDE = ["call", "carryon/runtime/after_handler.py", "conclude"]
_DECIDE = ["call", "carryon/shared/handover.py", "decide"]
DELIVER = ["call", "carryon/shared/delivery.py", "ask"]
DELIVERED = ["return", "carryon/shared/delivery.py", "ask"]
_POST = ["call", "awslambdaric/lambda_runtime_client.py", "post_invocation_result"]
_POSTED = ["return", "awslambdaric/lambda_runtime_client.py", "post_invocation_result"]
# The last step of it before the process may ask for the next event.
_FORGOTTEN = ["return", "carryon/shared/board.py", "put_outcome"]
_OVER = ["return", "carryon/shared/board.py", "finish"]
_NEXT = ["call", "awslambdaric/lambda_runtime_client.py", "wait_next_invocation"]


def _before_the_alarm(scene: Scene) -> Allowed:
    scene.begin("work")
    runtime = scene.says("working")
    scene.after(scene.alarm_s - 0.2)
    scene.strike(runtime)
    return Allowed({CRASHED}, {CONTINUED})


def _in_the_alarm_handler(scene: Scene) -> Allowed:
    scene.set_trap("work", _ALARM, _CAPTURE, 20)
    return Allowed({CRASHED}, {CONTINUED})


def _at_the_safe_point(scene: Scene) -> Allowed:
    scene.set_trap("work", _CAPTURE, _CAPTURED, 30)
    return Allowed({CRASHED}, {CONTINUED})


def _in_clean_up(scene: Scene) -> Allowed:
    # Ends before D - R.
    clean_up_s = scene.margin_s * 0.4
    scene.begin("work", clean_up_s=clean_up_s)
    runtime = scene.says("cleaning")
    scene.after(clean_up_s * 0.7)
    scene.strike(runtime)
    return Allowed({CRASHED}, {CONTINUED})


def _in_the_hand_over(scene: Scene) -> Allowed:
    # The first takes longer: left-over threads, log line, imports. Then the board says that the handler has ended.
    if scene.chance.random() < 0.5:
        scene.set_trap("work", _CONCLUDE, DELIVER, 1_000)
        return Allowed({CRASHED, CONTINUED}, {CONTINUED})
    scene.set_trap("work", _DECIDE, DELIVER, 30)
    return Allowed({CONTINUED}, {CONTINUED})


def _during_delivery(scene: Scene) -> Allowed:
    def answer_soon() -> None:
        scene.after(_ANSWER_S)
        scene.release()

    if scene.chance.random() < _BEFORE_ARRIVAL_SHARE:
        scene.set_trap("work", DELIVER, DELIVERED, 80)
    else:
        scene.hold_acceptance()
        scene.begin("work")
        runtime = scene.says("working")
        scene.wait_for_call()
        scene.strike(runtime, answer_soon)
    return Allowed({CONTINUED}, {CONTINUED})


def _between_accepted_and_answer(scene: Scene) -> Allowed:
    scene.set_trap("work", DELIVERED, _POST, 300)
    return Allowed({CONTINUED}, {CONTINUED})


def _answer_posted(scene: Scene) -> Allowed:
    if scene.chance.random() < _NOT_OVER_SHARE:
        scene.set_trap("work", _POSTED, _FORGOTTEN, 20)
        return Allowed({CONTINUED}, {CONTINUED})
    # From here on the process may be waiting for the next event, which nobody may then wait for in its place.
    scene.set_trap("work", _OVER, _NEXT, 10)
    return Allowed({DEAD_AFTER_HAND_OVER}, {CONTINUED, TIMED_OUT_AFTER_HAND_OVER})


def _in_get_next(scene: Scene) -> Allowed:
    scene.strike(scene.runtime(), lambda: _begin_soon(scene))
    return Allowed({DEAD}, {FINISHED})


def _begin_soon(scene: Scene) -> None:
    scene.after(STOPPED_S * 0.9)
    scene.begin("finish")


def _in_the_respawned_import(scene: Scene) -> Allowed:
    scene.function.invoke({"do": "die"})
    importing = scene.imports()
    do, ending = scene.chance.choice([("finish", FINISHED), ("work", CONTINUED)])
    scene.begin(do)
    runtime = importing()
    scene.after(IMPORT_S * 0.7)
    scene.strike(runtime)
    return Allowed({CRASHED}, {ending})


def _in_the_supervisor(scene: Scene) -> Allowed:
    share = scene.chance.random()
    if share < _IDLE_SHARE:
        scene.strike(parent(scene.runtime()), lambda: _begin_soon(scene))
        return Allowed({DEAD}, {FINISHED})
    if share < _IDLE_SHARE + _HAND_OVER_SHARE:
        scene.set_trap("work", _DECIDE, DELIVERED, 120, for_supervisor=True)
    else:
        scene.begin("work")
        supervisor = parent(scene.says("working"))
        scene.after(scene.alarm_s - 0.2)
        scene.strike(supervisor)
    # A process that was interrupted waits for the supervisor to replace it, as long as that is stopped.
    stopped = {CONTINUED, UNDELIVERED, IN_DOUBT, TIMED_OUT, TIMED_OUT_AFTER_HAND_OVER}
    return Allowed({DEAD, DEAD_AFTER_HAND_OVER}, stopped)


def _in_the_courier(scene: Scene) -> Allowed:
    if scene.chance.random() < 0.5:
        scene.hold_acceptance()
        scene.begin("work")
        courier = scene.courier(parent(scene.says("working")))
        scene.wait_for_call()
        scene.strike(courier, scene.release)
        return Allowed({IN_DOUBT}, {CONTINUED, IN_DOUBT})
    scene.begin("work")
    courier = scene.courier(parent(scene.says("working")))
    scene.after(_COURIER_S)
    scene.strike(courier)
    # Another one may not be ready in time.
    return Allowed({CONTINUED, UNDELIVERED}, {CONTINUED, UNDELIVERED, IN_DOUBT})


# Each invokes the function and strikes it in that phase.
PHASES: dict[str, Callable[[Scene], Allowed]] = {
    "before the alarm": _before_the_alarm,
    "in the alarm handler": _in_the_alarm_handler,
    "at the safe point": _at_the_safe_point,
    "in clean-up": _in_clean_up,
    "in the hand-over": _in_the_hand_over,
    "during delivery": _during_delivery,
    "between accepted and answer": _between_accepted_and_answer,
    "answer posted": _answer_posted,
    "in GET next": _in_get_next,
    "in the respawned import": _in_the_respawned_import,
    "in the supervisor": _in_the_supervisor,
    "in the courier": _in_the_courier,
}
