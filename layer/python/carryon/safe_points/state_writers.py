"""The function's own code: which of it writes the state, and where."""

from __future__ import annotations

import sys

from carryon.shared.own_code import LAYER, is_own

from . import loops, touches
from .bytecode import Flow
from .snapshots import read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, FrameType
    from typing import Any, TypeVar

    _T = TypeVar("_T")

_FUNCTION = type(is_own)
_MODULE = type(sys)
_CODE = type(is_own.__code__)
_UNWRAPPED_MAX = 8
# A long program is interrupted at many places.
_CONCLUSIONS_MAX = 1_000
COROUTINE = 0x80 | 0x100 | 0x200  # of co_flags, with generators used as coroutines and asynchronous generators
_SUSPENDS = 0x20 | COROUTINE
# What calls these without naming them.
_BY_CLASS = {"__init__", "__new__", "__post_init__"}
_LIBRARIES = (
    sys.prefix,
    sys.base_prefix,
    LAYER,
    "/opt/python/",
    "/var/runtime/",
    "/var/lang/",
    "<frozen",
)


class Own:
    """One code object of the function, with the globals of its module."""

    def __init__(self, code: CodeType, module: dict[str, Any], outer: Own | None) -> None:
        self.code = code
        self.module = module
        self.outer = outer
        self.names = {code.co_name}
        # How many function objects have it.
        self.functions: set[int] = set()
        self.words = {*code.co_names, *code.co_varnames, *code.co_freevars, *code.co_cellvars}
        # By id: whoever counts references to them must not find ours.
        self.inner = {id(one) for one in code.co_consts if type(one) is _CODE}
        count = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 4) + bool(code.co_flags & 8)
        self.arguments = set(code.co_varnames[:count])
        self.held_locals: set[str] = set()
        self.places: set[int] = set()
        self._flow: Flow | None = None
        self._loops: list[loops.Loop] | None = None

    @property
    def flow(self) -> Flow:
        """Its instructions."""
        if self._flow is None:
            self._flow = Flow(self.code)
        return self._flow

    @property
    def loops(self) -> list[loops.Loop]:
        """Its loops, outer ones first."""
        if self._loops is None:
            self._loops = loops.find(self.flow)
        return self._loops


