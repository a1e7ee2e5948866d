"""What becomes of an object that belongs to the state, once an instruction has loaded it: read, kept or changed."""

from __future__ import annotations

from collections import namedtuple

from .bytecode import Flow, pops_and_pushes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# What one use of an object comes to: a TOUCH may change it at that place; LOCAL, GLOBAL and ATTRIBUTE give it that
# name; PASSED hands it to the function that is called by that name; RETURNED gives it to the caller.
TOUCH, LOCAL, GLOBAL, ATTRIBUTE, PASSED, RETURNED = range(6)
Use = namedtuple("Use", "kind at name")

# Methods that read only, and those of them that give out what is inside.
_READS = {"copy", "count", "index", "isdisjoint", "issubset", "issuperset", "union", "difference", "intersection"}
_GIVES = {"get", "items", "keys", "values", "__getitem__", "__iter__", "copy"}
# Builtins that change nothing they are given, and those of them whose result has it inside.
_HARMLESS = {
    "abs", "all", "any", "bool", "bytes", "deepcopy", "divmod", "dumps", "float", "format", "hash", "id", "int",
    "isinstance", "len", "print", "range", "repr", "round", "str", "sum", "type",
}  # fmt: skip
_HOLDS = {"dict", "enumerate", "frozenset", "iter", "list", "max", "min", "reversed", "set", "sorted", "tuple", "zip"}
_ONLY_READ = _READS | _GIVES
_COMPARES = (
    "COMPARE_OP", "CONTAINS_OP", "IS_OP", "TO_BOOL", "UNARY_", "POP_", "FORMAT_", "CONVERT_VALUE", "DELETE_FAST",
    "LIST_EXTEND", "GET_LEN", "MATCH_", "CHECK_", "NOP",
)  # fmt: skip
_LOADS_SUBSCRIPT = ("BINARY_SUBSCR", "BINARY_SLICE")
_DEPTH_MAX = 12


def may_change(method: str) -> bool:
    """Whether a method of that name may change its object."""
    return method not in _ONLY_READ


def callee(flow: Flow, at: int) -> int | None:
    """The place of the call whose function is loaded at that place; None where it is not called right there."""
    found = _consumer(flow, at)
    while found is not None:
        place, above, pops = found
        name = flow.instructions[place].opname
        if name.startswith("CALL"):
            return place if pops - 1 - above < (1 if name.startswith("CALL_FUNCTION") else 2) else None
        if name not in ("LOAD_ATTR", "LOAD_METHOD", "MAKE_FUNCTION", "SET_FUNCTION_ATTRIBUTE"):
            return None
        found = _consumer(flow, place)
    return None


def uses(flow: Flow, at: int, calls: dict[int, str], is_flat: bool, above: int = 0, depth: int = 0) -> Iterator[Use]:
    """Follow an object on the stack.

    Args:
        at: the place of the instruction that has put it there.
        calls: by what name the functions are called that each call calls.
        is_flat: there is nothing inside it that can be changed.
        above: how many values lie above it after that instruction.
    """
    found = _consumer(flow, at, above) if depth < _DEPTH_MAX else None
    if found is None:
        yield Use(TOUCH, at, "")
        return
    place, above, pops = found
    one = flow.instructions[place]
    name = one.opname
    goes_on = False
    if name.startswith("CALL"):
        called = calls.get(place, "")
        if called in _HOLDS:
            goes_on = not is_flat
        elif called not in _HARMLESS:
            yield Use(PASSED, place, called)
            goes_on = True
    elif name in ("MAKE_FUNCTION", "SET_FUNCTION_ATTRIBUTE"):
        goes_on = True
    elif name in ("LOAD_ATTR", "LOAD_METHOD"):
        if one.argval not in _READS:
            goes_on = not is_flat
        if may_change(one.argval):
            yield Use(TOUCH, place, "")
        if goes_on:
            call = callee(flow, place)
            place = place if call is None else call
    elif name in _LOADS_SUBSCRIPT or (name == "BINARY_OP" and one.argrepr == "[]"):
        goes_on = not is_flat and above == pops - 1
    elif name.startswith(("BINARY_", "INPLACE_")):
        if above == 1 and (name.startswith("INPLACE_") or one.argrepr.endswith("=")):
            yield Use(TOUCH, place, "")
        goes_on = not is_flat
    elif name in ("GET_ITER", "GET_AITER", "FOR_ITER"):
        goes_on = not is_flat
    elif name.startswith(("BUILD_", "LIST_TO_TUPLE")):
        goes_on = True
    elif name.startswith("UNPACK_"):
        if not is_flat:
            yield from _named(flow, place + 1, (one.arg or 0) & 0xFF)
    elif name.startswith("STORE_") and name.endswith(("FAST", "DEREF", "GLOBAL", "NAME")):
        yield from _named(flow, place, 1)
    elif name == "STORE_ATTR" and above:
        yield Use(ATTRIBUTE, place, one.argval)
    elif name in ("STORE_SUBSCR", "DELETE_SUBSCR", "STORE_SLICE"):
        if above:
            yield Use(TOUCH, place, "")
    elif name.startswith("RETURN_") or name == "YIELD_VALUE":
        yield Use(RETURNED, place, "")
    elif not name.startswith(_COMPARES):
        yield Use(TOUCH, place, "")
    if goes_on:
        yield from uses(flow, place, calls, is_flat, 0, depth + 1)


def _named(flow: Flow, place: int, count: int) -> Iterator[Use]:
    """The names that the next instructions give to what lies on the stack."""
    while count > 0 and place < len(flow.instructions):
        one = flow.instructions[place]
        if not one.opname.startswith("STORE_"):
            break
        for name in one.argval if isinstance(one.argval, tuple) else (one.argval,):
            if one.opname.endswith(("FAST", "DEREF")):
                yield Use(LOCAL, place, name)
            elif one.opname.endswith(("GLOBAL", "NAME")):
                yield Use(GLOBAL, place, name)
            count -= 1
        place += 1
    if count > 0:
        yield Use(TOUCH, place - 1, "")


def _consumer(flow: Flow, at: int, above: int = 0) -> tuple[int, int, int] | None:
    """Who takes the value off the stack that has so many above it after that place.

    Returns its place, how many values lie above ours then, and how many it takes; None where that cannot be told.
    """
    place: int | None = _next(flow, at)
    seen = set()
    while place is not None and place not in seen:
        seen.add(place)
        one = flow.instructions[place]
        if one.opname == "FOR_ITER" and not above:
            return place, above, 1
        if one.opname.startswith(("SWAP", "ROT_", "COPY", "DUP_")) and (one.arg or 2) > above:
            return None
        pops, pushes = pops_and_pushes(one)
        if pops > above:
            return place, above, pops
        above += pushes - pops
        place = _next(flow, place)
    return None


def _next(flow: Flow, at: int) -> int | None:
    """Where control goes on without a condition that holds or an error."""
    target = flow.targets[at]
    if flow.instructions[at].opname in ("JUMP_FORWARD", "JUMP_ABSOLUTE"):
        return target if target is not None and target > at else None
    return at + 1 if at + 1 < len(flow.instructions) and at + 1 in flow.successors[at] else None
