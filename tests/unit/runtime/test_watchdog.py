"""The alarm in this process: raised in the handler only, and everything it takes given back."""

import os
import random
import signal
import sys
import time
import weakref
from collections import Counter
from functools import partial

import pytest

from carryon.runtime.watchdog import CALLING, OFF, Watchdog
from carryon.shared.board import UNDERSTUDY_SIGNAL


class Alarm(BaseException):
    """What the watchdog raises here."""

    def __init__(self, in_event_loop):
        super().__init__()
        self.in_event_loop = in_event_loop


@pytest.fixture(autouse=True)
def _signal_given_back():
    """Every test leaves SIGALRM, the real timer and the hook for lost exceptions as it found them."""
    handler, timer = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)
    hook, sys.unraisablehook = sys.unraisablehook, sys.__unraisablehook__

    yield

    left_behind = signal.getsignal(signal.SIGALRM), signal.setitimer(signal.ITIMER_REAL, 0), sys.unraisablehook
    signal.signal(signal.SIGALRM, handler)
    sys.unraisablehook = hook
    assert (handler, timer, sys.__unraisablehook__) == left_behind


@pytest.fixture(name="fired_in")
def _fired_in():
    return []


@pytest.fixture(name="dog")
def _dog(fired_in):
    return Watchdog(Alarm, lambda frame: fired_in.append(frame.f_code.co_name), lambda: fired_in.append("nowhere"))


def call(dog, handler, after_s):
    """Call a handler as the shim does; returns (result, exception)."""
    assert dog.arm(sys._getframe(), time.time(), time.time() + after_s)
    dog.phase = CALLING
    try:
        result = handler()
    except BaseException as error:
        dog.phase = OFF
        dog.disarm()
        return None, error
    dog.phase = OFF
    dog.disarm()
    return result, None


