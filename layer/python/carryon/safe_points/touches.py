"""Where a code object touches the state: stores, deletes or changes it in place, or calls what does."""

from __future__ import annotations

from collections import namedtuple

from . import aliases
from .bytecode import Flow, Inner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

# What names mean in one code object. `stored_`: variables of the state, of which each store is a touch; `held_`: names
# of its objects that can be changed in place.
Scope = namedtuple("Scope", "stored_globals stored_locals held_globals held_locals")

# What was found in a code object: the places of touches; under which names objects of the state are kept there; to
# which functions they are passed; whether one is returned; names that functions which touch get there, and to which
# functions they are passed.
Found = namedtuple("Found", "places locals globals attributes passed returns writers writers_passed")

# Whoever uses these may change any variable.
REACH_ANYTHING = frozenset({"globals", "vars", "setattr", "delattr", "exec", "eval", "__dict__"})


class Known:
    """What is known of all code that is looked through; it grows until nothing new is found.

    Args:
        stored_attributes: names of the state's variables, by which other modules store them.
        is_flat: nothing inside the state's objects can be changed.
    """

    def __init__(self, stored_attributes: set[str], is_flat: bool) -> None:
        self.stored_attributes = stored_attributes
        self.is_flat = is_flat
        self.held_attributes: set[str] = set()
        # Names of all functions, of those that touch, and of those that return an object of the state.
        self.functions: set[str] = set()
        self.writers: set[str] = set()
        self.giving: set[str] = set()
        # By id, the code objects that touch.
        self.writing: set[int] = set()


def find(flow: Flow, scope: Scope, known: Known) -> Found:
    """Look through the instructions of a code object."""
    search = _Search(flow, scope, known)
    for at, one in enumerate(flow.instructions):
        search.look_at(at, one)
    return search.found


class _Search:
    def __init__(self, flow: Flow, scope: Scope, known: Known) -> None:
        self.found = Found(set(), set(), set(), set(), set(), [], set(), set())
        self._flow = flow
        self._scope = scope
        self._known = known
        self._calls: dict[int, str] = {}
        for at, one in enumerate(flow.instructions):
            called = one.argval.name if isinstance(one.argval, Inner) else one.argval
            if one.opname.startswith("LOAD_") and isinstance(called, str):
                call = aliases.callee(flow, at)
                if call is not None:
                    self._calls[call] = called

    def look_at(self, at: int, one: Any) -> None:
        name, places = one.opname, self.found.places
        words = one.argval if type(one.argval) is tuple else (one.argval,)
        if isinstance(one.argval, Inner):
            if one.argval.id in self._known.writing:
                self._note_writer(at)
        elif name.startswith("LOAD_") and name != "LOAD_CONST":
            for above, word in enumerate(reversed(words)):
                self._look_at_load(at, name, word, above)
        elif name.startswith(("STORE_", "DELETE_")) and not self._stored(name).isdisjoint(words):
            places.add(at)

    def _stored(self, name: str) -> set[str]:
        kept: set[str]
        if name.endswith(("GLOBAL", "NAME")):
            kept = self._scope.stored_globals
        else:
            kept = self._known.stored_attributes if name.endswith("ATTR") else self._scope.stored_locals
        return kept

    def _look_at_load(self, at: int, name: str, word: str, above: int) -> None:
        known = self._known
        if word in known.writers or word in REACH_ANYTHING:
            self._note_writer(at, above)
        if name.endswith(("GLOBAL", "NAME")):
            held = self._scope.held_globals
        else:
            held = known.held_attributes if name in ("LOAD_ATTR", "LOAD_METHOD") else self._scope.held_locals
        if word in held:
            self._note(aliases.uses(self._flow, at, self._calls, known.is_flat, above))
        if word in known.giving:
            self._note(aliases.uses(self._flow, self._call(at), self._calls, known.is_flat))

    def _note_writer(self, at: int, above: int = 0) -> None:
        """A function that touches is called there, or gets another name."""
        call = self._call(at, above)
        self.found.places.add(call)
        if call == at:
            for use in aliases.uses(self._flow, at, self._calls, True, above):
                if use.kind in (aliases.LOCAL, aliases.GLOBAL, aliases.ATTRIBUTE):
                    self.found.writers.add(use.name)
                elif use.kind == aliases.PASSED:
                    self.found.writers_passed.add(use.name)
                    self.found.places.add(use.at)

    def _call(self, at: int, above: int = 0) -> int:
        """The place of the call of what is loaded there, or else that place."""
        call = None if above else aliases.callee(self._flow, at)
        return at if call is None else call

    def _note(self, uses: Iterable[aliases.Use]) -> None:
        found = self.found
        names = {aliases.LOCAL: found.locals, aliases.GLOBAL: found.globals, aliases.ATTRIBUTE: found.attributes}
        for use in uses:
            if use.kind in names:
                names[use.kind].add(use.name)
            elif use.kind == aliases.RETURNED:
                found.returns.append(use.at)
            elif use.kind == aliases.PASSED and use.name in self._known.functions:
                found.passed.add(use.name)
            else:
                found.places.add(use.at)
