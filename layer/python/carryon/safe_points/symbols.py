"""What the values on a function's stack are, as far as its instructions tell: names, attributes, items, calls of those.

An expression is a tuple that begins with one of the words below, or None where nothing is known of the value.
"""

from __future__ import annotations

import builtins
import sys

from .bytecode import Flow, Inner, effect, pops_and_pushes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import CodeType, FrameType
    from typing import Any

    Expression = tuple[Any, ...] | None
    Stack = tuple[Expression, ...]

# A variable (by its name); ATTRIBUTE of (expression, name); ITEM of (expression, key); CALL of (expression, arguments);
# CODE (id) of a function made here; ITERATOR over, EXIT of (expression); RESULT of an operator of (left, right); SLICE
# of (expression); what was made right there (NEW); CONSTANT (type, value).
LOCAL, CELL, GLOBAL, ATTRIBUTE, ITEM, CALL, CODE, ITERATOR, EXIT, ENTER, RESULT, SLICE, NEW, CONSTANT, NULL, SELF = (
    "local", "cell", "global", "attribute", "item", "call", "code", "iterator", "exit", "enter", "result", "slice",
    "new", "constant", "null", "self",
)  # fmt: skip

_NEW = (NEW,)
_NULL = (NULL,)
_SELF = (SELF,)
# Since 3.13 what is called lies below the place that is empty.
_NULL_IS_ABOVE = sys.version_info >= (3, 13)
_HAS_NULL_BELOW = (3, 11) <= sys.version_info < (3, 13)
_DEPTH_MAX = 12
# Of what stores or deletes an item: where the object that is changed lies on the stack.
SUBSCRIPTS = {"STORE_SUBSCR": 2, "DELETE_SUBSCR": 2, "STORE_SLICE": 3}


def stacks(flow: Flow) -> list[Stack]:
    """The stack before each instruction; an empty one where it is never reached."""
    found: list[Stack | None] = [None] * len(flow.instructions)
    pending = [0]
    found[0] = ()
    while pending:
        at = pending.pop()
        before = found[at] or ()
        after = _step(flow.instructions[at], before)
        for following in flow.following(at):
            _reach(found, pending, following, after if following != flow.targets[at] else _jumped(flow, at, after))
        handler = flow.handlers[at]
        if handler is not None and handler in flow.depths:
            depth, has_place = flow.depths[handler]
            _reach(found, pending, handler, (*before[:depth], *(None,) * (1 + has_place)))
        elif flow.targets[at] is not None and flow.instructions[at].opname.startswith("SETUP_"):
            # Python 3.10: what it will keep is what is there.
            kept = (*before[:-1], (EXIT, before[-1])) if "WITH" in flow.instructions[at].opname and before else before
            _reach(found, pending, flow.targets[at] or 0, (*kept, *(None,) * 6))
    return [stack or () for stack in found]


def _reach(found: list[Stack | None], pending: list[int], at: int, stack: Stack) -> None:
    known = found[at]
    if known is not None:
        stack = tuple(one if one == other else None for one, other in zip(known, stack, strict=False))
    if stack != known:
        found[at] = stack
        pending.append(at)


def _jumped(flow: Flow, at: int, after: Stack) -> Stack:
    """The stack where a jump was taken, after which there may be more or less on it."""
    one = flow.instructions[at]
    more = effect(one, jump=True) - effect(one)
    return after[:more] if more < 0 else (*after, *(None,) * more)


def called(one: Any, before: Stack) -> tuple[Expression, Stack] | None:
    """What a call calls, and with what; None where the instruction is no call."""
    name, arg = one.opname, one.arg or 0
    if name == "CALL_FUNCTION_EX":
        return at_depth(before, pops_and_pushes(one)[0] - _HAS_NULL_BELOW), ()
    if name == "CALL":
        lower, upper = at_depth(before, arg + 2), at_depth(before, arg + 1)
        arguments = before[len(before) - arg :]
        if lower == _NULL:
            return upper, arguments
        # Comprehensions get what they go through in the place of a method's object.
        return lower, arguments if upper in (_NULL, _SELF, None) else (upper, *arguments)
    if name == "CALL_KW":
        return at_depth(before, arg + 3), before[len(before) - arg - 1 : -1]
    if name == "CALL_FUNCTION":
        return at_depth(before, arg + 1), before[len(before) - arg :]
    if name == "CALL_FUNCTION_KW":
        return at_depth(before, arg + 2), before[len(before) - arg - 1 : -1]
    if name == "CALL_METHOD":
        return at_depth(before, arg + 2), before[len(before) - arg :]
    return None


