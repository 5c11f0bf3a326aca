"""Boxes and frames of the meta-interpreter.

A `Box` is a value of the interpreter being traced, seen twice: as the Python object it is now, and as IR. An int, float
or bool may be known to the IR as a reference (`ref`), as an unboxed number (`raw`), or as both.

Frames keep boxes only where CPython would keep references, so that objects die while recording when they would die
anyway.
"""

from __future__ import annotations

from dataclasses import dataclass
from gc import get_referents
from types import CellType, FunctionType, GeneratorType
from typing import TYPE_CHECKING, Any
from weakref import ReferenceType, getweakrefcount

from metatracer.backend.generators import is_over
from metatracer.ir.values import NULL, NULL_OBJECT, Const, FrameState, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from metatracer.frontend.jitcode import Instruction, JitCode

NO_HEADERS: Mapping[int, Any] = {}
LIST_ITERATOR: type = type(iter([]))
TUPLE_ITERATOR: type = type(iter(()))
RANGE_ITERATOR: type = type(iter(range(0)))

Kind = type | int | tuple[Any, ...] | None
"""How an iterator is given to a loop: by the class of a list's or tuple's, with the step of a range's, for a generator the place
where it waits and the kinds of what it holds; None: whole."""


class Box:
    """One value while recording.

    Attributes:
        object: The Python object; NULL_OBJECT for a cleared slot.
        ref: IR value of kind r, or None if only the number exists so far.
        raw: IR value of kind i, f or b, or None.
    """

    __slots__ = ("object", "raw", "ref")

    def __init__(self, obj: Any, ref: Value | None = None, raw: Value | None = None) -> None:
        self.object = obj
        self.ref = ref
        self.raw = raw

    @property
    def is_const(self) -> bool:
        """Whether the trace knows the value."""
        return isinstance(self.ref, Const) or isinstance(self.raw, Const)

    @property
    def is_never_observed(self) -> bool:
        """Whether nobody can notice the object's end, whatever it is."""
        return False

    @property
    def is_shared_virtual(self) -> bool:
        """Whether this is a virtual object that several frames may hold: all frames of a snapshot must name it alike."""
        return False

    def snapshot_value(self) -> Any:
        """How a snapshot names this value: the original reference if there is one, else the number (or a virtual)."""
        value = self.ref if self.ref is not None else self.raw
        assert value is not None
        return value

    def __repr__(self) -> str:
        return f"Box({self.object!r}, {self.ref}, {self.raw})"


NULL_BOX = Box(NULL_OBJECT, NULL)


def const_box(obj: Any) -> Box:
    """A box for an object that the trace knows."""
    return Box(obj, Const("r", obj))


@dataclass(slots=True)
class Pending:
    """What a frame does with the result of the frame above it.

    Attributes:
        instruction: The pending one; an exception is thrown there.
        deliver: Called with (meta-interpreter, frame, result box) in the frame when the callee has returned; stores
            the result into registers.
        finish, kept, pushes: As in `FrameState`.
        again: The instruction is done again: a FOR_ITER over the generator whose frame is above asks a real one for its item, a
            branch goes on with the truth that the frame above gives.
        check: Called with (meta-interpreter, result box) at the callee's return instruction, may record guards there.
        records: Whether `deliver` records a call.
    """

    instruction: Instruction
    deliver: Callable[[Any, MetaFrame, Box], None]
    finish: Any = None
    kept: tuple[Box, ...] = ()
    pushes: bool = True
    check: Callable[[Any, Box], None] | None = None
    records: bool = False
    again: bool = False

    @property
    def place(self) -> int:
        """Byte offset where the frame goes on with what the frame above gives."""
        return self.instruction.index if self.again else self.instruction.next_index

    def may_record(self, result: Box) -> bool:
        """Whether more than guards is recorded between the callee's end and the caller's next instruction."""
        return self.records or result.object is NotImplemented


class _Again:
    """Of `AGAIN`."""


AGAIN = _Again()
"""What a `finish` gives if the pending instruction is to be done again."""


def finish_discard(_result: Any) -> None:
    """A `finish`: what a setter or `__setitem__` gave is dropped."""


