"""What the recorder asks of the runtime: portals, JitCode, assumptions."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from metatracer.backend.class_assignments import class_assignments
from metatracer.backend.own_dicts import PLAIN_KEYS
from metatracer.frontend.decode import jitcode_for
from metatracer.runtime import assumptions
from metatracer.runtime.assumptions import ClassUnchanged, DictItemIs, FunctionUnchanged, QuasiFieldIs
from metatracer.runtime.class_facts import InstancesKeepClass, ObjectKeepsClass
from metatracer.runtime.consumers import COLLECTORS
from metatracer.runtime.fusion import Fused, fused, is_consumable, stepping
from metatracer.runtime.given_code import author_code, original_code
from metatracer.runtime.implicit import headers_of, make_header
from metatracer.runtime.implicit_entry import entry_of, make_entry
from metatracer.runtime.twin import given_to, is_twin_of_generator, twin_for
from metatracer.statistics import STATISTICS, ResidualCall

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import CodeType, FrameType, FunctionType

    from metatracer.frontend.jitcode import JitCode
    from metatracer.ir.values import LoopRef
    from metatracer.recorder.frames import Kind
    from metatracer.runtime.implicit import Header
    from metatracer.runtime.implicit_entry import EntryPortal
    from metatracer.runtime.loops import Loop
    from metatracer.runtime.portal import Portal

PORTALS: dict[CodeType, Portal] = {}
"""Every portal by its rewritten code."""

_STORED_CLASS_WEIGHT = 3
"""A store that a trace itself would do is likely to come again."""

_moved_items: dict[tuple[CodeType, int, type, Any], int] = {}
"""How often by code, instruction and key: its class and value if it compares plainly, else its address."""


def _key_of(name: Any) -> tuple[type, Any]:
    """A key by its value, because a guest that makes its dicts again makes equal keys."""
    cls = type(name)
    return cls, name if cls in PLAIN_KEYS else id(name)


def portal_entered(function: FunctionType) -> Portal | None:
    """The portal that a function is, or that its entry is."""
    return PORTALS.get(function.__code__) or entry_of(function)


class RecordingHost:
    """The runtime as one recording sees it.

    Attributes:
        residual_calls: What the recording called instead of looking into it.
    """

    def __init__(self) -> None:
        self.residual_calls: list[ResidualCall] = []

    def portal_of(self, function: FunctionType) -> Portal | None:
        """The portal that a function is, or None."""
        return PORTALS.get(function.__code__)

    def headers_of(self, function: FunctionType) -> Mapping[int, Header]:
        """The loops of a helper that have traces of their own, by the byte offsets of their headers."""
        return headers_of(function)

    def make_header(self, caller: Any, function: FunctionType, index: int, kinds: tuple[Kind, ...]) -> bool:
        """Give a helper's loop traces of its own, if it can have them: the next time round is recorded."""
        return make_header(caller, function, index, kinds)

    def is_consumable(self, code: CodeType) -> bool:
        """Whether a generator of this code can be put together with what consumes it."""
        return is_consumable(code)

    def fused(self, code: CodeType, consumer: str) -> Fused | None:
        """A generator of this code put together with a consumer; None if that cannot be done."""
        return fused(code, consumer)

    def collector(self, cls: type, consumer: str) -> FunctionType | None:
        """The function that does what a consumer does with what a `map` or `filter` gives; None if there is none."""
        return COLLECTORS.get((cls, consumer))  # type: ignore[return-value]

    def stepping(self, code: CodeType) -> CodeType | None:
        """A generator's code as the recorder goes through it; None if it cannot."""
        return stepping(code)

    def restores(self, code: CodeType) -> bool:
        """Whether a generator of this code, made at an exit, first restores what it was given."""
        return is_twin_of_generator(code)

    def generator_at(self, function: FunctionType, index: int, slots: Sequence[Any], stack: Sequence[Any]) -> Any:
        """A generator of such code that goes on at a byte offset when it is asked for an item."""
        return twin_for(function.__code__).go_on(function, index, slots, stack, None)[1]

    def content_of_generator(self, generator: Any) -> tuple[Sequence[Any], Sequence[Any]]:
        """Locals and operand stack with which such a generator was made that has not been asked yet."""
        return given_to(generator)

    def entry_of(self, function: FunctionType) -> EntryPortal | None:
        """The portal at the entry of a helper, or None."""
        return entry_of(function)

    def make_entry(self, caller: Any, function: FunctionType, greens: Sequence[int]) -> EntryPortal | None:
        """Give the calls of a helper traces of their own, if it can have them."""
        return make_entry(caller, function, greens)

    def is_running(self, code: CodeType) -> bool:
        """Whether a frame with this code of an author's is on the stack of this thread, below the recording."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and author_code(frame.f_code) is not code:
            frame = frame.f_back
        return frame is not None

    def original_code(self, function: FunctionType) -> CodeType:
        """The author's code of a function: for portals, before rewriting."""
        portal = PORTALS.get(function.__code__)
        return original_code(function) if portal is None else portal.layout.code

    def jitcode_of(self, function: FunctionType) -> JitCode:
        """The JitCode of the author's code of a function."""
        return jitcode_for(self.original_code(function))

    def new_loop(self, portal: Any, key: Any, greens: tuple[Any, ...]) -> LoopRef:
        """The name of a loop that is about to be recorded; the interpreter may not have counted it yet."""
        ref: LoopRef = portal.loop_of(key, greens).ref
        return ref

    def callable_loop(self, portal: Any, key: Any, greens: Sequence[Any]) -> LoopRef:
        """The name of a loop that machine code can call at once, compiled or not."""
        from metatracer.runtime.compiling import install_stub, stub_trace

        loop: Loop = portal.loop_of(key, tuple(greens))
        if loop.piece is None and loop.stale is None:
            install_stub(loop, stub_trace(loop))
        return loop.ref

    def item_is(self, namespace: dict[str, Any], name: str, value: Any) -> DictItemIs:
        """The assumption that a global (or builtin, or module attribute) stays what it is."""
        return DictItemIs(namespace, name, value)

    def item_absent(self, namespace: dict[str, Any], name: str) -> DictItemIs:
        """The assumption that no such global appears."""
        return DictItemIs(namespace, name, assumptions.MISSING)

    def is_mutable_item(self, namespace: dict[str, Any], name: str) -> bool:
        """Whether a global has been seen to change: then it is read each time."""
        if assumptions.is_stored_item(namespace, name):
            return True
        value = namespace.get(name, assumptions.MISSING)
        return assumptions.is_volatile(DictItemIs(namespace, name, value))

    def note_mutable_item(self, namespace: dict[str, Any], name: str) -> None:
        """Traced code assigns a global, or it is not worth assuming anything of: traces may store it in its place now."""
        assumptions.REGISTRY.note_stored_item(namespace, name)

    def is_stored_item(self, namespace: dict[str, Any], name: str) -> bool:
        """Whether `note_mutable_item` has been told of a global."""
        return assumptions.is_stored_item(namespace, name)

    def moves_of_item(self, code: CodeType, index: int, name: Any) -> int:
        """How often an item of a dict was not where an instruction wanted it."""
        return _moved_items.get((code, index, *_key_of(name)), 0)

    def note_moved_item(self, code: CodeType, index: int, name: Any) -> None:
        """It was not there once more."""
        _moved_items[code, index, *_key_of(name)] = self.moves_of_item(code, index, name) + 1

    def class_unchanged(self, cls: type) -> ClassUnchanged:
        """The assumption that a class and its bases stay as they are."""
        return ClassUnchanged(cls)

    def is_steady_class(self, cls: type) -> bool:
        """Whether `class_unchanged` is worth assuming."""
        return not assumptions.REGISTRY.is_volatile_class(cls)

    def note_class_store(self, cls: type) -> None:
        """Traced code stores attributes of a class (or of a base of it) that was relied on."""
        assumptions.REGISTRY.note_break(ClassUnchanged(cls), _STORED_CLASS_WEIGHT)

    def instances_keep_class(self, cls: type) -> InstancesKeepClass | None:
        """The assumption that no instance of a class is given another one; None when that cannot be relied on."""
        if class_assignments() is None:
            return None
        assumption = InstancesKeepClass(cls)
        return None if assumptions.is_volatile(assumption) else assumption

    def object_keeps_class(self, obj: Any) -> ObjectKeepsClass | None:
        """The assumption that an object keeps its class; None when that cannot be relied on."""
        if class_assignments() is None:
            return None
        assumption = ObjectKeepsClass(obj)
        return None if assumptions.is_volatile(assumption) else assumption

    def function_unchanged(self, function: FunctionType) -> FunctionUnchanged:
        """The assumption that a function keeps its code and defaults."""
        return FunctionUnchanged(function)

    def quasi_field_is(self, obj: Any, field: Any, value: Any) -> QuasiFieldIs | None:
        """The assumption that a quasi-immutable attribute keeps its value; None if it changes all the time."""
        assumption = QuasiFieldIs(obj, field, value)
        return None if assumptions.is_volatile(assumption) else assumption

    def note_residual(self, description: str, filename: str, lineno: int, reason: str) -> None:
        """A call that is not looked into."""
        STATISTICS.residual_call_sites += 1
        self.residual_calls.append(ResidualCall(description, reason, None, None, filename, lineno))