def spin(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def test_a_handler_that_runs_out_of_time_is_interrupted(dog, fired_in):
    """The exception is raised where the handler is, after the callback has seen that frame."""
    result, error = call(dog, lambda: spin(30), 0.02)

    assert result is None
    assert isinstance(error, Alarm)
    assert dog.fired() is error
    assert fired_in == ["spin"]


def test_a_handler_that_ends_in_time_hears_nothing(dog):
    """No alarm, and none later."""
    assert call(dog, lambda: 7, 0.02) == (7, None)

    spin(0.04)

    assert dog.fired is None


def test_a_result_outlives_an_alarm_in_a_trace_function_of_the_callers_frame(dog):
    """A debugger traces our frame too: once the handler has returned it is not in it."""
    returned_at = []

    def trace(frame, event, _):
        if frame.f_code is not call.__code__:
            return None
        if returned_at and event == "line" and dog.phase == CALLING:
            spin(0.03)
        return trace

    def handler():
        returned_at.append(time.monotonic())
        return 7

    traced_before = sys.gettrace()
    sys.settrace(trace)
    try:
        outcome = call(dog, handler, 0.02)
    finally:
        sys.settrace(traced_before)

    assert time.monotonic() - returned_at[0] >= 0.03
    assert outcome == (7, None)
    assert isinstance(call(dog, lambda: spin(30), 0.02)[1], Alarm)


def test_every_handler_ends_with_its_result_or_with_the_alarm(dog, sample, record_property):
    """Whatever the instant: a handler that was not interrupted keeps its result, an interrupted one has none."""
    count = sample(20_000, 2_000)
    seed = random.Random(20_000)
    began, interrupted = {}, set()

    def handler(number, seconds):
        began[number] = True
        try:
            spin(seconds)
            return number
        except Alarm:
            interrupted.add(number)
            raise

    ends = Counter()
    for number in range(count):
        result, error = call(dog, partial(handler, number, 0.003 + seed.uniform(-0.002, 0.002)), 0.003)
        if number in interrupted:
            ends["interrupted"] += 1
            assert (result, error) == (None, dog.fired())
        elif number not in began:
            # On a busy machine the time can be over before the handler's first line.
            ends["not begun"] += 1
            assert (result, error) == (None, dog.fired())
        else:
            ends["finished"] += 1
            assert (result, error, dog.fired) == (number, None, None)

    record_property("sampled", f"handlers around the alarm: {dict(ends)}, no result lost, no interruption unseen")
    assert min(ends["interrupted"], ends["finished"]) > count / 10


def test_the_handler_before_is_back(dog):
    """A SIGALRM handler of the function's own is there again, after a result and after an alarm."""
    seen = []
    before = signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
    try:
        own = signal.getsignal(signal.SIGALRM)
        for seconds in (0, 30):
            call(dog, lambda s=seconds: spin(s), 0.01)
            assert signal.getsignal(signal.SIGALRM) is own
        assert seen == []
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_timer_before_is_back_less_the_time_that_has_passed(dog):
    """The remaining time of an earlier ITIMER_REAL goes on counting while ours runs, its interval is kept."""
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    try:
        signal.setitimer(signal.ITIMER_REAL, 60, 5)
        began = time.monotonic()
        call(dog, lambda: spin(0.05), 10)
        remaining, interval = signal.setitimer(signal.ITIMER_REAL, 0)
        elapsed = time.monotonic() - began

        assert remaining == pytest.approx(60 - elapsed, abs=0.01)
        assert interval == 5
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(("interval", "is_back"), [(5, True), (0, False)])
def test_after_an_alarm_only_a_timer_that_rings_again_and_again_is_back(dog, interval, is_back):
    """One that rings once belongs to what was cut short, and would ring in the next invocation."""
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    try:
        signal.setitimer(signal.ITIMER_REAL, 60, interval)
        _, error = call(dog, lambda: spin(30), 0.02)

        assert isinstance(error, Alarm)
        assert (signal.setitimer(signal.ITIMER_REAL, 0)[0] > 0) is is_back
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_timer_that_was_set_inside_does_not_outlive_an_alarm(dog):
    """Its handler stays, as the function has set it, and hears nothing more of this invocation."""

    def handler():
        signal.signal(signal.SIGALRM, lambda *_: None)
        signal.setitimer(signal.ITIMER_REAL, 100, 1)
        dog.leave(sys._getframe())

    try:
        _, error = call(dog, handler, 10)

        assert isinstance(error, Alarm)
        assert signal.setitimer(signal.ITIMER_REAL, 0) == (0.0, 0.0)
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


def test_a_timer_before_that_is_due_first_does_its_job(dog):
    """The function's own alarm rings when it would have rung, then ours."""
    seen = []
    before = signal.signal(signal.SIGALRM, lambda *_: seen.append(dog.phase))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        _, error = call(dog, lambda: spin(30), 0.06)

        assert seen == [CALLING]
        assert isinstance(error, Alarm)
        assert signal.setitimer(signal.ITIMER_REAL, 0) == (0.0, 0.0)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_what_the_handler_sets_for_itself_stays(dog):
    """A handler and a timer that the function sets inside the invocation are there after it, as without us."""
    before = signal.getsignal(signal.SIGALRM)

    def own(*_):
        pass

    def handler():
        signal.signal(signal.SIGALRM, own)
        signal.alarm(100)

    try:
        call(dog, handler, 10)
        assert signal.getsignal(signal.SIGALRM) is own
        assert signal.setitimer(signal.ITIMER_REAL, 0)[0] == pytest.approx(100, abs=1)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_timer_for_the_handler_that_was_there_rings(dog):
    """The function sets only the timer: its handler hears it, then the alarm comes as ever."""
    seen = []
    before = signal.signal(signal.SIGALRM, lambda *_: seen.append(dog.phase))

    def handler():
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
        spin(30)

    try:
        _, error = call(dog, handler, 0.1)
        assert isinstance(error, Alarm)
        assert 2 <= len(seen) <= 5
        assert signal.setitimer(signal.ITIMER_REAL, 0)[1] == 0.02
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_timer_that_was_set_for_later_is_left_running(dog):
    """It is the function's, whoever handles it then."""
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    try:
        call(dog, lambda: signal.alarm(100), 10)
        assert signal.setitimer(signal.ITIMER_REAL, 0)[0] == pytest.approx(100, abs=1)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_handler_without_a_timer_does_not_inherit_ours(dog):
    """The function took the signal and set no timer, so none is left running."""
    before = signal.getsignal(signal.SIGALRM)
    try:
        call(dog, lambda: signal.signal(signal.SIGALRM, lambda *_: None), 10)
        assert signal.setitimer(signal.ITIMER_REAL, 0) == (0.0, 0.0)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_signal_from_elsewhere_is_not_the_alarm(dog):
    """SIGALRM before its time, sent by hand, interrupts nothing and the alarm still comes on time."""
    began = time.time()

    def handler():
        os.kill(os.getpid(), signal.SIGALRM)
        spin(30)

    _, error = call(dog, handler, 0.05)

    assert isinstance(error, Alarm)
    assert time.time() - began >= 0.045


@pytest.mark.parametrize(("jump_s", "ends"), [(-5.0, "finished"), (-0.03, "interrupted"), (5.0, "interrupted")])
def test_the_alarm_goes_by_the_wall_clock(jump_s, ends):
    """Deadlines are wall clock times: set back, the clock puts the alarm off; a small jump does not lose it."""
    offset_s = 0.0
    dog = Watchdog(Alarm, lambda frame: None, lambda: None, lambda: time.time() + offset_s)

    def handler():
        nonlocal offset_s
        offset_s = jump_s
        spin(0.15)
        return "finished"

    result, error = call(dog, handler, 0.02)

    assert (result or "interrupted") == ends
    assert isinstance(error, Alarm) == (ends == "interrupted")


def test_nothing_fires_for_an_invocation_that_is_over(dog):
    """A signal that arrives between two invocations, or in the next one, is not taken for the alarm."""
    call(dog, lambda: None, 0.001)
    dog._on_alarm(signal.SIGALRM, sys._getframe())
    assert dog.fired is None

    result, error = call(dog, lambda: os.kill(os.getpid(), signal.SIGALRM) or "next", 10)

    assert (result, error, dog.fired) == ("next", None, None)


def test_a_forked_child_is_left_alone(dog):
    """A process that the handler forks has neither our alarm nor our handler after detaching."""
    before = signal.getsignal(signal.SIGALRM)

    def handler():
        child = os.fork()
        if child == 0:
            dog.detach()
            os._exit(0 if signal.getsignal(signal.SIGALRM) == before else 1)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    assert call(dog, handler, 10) == (0, None)


def test_another_thread_is_refused(dog):
    """SIGALRM handlers belong to the main thread, and the caller is told."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool, pytest.raises(ValueError, match="main thread"):
        pool.submit(dog.arm, sys._getframe(), time.time(), time.time() + 1).result()


class Destroyed:
    """An object whose destructor takes its time."""

    def __del__(self):
        spin(0.0004)


def test_no_alarm_is_lost_in_destructors(dog, fired_in, sample):
    """Python swallows what a destructor raises; it is raised again behind it."""

    def handler():
        while True:
            Destroyed()

    for _ in range(sample(400, 40)):
        _, error = call(dog, handler, 0.005)
        assert isinstance(error, Alarm)
        assert dog.fired() is error
        assert sys.gettrace() is None
    assert "nowhere" in fired_in


class Target:
    """An object that a weak reference can lead to."""


def in_callbacks_of_references():
    """A handler most of whose time is a weak reference's callback."""
    while True:
        target = Target()
        reference = weakref.ref(target, lambda _: spin(0.002))
        del target
        assert reference() is None


def test_an_alarm_that_is_swallowed_is_raised_again(dog, fired_in, sample):
    """A weak reference's callback, too, keeps to itself what is raised in it."""
    for _ in range(sample(400, 40)):
        _, error = call(dog, in_callbacks_of_references, 0.005)
        assert isinstance(error, Alarm)
        assert dog.fired() is error
    assert "nowhere" in fired_in


def test_an_alarm_is_not_raised_where_it_would_be_lost_again(dog, monkeypatch):
    """A machine that is busy may take longer for what is done after a lost exception than until the next signal."""
    set_timer = dog._set_timer
    monkeypatch.setattr(dog, "_set_timer", lambda delay: set_timer(delay) or spin(0.001))
    for _ in range(20):
        _, error = call(dog, in_callbacks_of_references, 0.005)
        assert error is dog.fired()


def test_other_lost_exceptions_go_where_they_went(dog):
    """Whoever has set a hook for them hears of them, and of nothing else."""
    heard = []
    sys.unraisablehook = lambda unraisable: heard.append(unraisable.exc_type)

    class Failing:
        def __del__(self):
            raise LookupError

    def handler():
        try:
            spin(30)
        finally:
            Failing()

    try:
        call(dog, handler, 0.01)
    finally:
        sys.unraisablehook = sys.__unraisablehook__

    assert heard == [LookupError]


def test_in_an_event_loop_another_error_is_asked_for(dog):
    """A loop lets only some exceptions out."""
    import asyncio

    async def busy():
        spin(30)

    assert call(dog, lambda: spin(30), 0.01)[1].in_event_loop is False
    assert call(dog, lambda: asyncio.run(busy()), 0.05)[1].in_event_loop is True


@pytest.fixture(name="understudy")
def _understudy(dog):
    before = signal.getsignal(UNDERSTUDY_SIGNAL)
    dog.stand_by()
    yield lambda: os.kill(os.getpid(), UNDERSTUDY_SIGNAL)
    signal.signal(UNDERSTUDY_SIGNAL, before)


def test_the_understudy_raises_where_the_alarm_was_taken(dog, understudy, fired_in):
    """And what the function has set for itself stays."""
    before = signal.getsignal(signal.SIGALRM)

    def handler():
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        spin(0.03)
        understudy()
        spin(30)

    try:
        _, error = call(dog, handler, 0.02)
        assert signal.getsignal(signal.SIGALRM) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGALRM, before)
    assert isinstance(error, Alarm)
    assert len(fired_in) == 1


def test_the_understudy_interrupts_nothing_else(dog, understudy):
    """Neither before the alarm is due, nor after the handler, nor a clean-up."""

    def early():
        understudy()
        return "result"

    def cleaning_up():
        try:
            spin(30)
        finally:
            understudy()
            early()

    assert call(dog, early, 10) == ("result", None)
    understudy()
    _, error = call(dog, cleaning_up, 0.01)
    assert error is dog.fired()