class MetaFrame:
    """A frame of the meta-interpreter.

    Attributes:
        jitcode: What it runs.
        function: The function object; constant in the trace.
        registers: Boxes, None for unbound.
        position: Next instruction.
        index: Byte offset of the current CPython instruction.
        pending: Set while a callee's frame is above this one.
        state: The `FrameState` while a callee is above (it cannot change then).
        came_back: A back-edge of the guest was passed since the last merge point.
        backward_jumps: How often this frame went round a loop of its own.
        portal: The portal that the function is, or None.
        headers: Of a helper the headers of its loops that have traces of their own, by byte offset.
        context: How the frame came about (see `polymorphism`).
        entry_key, entry_greens: Green key, and greens, of the first merge point of a portal's frame, None before. A frame
            that a bridge begins with has the key alone.
        entered_at: How many operations the trace had when an inlined portal call came to that merge point.
        visited: Green keys of the merge points the frame has passed.
        generator: Whose frame it is (`generators`), or None.
        passed: Their contexts, and how many operations the trace had then.
        is_resumed: A bridge begins with it.
        went_round: The place of the first loop it has gone round (see `unrolling`), and how many operations the trace had then.
        given: The id() of what was in each register when the function was called, 0 for those that were unbound; empty in frames
            that a recording begins with.
    """

    __slots__ = (
        "backward_jumps",
        "came_back",
        "context",
        "entered_at",
        "entry_greens",
        "entry_key",
        "function",
        "generator",
        "given",
        "headers",
        "index",
        "is_resumed",
        "jitcode",
        "passed",
        "pending",
        "portal",
        "position",
        "registers",
        "state",
        "visited",
        "went_round",
    )

    def __init__(
        self, jitcode: JitCode, function: FunctionType, portal: Any = None, headers: Mapping[int, Any] = NO_HEADERS
    ) -> None:
        self.jitcode = jitcode
        self.function = function
        self.registers: list[Box | None] = [None] * jitcode.n_registers
        self.position = jitcode.entry
        self.index = jitcode.instructions[jitcode.entry].index
        self.pending: Pending | None = None
        self.state: FrameState | None = None
        self.backward_jumps = 0
        self.came_back = False
        self.portal = portal
        self.headers = headers
        self.entry_key: Any = None
        self.context = 0
        self.generator: Any = None
        self.entry_greens: tuple[Any, ...] | None = None
        self.entered_at = 0
        self.visited: set[Any] = set()
        self.passed: list[tuple[int, int]] = []
        self.given: tuple[int, ...] = ()
        self.is_resumed = False
        self.went_round: tuple[Any, int] | None = None

    def box(self, register: int) -> Box:
        """The box in a register that must be bound."""
        box = self.registers[register]
        assert box is not None, f"register {register} of {self.jitcode.code.co_qualname} is unbound"
        return box

    def note_given(self) -> None:
        """The registers hold what the function is entered with."""
        self.given = tuple([0 if box is None else id(box.object) for box in self.registers[: self.jitcode.n_locals]])

    @property
    def line(self) -> int:
        return self.jitcode.instructions[self.jitcode.positions[self.index]].lineno

    def state_at(self, index: int, throw_index: int = -1) -> FrameState:
        """The frame as it must be rebuilt to go on at `index` with the registers as they are now."""
        return self.state_at_depth(index, self.jitcode.depths[index], throw_index)

    def state_pending(self) -> FrameState:
        """The frame as it must be rebuilt while a callee runs above it; kept until the callee returns, if it can be."""
        if self.state is not None:
            return self.state
        pending = self.pending
        assert pending is not None
        instruction = pending.instruction
        index = pending.place
        state = self.state_at_depth(index, self.jitcode.depths[index] - pending.pushes, instruction.index)
        state.finish = pending.finish
        state.kept = tuple([box.snapshot_value() for box in pending.kept])
        state.pushes = pending.pushes
        if not any(box is not None and box.is_shared_virtual for box in (*self.registers, *pending.kept)):
            self.state = state
        return state

    def state_at_depth(self, index: int, depth: int, throw_index: int) -> FrameState:
        """As `state_at`, with only the lowest `depth` stack slots."""
        jitcode, registers = self.jitcode, self.registers
        numbers = live_numbers(jitcode, registers, index, throw_index)
        boxes = [registers[number] for number in numbers]
        if None in boxes:
            numbers = tuple([number for number, box in zip(numbers, boxes, strict=True) if box is not None])
        values = tuple([box.snapshot_value() for box in boxes if box is not None])
        base = jitcode.n_locals
        stack = tuple([NULL if box is None else box.snapshot_value() for box in registers[base : base + depth]])
        return FrameState(
            jitcode, self.function, index, throw_index, numbers, values, stack, entry_key=self.entry_key, context=self.context
        )


