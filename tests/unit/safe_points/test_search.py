"""Wherever a program is interrupted, the state that travels is one that it had at a boundary, and it cleans up."""

import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.programs import run
from tests.unit.programs.shapes import COUNTER_EXAMPLES, PRELUDE, SHAPES, TIGHT, UNPROVED

# A soak takes its time.
pytestmark = pytest.mark.timeout(3_600)

# Half of what is left of it until the supervisor takes over is how long an alarm waits: here a second, or 5 ms.
PATIENT_MS, IMPATIENT_MS = 4_000, 20


def tight(source):
    """The program with nothing to do between its writes, so that it is interrupted at its jumps."""
    return source.replace("burn()", "pass")


def interrupt(python, folder, programs, count, margin_ms=PATIENT_MS, state="a,b", prelude=PRELUDE, **env):
    """What comes of programs that are interrupted so often each, by their names."""
    for name, source in programs.items():
        (folder / f"{name}.py").write_text(prelude + source.replace("# boundary", "pass"))
        (folder / f"{name}_noted.py").write_text(prelude + source.replace("# boundary", "note()"))
    seed = random.randrange(1 << 30)
    arguments = (folder, str(count), str(seed), str(margin_ms), state, *programs)
    said = run(python, "interrupt.py", *arguments, task_root=folder, timeout_s=3_500, **env)
    lines = map(json.loads, said.splitlines())
    return {line["name"]: line for line in lines}


def test_no_shape_of_program_hands_on_a_state_that_is_torn(python, tmp_path, sample):
    """What can be proved is: such programs are always stopped at a boundary, with all that they have opened closed."""
    programs = {name: source for name, source in SHAPES.items() if name not in UNPROVED}
    outcomes = interrupt(python, tmp_path, programs, sample(200, 3))

    assert {name: one["torn"] for name, one in outcomes.items() if one["torn"]} == {}
    assert {name: one["unclean"] for name, one in outcomes.items() if one["unclean"]} == {}
    assert {name for name, one in outcomes.items() if "earlier" in one["known"]} == set()
    # It is the safe points that do it.
    assert sum(one["torn_at_the_alarm"] for one in outcomes.values()) > len(programs)


def test_no_shape_is_torn_at_its_jumps(python, tmp_path, sample):
    """Without anything between its writes; Python looks for signals where it jumps backwards."""
    programs = {name: tight(source) for name, source in SHAPES.items() if name not in UNPROVED}
    outcomes = interrupt(
        python, tmp_path, programs, sample(50, 2), prelude=PRELUDE.replace("LAST = 500", "LAST = 5_000")
    )

    assert {name: one["torn"] for name, one in outcomes.items() if one["torn"]} == {}
    assert {name: one["unclean"] for name, one in outcomes.items() if one["unclean"]} == {}


def test_nothing_is_said_to_be_proved_that_is_not(python, tmp_path, sample):
    """Whoever else may write meanwhile, and where there is no boundary in time."""
    programs = {name: SHAPES[name] for name in UNPROVED}
    outcomes = interrupt(python, tmp_path, programs, sample(200, 4), IMPATIENT_MS)

    assert {name: one["torn"] for name, one in outcomes.items() if one["torn"]} == {}
    # Of a generator that is running, its own turn may be seen to end.
    proved = {name for name, one in outcomes.items() if "boundary" in one["known"]}
    assert proved <= {"generator_and_its_consumer"}


@pytest.mark.parametrize("name", COUNTER_EXAMPLES)
def test_counter_example(name, python, tmp_path, sample):
    """Programs that look whole where they are not: each was torn once."""
    (outcome,) = interrupt(python, tmp_path, {name: SHAPES[name]}, sample(200, 5), IMPATIENT_MS).values()

    assert outcome["torn"] == []
    assert sum(outcome["known"].values()) > 0