def keywords(code: CodeType, flow: Flow, at: int, before: Stack) -> tuple[str, ...]:
    """The names of the last arguments of a call."""
    if flow.instructions[at].opname in ("CALL_KW", "CALL_FUNCTION_KW"):
        top = before[-1] if before else None
        return top[2] if top and top[0] == CONSTANT and isinstance(top[2], tuple) else ()
    for one in flow.instructions[max(at - 3, 0) : at]:
        if one.opname == "KW_NAMES":
            names: tuple[str, ...] = code.co_consts[one.arg]
            return names
    return ()


def at_depth(stack: Stack, depth: int) -> Expression:
    """What lies there, 1 being the top; None where there is nothing."""
    return stack[-depth] if 0 < depth <= len(stack) else None


def origin(expression: Expression, through: tuple[str, ...]) -> Expression:
    """What the first of a chain of expressions of these kinds is of."""
    while expression and expression[0] in through:
        expression = expression[1]
    return expression


def _step(one: Any, before: Stack) -> Stack:
    name, value = one.opname, one.argval
    top = before[-1] if before else None
    call = called(one, before)
    if call is not None:
        result = (CALL, *call) if _is_shallow(call[0]) else None
        return (*before[: max(len(before) - pops_and_pushes(one)[0], 0)], result)
    if name.startswith("LOAD_") and name != "LOAD_SPECIAL":
        loaded = _load(one, top)
        if loaded is not None:
            return (*(before[:-1] if name in ("LOAD_ATTR", "LOAD_METHOD") else before), *loaded)
    elif name == "PUSH_NULL":
        return (*before, _NULL)
    elif name in ("COPY", "DUP_TOP"):
        return (*before, at_depth(before, one.arg or 1))
    elif name == "DUP_TOP_TWO":
        return (*before, *before[-2:])
    elif name in ("SWAP", "ROT_TWO", "ROT_THREE", "ROT_FOUR", "ROT_N"):
        return _turned(name, one.arg, before)
    elif name == "STORE_FAST_LOAD_FAST":
        return (*before[:-1], (LOCAL, value[1]))
    elif name == "GET_ITER":
        return (*before[:-1], (ITERATOR, top))
    elif name in ("BINARY_SUBSCR", "BINARY_OP", "BINARY_ADD", "BINARY_MULTIPLY") and len(before) > 1:
        kind = ITEM if name == "BINARY_SUBSCR" or one.argrepr == "[]" else RESULT
        return (*before[:-2], (kind, *before[-2:]) if _is_shallow(before[-2]) else None)
    elif name == "BINARY_SLICE":
        return (*before[:-3], (SLICE, at_depth(before, 3)))
    elif name == "SET_FUNCTION_ATTRIBUTE":
        return (*before[:-2], top)
    elif name in ("BEFORE_WITH", "BEFORE_ASYNC_WITH", "SETUP_WITH", "SETUP_ASYNC_WITH"):
        return (*before[:-1], (EXIT, top), None)
    elif name == "LOAD_SPECIAL":
        return (*before[:-1], (EXIT if "exit" in one.argrepr else ENTER, top), _SELF)
    return _plain(one, before)


def _plain(one: Any, before: Stack) -> Stack:
    name = one.opname
    pops, pushes = pops_and_pushes(one)
    result: Expression = None
    if name == "MAKE_FUNCTION":
        result = next((e for e in before[len(before) - pops :] if e and e[0] == CODE), None)
    elif name.startswith(("BUILD_", "FORMAT_", "LIST_TO_TUPLE", "CONVERT_VALUE")):
        result = _NEW
    return (*before[: max(len(before) - pops, 0)], *(result,) * pushes)