def live_numbers(jitcode: JitCode, registers: list[Box | None], index: int, throw_index: int = -1) -> tuple[int, ...]:
    """The locals that a state holds.

    They are those needed at an index, and by the handler of an exception that is thrown at `throw_index`. An object
    whose end is observed lives as long as a local refers to it, even if nobody reads that local again.
    """
    live, others = jitcode.liveness(index, throw_index)
    observed = [
        number
        for number in others
        if (box := registers[number]) is not None and not box.is_never_observed and is_observed(box.object)
    ]
    return tuple(sorted([*live, *observed])) if observed else live


_HEAP_TYPE = 1 << 9


def is_observed(obj: Any) -> bool:
    """Whether somebody notices when the object is freed: its class has a finalizer, or a weak reference exists.

    Or it is a small list, tuple or dict of such objects.
    """
    cls = type(obj)
    if cls in _OPENED:
        return runs_code_at_end(obj)
    if cls is ReferenceType:
        return True  # its callback comes only while it lives
    return _is_finalized(obj) or (
        bool(cls.__flags__ & _HEAP_TYPE) and cls.__weakrefoffset__ != 0 and getweakrefcount(obj) > 0
    )


_MOST = 16
_PLAIN = frozenset({int, float, bool, str, bytes, type(None), type(NULL_OBJECT), range, complex})
_OPENED = frozenset({tuple, list, dict})


def runs_code_at_end(obj: Any) -> bool:
    """Whether freeing an object may run code of the guest's: a finalizer of its class, or of something that it holds itself.

    What that holds in turn is not looked at, nor what a container of many things does.
    """
    cls = type(obj)
    if cls in _PLAIN:
        return False
    if _is_finalized(obj):
        return True
    if cls is FunctionType:
        parts: Any = [cell for cell in obj.__closure__ or () for cell in get_referents(cell)]
    elif cls is CellType or cls.__flags__ & _HEAP_TYPE or (cls in _OPENED and len(obj) <= _MOST):
        parts = get_referents(obj)
    else:
        return False
    return len(parts) <= _MOST and any(map(_is_finalized, parts))


def _is_finalized(obj: Any) -> bool:
    """Whether its class has a finalizer, as that of a generator which waits in a `try` has."""
    cls = type(obj)
    if cls.__flags__ & _HEAP_TYPE:
        return hasattr(cls, "__del__")
    return cls is GeneratorType and not is_over(obj)


@dataclass(slots=True)
class ResumeFrame:
    """A frame to be continued in the interpreter, with objects for values. Fields as in `FrameState`.

    But `locals` has an item for each local, cell and free variable, NULL_OBJECT for those that are not bound or not live.
    """

    jitcode: JitCode
    function: FunctionType
    index: int
    throw_index: int
    locals: tuple[Any, ...]
    stack: tuple[Any, ...]
    finish: Any = None
    kept: tuple[Any, ...] = ()
    pushes: bool = True


def resume_frame(frame: MetaFrame, index: int, throw_index: int, depth: int, pending: Pending | None) -> ResumeFrame:
    """The concrete counterpart of `MetaFrame.state_at`."""
    jitcode = frame.jitcode
    base = jitcode.n_locals
    objects = tuple([NULL_OBJECT if box is None else box.object for box in frame.registers[: base + depth]])
    resumed = ResumeFrame(jitcode, frame.function, index, throw_index, objects[:base], objects[base:])
    if pending is not None:
        resumed.finish = pending.finish
        resumed.kept = tuple(box.object for box in pending.kept)
        resumed.pushes = pending.pushes
    return resumed
