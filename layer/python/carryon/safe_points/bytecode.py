"""What a code object does, instruction by instruction, as the dis module tells it.

For Python 3.10 to 3.14, and only by what dis documents: names of instructions, jump targets, stack effects and the
table of exceptions; 3.10 has blocks on a stack instead of that table. What is relied on beyond that, also for a version
that is not known here: instructions that jump are in hasjrel or hasjabs; names tell stores, calls and jumps apart as
they do now; a `for` loop has a FOR_ITER or GET_ANEXT at its head, a wait for a coroutine a SEND. An instruction that is
not known counts as one that may change whatever it is given.
"""

from __future__ import annotations

import dis
import sys
from bisect import bisect_right
from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any

_HAS_TABLE = sys.version_info >= (3, 11)

_JUMPS = {*dis.hasjrel, *dis.hasjabs}
# Python 3.14 gives it the distance to its loop for other tools; it never goes there.
_NO_JUMPS = {"END_ASYNC_FOR"}
_ALWAYS = {"JUMP_FORWARD", "JUMP_ABSOLUTE", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT"}
_ENDS = {"RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE", "INTERPRETER_EXIT"}
_SETUPS = {"SETUP_FINALLY", "SETUP_WITH", "SETUP_ASYNC_WITH"}

# Stands for a code object among the constants: whoever counts references to it must not find ours.
Inner = namedtuple("Inner", "id name")


class Flow:
    """The instructions of a code object, by their place in it, and where control goes from each.

    `successors` has the places that may follow, handlers of exceptions included, and `predecessors` those before;
    `handlers` where an exception raised in each is handled, None where the caller gets it; `targets` where each jumps
    to, None where it does not; `positions` where each stands in the source.
    """

    def __init__(self, code: CodeType) -> None:
        self.instructions = [_without_code(one) for one in dis.get_instructions(code)]
        self.offsets = [one.offset for one in self.instructions]
        self.positions = self._positions(code)
        place = {offset: at for at, offset in enumerate(self.offsets)}
        self.targets: list[int | None] = [
            place[one.argval] if one.opcode in _JUMPS and one.opname not in _NO_JUMPS else None
            for one in self.instructions
        ]
        self.successors = [self.following(at) for at in range(len(self.instructions))]
        # By handler, how many values of the stack it keeps, and whether the place of the error comes upon them.
        self.depths: dict[int, tuple[int, bool]] = {}
        self.handlers = self._by_table(code, place) if _HAS_TABLE else self._by_blocks()
        for at, handler in enumerate(self.handlers):
            if handler is not None and handler not in self.successors[at]:
                self.successors[at].append(handler)
        self.predecessors: list[list[int]] = [[] for _ in self.instructions]
        for at, following in enumerate(self.successors):
            for other in following:
                self.predecessors[other].append(at)

    def at(self, lasti: int) -> int:
        """The place of the instruction that a frame with that f_lasti has executed last, or is in the middle of."""
        # In Python 3.11 a frame that has called another stands at the end of its call's inline cache.
        return max(bisect_right(self.offsets, lasti) - 1, 0)

    def _positions(self, code: CodeType) -> list[Any]:
        """Where each stands in the source: line and column, or the line alone where that is all that is known."""
        if _HAS_TABLE:
            return [one.positions for one in self.instructions]
        lines = dict(dis.findlinestarts(code))
        found = []
        line = None
        for offset in self.offsets:
            line = lines.get(offset, line)
            found.append(line)
        return found

    def following(self, at: int) -> list[int]:
        """The places that may follow where no exception is raised."""
        name, target = self.instructions[at].opname, self.targets[at]
        following = [] if target is None or name in _SETUPS else [target]
        if name not in _ENDS and name not in _ALWAYS and at + 1 < len(self.instructions):
            following.append(at + 1)
        return following

    def _by_table(self, code: CodeType, place: dict[int, int]) -> list[int | None]:
        handlers: list[int | None] = [None] * len(self.instructions)
        entries: list[Any] = dis.Bytecode(code).exception_entries  # type: ignore[attr-defined]
        for entry in entries:
            self.depths[place[entry.target]] = entry.depth, entry.lasti
            for at in range(bisect_right(self.offsets, entry.start - 1), len(handlers)):
                if self.offsets[at] >= entry.end:
                    break
                handlers[at] = place[entry.target]
        return handlers

    def _by_blocks(self) -> list[int | None]:
        """Python 3.10: follow the stack of blocks along every path; None on it stands for a handler that runs."""
        blocks: list[tuple[int | None, ...] | None] = [None] * len(self.instructions)
        pending: list[tuple[int, tuple[int | None, ...]]] = [(0, ())]
        while pending:
            at, stack = pending.pop()
            if blocks[at] is not None:
                continue
            blocks[at] = stack
            name = self.instructions[at].opname
            if name in _SETUPS:
                handler = self.targets[at]
                assert handler is not None
                pending.append((handler, (*stack, None)))
                stack = (*stack, handler)
            elif name in ("POP_BLOCK", "POP_EXCEPT"):
                stack = stack[:-1]
            pending.extend((following, stack) for following in self.successors[at])
        return [next((one for one in reversed(stack or ()) if one is not None), None) for stack in blocks]


def _without_code(instruction: Any) -> Any:
    inner = instruction.argval
    return instruction._replace(argval=Inner(id(inner), inner.co_name)) if hasattr(inner, "co_code") else instruction


def pops_and_pushes(instruction: Any) -> tuple[int, int]:
    """How many values an instruction takes off the stack, and how many it puts there, where it does not jump."""
    name, arg = instruction.opname, instruction.arg
    if name in _PEEKS or name.startswith(("LOAD_CONST", "LOAD_FAST", "LOAD_GLOBAL", "LOAD_NAME", "LOAD_SMALL")):
        return 0, effect(instruction)
    if name == "PRECALL":
        return 0, 0  # Python 3.11; what it does is counted with the CALL after it
    if name == "CALL":
        return arg + 2, 1
    pushes = 0 if name.startswith(_GIVE_NOTHING) else 1
    if name == "LOAD_METHOD" or (name == "LOAD_ATTR" and effect(instruction) == 1):
        pushes = 2
    elif name.startswith("UNPACK"):
        return 1, effect(instruction) + 1
    return pushes - effect(instruction), pushes


_PEEKS = {
    "COPY", "DUP_TOP", "DUP_TOP_TWO", "EXTENDED_ARG", "FOR_ITER", "KW_NAMES", "LOAD_ASSERTION_ERROR",
    "LOAD_BUILD_CLASS", "LOAD_CLASSDEREF", "LOAD_CLOSURE", "LOAD_COMMON_CONSTANT", "LOAD_DEREF", "LOAD_LOCALS", "NOP",
    "NOT_TAKEN", "POP_BLOCK", "PUSH_NULL", "RESUME", "SETUP_ANNOTATIONS",
}  # fmt: skip
_GIVE_NOTHING = (
    "STORE_", "DELETE_", "POP_", "RETURN_", "RAISE_", "RERAISE", "LIST_", "SET_", "DICT_", "MAP_ADD", "SETUP_",
    "GEN_START", "JUMP_", "END_FOR",
)  # fmt: skip


def effect(instruction: Any, jump: bool = False) -> int:
    """By how much an instruction makes the stack larger, where it jumps or does not."""
    arg = instruction.arg if instruction.opcode >= dis.HAVE_ARGUMENT else None
    return dis.stack_effect(instruction.opcode, arg, jump=jump)