def _load(one: Any, top: Expression) -> Stack | None:
    """What a load puts on the stack, in the place of the object for an attribute; None for what is not known here."""
    name, value = one.opname, one.argval
    if name.startswith("LOAD_FAST"):
        return tuple((LOCAL, word) for word in (value if isinstance(value, tuple) else (value,)))
    if name in ("LOAD_GLOBAL", "LOAD_NAME"):
        if effect(one) == 1:
            return ((GLOBAL, value),)
        return ((GLOBAL, value), _NULL) if _NULL_IS_ABOVE else (_NULL, (GLOBAL, value))
    if name in ("LOAD_DEREF", "LOAD_CLOSURE", "LOAD_CLASSDEREF"):
        return ((CELL, value),)
    if name in ("LOAD_CONST", "LOAD_SMALL_INT", "LOAD_CONST_IMMORTAL"):
        return ((CODE, value.id) if isinstance(value, Inner) else (CONSTANT, type(value), value),)
    if name in ("LOAD_ATTR", "LOAD_METHOD"):
        found = (ATTRIBUTE, top, value) if _is_shallow(top) else None
        return (found, _SELF) if name == "LOAD_METHOD" or effect(one) == 1 else (found,)
    return None


def _turned(name: str, arg: int | None, before: Stack) -> Stack:
    count = {"ROT_TWO": 2, "ROT_THREE": 3, "ROT_FOUR": 4}.get(name, arg or 2)
    if len(before) < count:
        return before
    below, part = before[: len(before) - count], before[len(before) - count :]
    if name == "SWAP":
        return (*below, part[-1], *part[1:-1], part[0])
    return (*below, part[-1], *part[:-1])


def _is_shallow(expression: Expression) -> bool:
    depth = 0
    while expression and depth < _DEPTH_MAX:
        expression = expression[1] if len(expression) > 1 and isinstance(expression[1], tuple) else None
        depth += 1
    return depth < _DEPTH_MAX


class Names:
    """What names mean where a frame is, or in a function that is not running.

    Args:
        frame: None where only globals are known.
        unknown: local names that may have another value by then.
    """

    def __init__(
        self, module: dict[str, Any], frame: FrameType | None = None, unknown: frozenset[str] = frozenset()
    ) -> None:
        self.frame = frame
        self.module = module
        self._unknown = unknown
        self._locals: Mapping[str, Any] | None = None

    def value(self, expression: Expression) -> tuple[Any, ...]:
        """The value of an expression in a tuple; an empty one where it is not known, or finding out might run code."""
        kind = expression[0] if expression else None
        if expression is None:
            return ()
        if kind in (LOCAL, CELL):
            return self._local(expression[1])
        if kind == GLOBAL:
            for names in (self.module, vars(builtins)):
                if expression[1] in names:
                    return (names[expression[1]],)
        elif kind == CONSTANT:
            return (expression[2],)
        elif kind == ATTRIBUTE:
            for base in self.value(expression[1]):
                return attribute(base, expression[2])
        elif kind == ITEM:
            for base in self.value(expression[1]):
                for key in self.value(expression[2]):
                    return _item(base, key)
        elif kind == CALL and any(value is globals for value in self.value(expression[1])):
            return (self.module,)
        return ()

    def _local(self, name: str) -> tuple[Any, ...]:
        if self.frame is None or name in self._unknown:
            return ()
        if self._locals is None:
            self._locals = self.frame.f_locals
        return (self._locals[name],) if name in self._locals else ()


def attribute(base: Any, name: str) -> tuple[Any, ...]:
    """What an object has under that name, found without running code of its class."""
    if isinstance(base, type(sys)):
        return (vars(base)[name],) if name in vars(base) else ()
    try:
        names = object.__getattribute__(base, "__dict__")
    except AttributeError:
        names = {}
    for owner in (names, *map(vars, type(base).__mro__)) if not isinstance(base, type) else map(vars, base.__mro__):
        if name in owner:
            return (owner[name],)
    return ()


def _item(base: Any, key: Any) -> tuple[Any, ...]:
    if type(base) is dict and type(key) in (str, int, bytes, bool):
        return (base[key],) if key in base else ()
    if type(base) in (list, tuple) and type(key) is int and -len(base) <= key < len(base):
        return (base[key],)
    return ()