@pytest.mark.parametrize("state", ["", "a,b"], ids=["plain", "with_state"])
def test_clean_up_around_a_loop_always_runs(state, python, tmp_path, sample):
    """1,000 of 1,000 in a soak: also where Python is interrupted at the jump that its table of handlers leaves out."""
    programs = {**TIGHT, **{name: SHAPES[name] for name in ("finally_around", "with_around")}}
    outcomes = interrupt(python, tmp_path, programs, sample(1_000, 20), state=state)

    assert {name: one["unclean"] for name, one in outcomes.items() if one["unclean"]} == {}
    assert min(sum(one["known"].values()) for one in outcomes.values()) > 0


def test_whoever_traces_goes_on_tracing(python, tmp_path, sample):
    """A debugger's or a coverage tool's function is there afterwards, and no state is torn with it."""
    programs = {name: SHAPES[name] for name in ("while", "two_helpers", "finally_around")}
    outcomes = interrupt(python, tmp_path, programs, sample(50, 4), IMPATIENT_MS, TRACED="1")

    assert {name: one["torn"] for name, one in outcomes.items() if one["torn"]} == {}
    assert min(sum(one["known"].values()) for one in outcomes.values()) > 0


def block(statements, depth):
    return "".join("\n".join("    " * depth + line for line in one.splitlines()) + "\n" for one in statements)


def loop(children):
    """A loop around statements; only the outermost one's end is a boundary."""

    def write(drawn):
        head, statements = drawn
        name = f"n{abs(hash(str(drawn))) % 1000}"
        heads = {
            "for": f"for {name} in range(3):\n",
            "while": f"{name} = 0\nwhile {name} < 3:\n    {name} += 1\n",
            "true": f"{name} = 0\nwhile True:\n    {name} += 1\n    if {name} > 3:\n        break\n",
        }
        return heads[head] + block(statements, 1).rstrip()

    return st.tuples(st.sampled_from(["for", "while", "true"]), st.lists(children, min_size=1, max_size=3)).map(write)


def guarded(children):
    """A block with clean-up around statements."""
    heads = st.sampled_from(
        ["with Resource():\n{}", "try:\n{}\nfinally:\n    burn()", "if a % 2:\n{}\nelse:\n    burn()"]
    )
    return st.tuples(heads, st.lists(children, min_size=1, max_size=2)).map(
        lambda drawn: drawn[0].format(block(drawn[1], 1).rstrip())
    )


STEPS = st.sampled_from(
    ["burn()", "burn()", "a += 1", "b += 1", "first()", "second(2)", "burn()\na += 1\nburn()\nb += 1"]
)
BODIES = st.lists(st.recursive(STEPS, lambda inner: loop(inner) | guarded(inner), max_leaves=6), min_size=2, max_size=4)
HELPERS = """
def first():
    global a
    burn()
    a += 1


def second(count):
    global b
    for _ in range(count):
        b += 1
        burn()
"""


def program(body):
    """A handler that goes through the body again and again; what stands in it is one turn's."""
    turn = block(["a += 1", *body, "b += 1", "# boundary"], 2)
    return f"{HELPERS}\n\ndef handler(event, context):\n    global a, b\n    while a < 300:\n{turn}"


def test_no_generated_program_hands_on_a_state_that_is_torn(python, tmp_path, sample):
    """Nested loops, helpers, clean-up and conditions in any order, in one loop whose turns belong together."""
    count = sample(40, 2)

    @settings(max_examples=sample(40, 2), suppress_health_check=list(HealthCheck), deadline=None, database=None)
    @given(st.lists(BODIES.map(program), min_size=6, max_size=6))
    def check(sources):
        programs = {f"program_{number}": source for number, source in enumerate(sources)}
        for name, source in list(programs.items())[::3]:
            programs[f"tight_{name}"] = tight(source).replace("a < 300", "a < 3_000")
        outcomes = interrupt(python, tmp_path, programs, count)
        assert {programs[name]: one["torn"] for name, one in outcomes.items() if one["torn"]} == {}
        assert {programs[name]: one["unclean"] for name, one in outcomes.items() if one["unclean"]} == {}

    check()