class Program:
    """All code that may touch the state.

    Args:
        variables: of the state, each the globals of its module, the function whose local it is or None, and its name.
        known: to be filled in.
    """

    def __init__(
        self,
        variables: list[tuple[dict[str, Any], str | None, str]],
        known: touches.Known,
    ) -> None:
        self.known = known
        self._variables = variables
        self._own: dict[int, Own] = {}
        self._held: dict[int, set[str]] = {}
        self._is_settled = False
        self._conclusions: dict[Any, Any] = {}
        self._libraries: dict[int, Own] = {}
        self._modules = {id(module): module for module, _, _ in variables}
        for loaded in list(sys.modules.values()):
            file = vars(loaded).get("__file__") if isinstance(loaded, _MODULE) else None
            if file and is_own(file):
                self._modules[id(vars(loaded))] = vars(loaded)
        for module in list(self._modules.values()):
            self._gather(module)

    def add(self, frames: list[FrameType], objects: set[int]) -> None:
        """Take up the code of these frames, wherever it is from, and all names of objects.

        Args:
            objects: ids of those objects of the state that can be changed in place.
        """
        for frame in frames:
            own = self.of(frame)
            if own is not None and objects:
                held = {name for name, value in read(frame).items() if id(value) in objects}
                self._is_settled = self._is_settled and held <= own.held_locals
                own.held_locals |= held
        if objects:
            for key, module in self._modules.items():
                held = {name for name, value in list(module.items()) if id(value) in objects}
                self._is_settled = self._is_settled and held <= self._held[key]
                self._held[key] |= held
        if not self._is_settled:
            self._is_settled = True
            self._settle()

    def of(self, frame: FrameType) -> Own | None:
        """What is known of a frame's code; None for a library's."""
        code = frame.f_code
        own = self._own.get(id(code))
        if own is None and not code.co_filename.startswith(_LIBRARIES):
            # Whatever holds the function, it was not found in its module.
            if id(frame.f_globals) not in self._modules:
                self._modules[id(frame.f_globals)] = frame.f_globals
                self._gather(frame.f_globals)
            own = self._add(code, frame.f_globals, None)
            self._is_settled = False
        return own

    def of_any(self, frame: FrameType) -> Own:
        """The same, for a library's code too: that has loops, but names nothing of the function's."""
        return self.of(frame) or self._of_library(frame)

    def _of_library(self, frame: FrameType) -> Own:
        own = self._libraries.get(id(frame.f_code))
        if own is None:
            own = self._libraries[id(frame.f_code)] = Own(frame.f_code, frame.f_globals, None)
        return own

    def writes(self, code: CodeType) -> bool:
        """Whether a code object touches the state, or calls what does."""
        return id(code) in self.known.writing

    def writers(self) -> Iterator[Own]:
        """All code that touches the state."""
        return (own for key, own in self._own.items() if key in self.known.writing)

    @property
    def calls_are_hidden(self) -> bool:
        """Whether a writer may be called by an instruction that does not name it, such as an operator."""
        return self.conclude("calls_are_hidden", self._calls_are_hidden)

    def may_be_suspended(self, frames: list[FrameType]) -> bool:
        """Whether a generator or coroutine that writes may stand still somewhere.

        A frame holds its code object; whoever is not one of these frames and not known to hold it may be such a one.
        """
        for own in self.writers():
            if not own.code.co_flags & _SUSPENDS:
                continue
            functions = len(own.functions) or _held_by_locals(own.code, frames)
            active = sum(frame.f_code is own.code for frame in frames)
            # Until 3.11 the generator has it beside its frame; a function that nobody else has is held by its frame.
            each = (1 if sys.version_info >= (3, 12) else 2) + (not functions and sys.version_info >= (3, 11))
            if sys.getrefcount(own.code) - _ONE_HOLDER > functions + active * each + (own.outer is not None):
                return True
        return False

    def conclude(self, key: Any, think: Callable[..., _T], *arguments: Any) -> _T:
        """What follows from what is known of the code, for these arguments, which the key stands for.

        Found out again when more becomes known.
        """
        if key not in self._conclusions:
            if len(self._conclusions) > _CONCLUSIONS_MAX:
                self._conclusions.clear()
            self._conclusions[key] = think(*arguments)
        return self._conclusions[key]  # type: ignore[no-any-return]

    def _calls_are_hidden(self) -> bool:
        return any(
            name.startswith("__") and name.endswith("__") and name not in _BY_CLASS
            for own in self.writers()
            for name in own.names
        )

    def _gather(self, module: dict[str, Any]) -> None:
        self._held[id(module)] = set()
        for name, value in list(module.items()):
            self._take(value, name, module)

    def _take(self, value: Any, name: str, module: dict[str, Any], cls: str | None = None, depth: int = 0) -> None:
        if depth > _UNWRAPPED_MAX:
            return
        kind = type(value)
        if kind is _FUNCTION:
            if id(value.__globals__) in self._modules:
                own = self._add(value.__code__, value.__globals__, None)
                own.functions.add(id(value))
                own.names.add(name)
                if cls and name in _BY_CLASS:
                    own.names.add(cls)
            for cell in value.__closure__ or ():
                try:
                    self._take(cell.cell_contents, name, module, cls, depth + 1)
                except ValueError:
                    pass  # an empty cell
        elif isinstance(value, type):
            if value.__module__ == module.get("__name__"):
                for inner, member in list(vars(value).items()):
                    if member is not value:
                        self._take(member, inner, module, value.__name__, depth + 1)
        elif kind is property:
            for member in (value.fget, value.fset, value.fdel):
                self._take(member, "__property__", module, cls, depth + 1)
        elif kind.__module__ in ("functools", "builtins", "types"):
            # No other types: what looking at an attribute of theirs does is their business.
            for attribute in ("__func__", "__wrapped__", "func"):
                wrapped = getattr(value, attribute, None)
                if wrapped is not None:
                    self._take(wrapped, name, module, cls, depth + 1)

    def _add(self, code: CodeType, module: dict[str, Any], outer: Own | None) -> Own:
        own = self._own.get(id(code))
        if own is None:
            own = self._own[id(code)] = Own(code, module, outer)
            for inner in code.co_consts:
                if type(inner) is _CODE:
                    self._add(inner, module, own)
        elif own.outer is None:
            own.outer = outer
        return own

    def _settle(self) -> None:
        """Find what touches, and what calls it, until there is nothing new."""
        self._conclusions.clear()
        known = self.known
        for own in self._own.values():
            known.functions |= own.names
        news: set[Any] = {name for _, _, name in self._variables} | touches.REACH_ANYTHING
        for held in self._held.values():
            news |= held
        for own in self._own.values():
            news |= own.held_locals
        while news:
            pending = [
                own for own in self._own.values() if not own.words.isdisjoint(news) or not news.isdisjoint(own.inner)
            ]
            news = set()
            for own in pending:
                news |= self._look_through(own)

    def _look_through(self, own: Own) -> set[Any]:
        known, news = self.known, set()
        if own.outer is not None:
            own.held_locals.update(own.outer.held_locals.intersection(own.code.co_freevars))
        found = touches.find(own.flow, self._scope(own), known)
        own.places |= found.places
        if found.places and id(own.code) not in known.writing:
            known.writing.add(id(own.code))
            known.writers |= own.names
            news |= {id(own.code), *own.names}
        held = self._held.setdefault(id(own.module), set())
        for all_kept, new in (
            (own.held_locals, found.locals),
            (held, found.globals),
            (known.held_attributes, found.attributes),
            (known.giving, own.names if found.returns else set()),
            (known.writers, found.writers),
        ):
            if not new <= all_kept:
                all_kept.update(new)
                news |= new
        for other in self._own.values():
            for passed, all_kept in ((found.passed, other.held_locals), (found.writers_passed, known.writers)):
                if not other.names.isdisjoint(passed) and not other.arguments <= all_kept:
                    all_kept.update(other.arguments)
                    news |= other.arguments
        return news

    def _scope(self, own: Own) -> touches.Scope:
        stored_globals = {name for module, function, name in self._variables if module is own.module and not function}
        at: Own | None = own
        functions = set()
        while at is not None:
            functions.add(at.code.co_name)
            at = at.outer
        stored_locals = {
            name for module, function, name in self._variables if module is own.module and function in functions
        }
        return touches.Scope(stored_globals, stored_locals, self._held.get(id(own.module), set()), own.held_locals)


def functions_of(module: dict[str, Any]) -> tuple[int, ...]:
    """By what a module is told apart from the same one with other functions."""
    return id(module), *(id(value) for value in list(module.values()) if type(value) is _FUNCTION)


def _held_by_locals(code: CodeType, frames: list[FrameType]) -> int:
    """How many functions made from that code are local variables of the frames."""
    held = {
        id(value)
        for frame in frames
        if any(one is code for one in frame.f_code.co_consts)
        for value in read(frame).values()
        if type(value) is _FUNCTION and value.__code__ is code
    }
    return len(held)


class _Probe:
    def __init__(self) -> None:
        self.code = object()


_probe = _Probe()
_ONE_HOLDER = sys.getrefcount(_probe.code)
