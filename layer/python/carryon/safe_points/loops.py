"""The loops of a code object."""

from __future__ import annotations

from collections import namedtuple

from .bytecode import Flow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# `head` is the place through which it is entered and at which every turn begins, None where there is more than one;
# `body` are the places that belong to it, the head among them. Inner loops stand behind the ones around them.
Loop = namedtuple("Loop", "head body")

# A frame that waits for a coroutine goes round in one of these, but no turn of the program's ends there.
_WAITS = ("SEND", "YIELD_FROM")


def find(flow: Flow) -> list[Loop]:
    """The loops, as they are nested in the flow of control: whatever can be reached from itself."""
    loops = []
    pending = [set(range(len(flow.instructions)))]
    for region in pending:
        for body in _components(region, flow.successors):
            heads = [at for at in body if any(before not in body for before in flow.predecessors[at])]
            if len(heads) != 1 or flow.instructions[heads[0]].opname not in _WAITS:
                loops.append(Loop(heads[0] if len(heads) == 1 else None, frozenset(body)))
            pending.append(body.difference(heads or [min(body)]))
    return loops


def is_counted(flow: Flow, loop: Loop) -> bool:
    """Whether the loop's head asks an iterator for the next item, so that only a turn's end leads back to it."""
    names = [one.opname for one in flow.instructions[loop.head : loop.head + 2]]
    return names[0] in ("FOR_ITER", "GET_ANEXT") or names == ["SETUP_FINALLY", "GET_ANEXT"]


def turn(flow: Flow, loop: Loop, last: int) -> set[int]:
    """The places that a turn of the loop may have passed which ends with the jump (or step) at `last`."""
    passed, pending = {last}, [last]
    while pending:
        at = pending.pop()
        if at != loop.head:
            for before in flow.predecessors[at]:
                if before in loop.body and before not in passed:
                    passed.add(before)
                    pending.append(before)
    return passed


def conditions(flow: Flow, loop: Loop) -> list[set[int]]:
    """For each jump to the loop's head, the places of the condition before it: of a `while`, else there are none.

    The condition stands before the loop once more, for its first turn, and the head is what comes after it: a turn as
    the program has it ends before the condition.
    """
    before = [at for at in flow.predecessors[loop.head] if at not in loop.body]
    return [
        {at for other in before for at in _in_common(flow, last, other)}
        for last in flow.predecessors[loop.head]
        if last in loop.body
    ]


def _in_common(flow: Flow, last: int, other: int) -> Iterator[int]:
    backwards = _backwards(flow, last), _backwards(flow, other)
    for at, same in zip(*backwards, strict=False):
        if at == other or _shape(flow, at) != _shape(flow, same):
            return
        yield at


def _backwards(flow: Flow, at: int) -> Iterator[int]:
    for place in range(at, -1, -1):
        name = flow.instructions[place].opname
        if not name.startswith(("JUMP", "NOT_TAKEN", "NOP", "EXTENDED_ARG")):
            yield place


def _shape(flow: Flow, at: int) -> tuple[object, ...]:
    one = flow.instructions[at]
    return flow.positions[at], "jump" if flow.targets[at] is not None else (one.opname, one.arg)


def _components(region: set[int], successors: list[list[int]]) -> Iterator[set[int]]:
    """Tarjan's strongly connected components, without those of a single place that does not lead to itself."""
    number: dict[int, int] = {}
    lowest: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    for root in sorted(region):
        if root in number:
            continue
        number[root] = lowest[root] = len(number)
        stack.append(root)
        on_stack.add(root)
        path = [(root, iter(successors[root]))]
        while path:
            at, following = path[-1]
            for other in following:
                if other not in region:
                    continue
                if other not in number:
                    number[other] = lowest[other] = len(number)
                    stack.append(other)
                    on_stack.add(other)
                    path.append((other, iter(successors[other])))
                    break
                if other in on_stack:
                    lowest[at] = min(lowest[at], number[other])
            else:
                path.pop()
                if path:
                    lowest[path[-1][0]] = min(lowest[path[-1][0]], lowest[at])
                if lowest[at] == number[at]:
                    component = set()
                    while True:
                        other = stack.pop()
                        on_stack.remove(other)
                        component.add(other)
                        if other == at:
                            break
                    if len(component) > 1 or at in successors[at]:
                        yield component
