"""The meta-interpreter: runs JitCode on real objects and writes down what it does.

Recording *is* execution: every instruction is done for real, on the interpreter's own objects, and the operations that
did it are appended to the trace. Whatever ends the recording (the loop closes, a limit is reached, an exception
arrives), the frames can be continued in the interpreter from exactly where they are.

The rule that makes this hold: within one CPython instruction, guards come before the only side effect (their snapshot
is the start of the instruction, which may be executed again); guards after it have a snapshot behind the instruction.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from metatracer.backend.fields import version_tag
from metatracer.backend.shapes import object_shape
from metatracer.errors import AbortReason, RecordingAborted
from metatracer.ir import opcodes as ops
from metatracer.ir.cfunctions import DICT_FIND
from metatracer.ir.opcodes import Effect
from metatracer.ir.pure_calls import IMMUTABLE, is_immutable, is_pure
from metatracer.ir.values import (
    NULL,
    NULL_OBJECT,
    CallShape,
    Const,
    Field,
    Input,
    LoopRef,
    Operation,
    Snapshot,
    Trace,
    Value,
)  # fmt: skip
from metatracer.recorder.frames import NULL_BOX, Box, Kind, MetaFrame, Pending, const_box
from metatracer.recorder.known_classes import KnownClasses
from metatracer.recorder.polymorphism import SHORTEST_COPY, Polymorphism, Site, merge_context
from metatracer.recorder.tracebacks import without_toolkit
from metatracer.recorder.unrolling import keep_apart, note_inlined, note_unrolled, walks_program
from metatracer.recorder.virtual_exceptions import is_unobserved, keeps_virtual, make_handled
from metatracer.recorder.virtuals import VirtualBox, held_by, iterator_from, kind_of, parts_of, unbox_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import CodeType, FunctionType

    from metatracer.frontend.jitcode import Instruction, JitCode
    from metatracer.ir.opcodes import Opcode
    from metatracer.ir.values import CFunction, FrameState
    from metatracer.recorder.unrolling import InlinedCalls

Handler = "Callable[[MetaInterpreter, MetaFrame, Instruction], None]"
HANDLERS: dict[str, Any] = {}
"""What to do for each JitCode operation; filled by the modules of this package."""


def handles(*names: str) -> Callable[[Any], Any]:
    """Register a function as the handler of JitCode operations."""

    def register(function: Any) -> Any:
        for name in names:
            assert name not in HANDLERS, name
            HANDLERS[name] = function
        return function

    return register


class Thrown(Exception):
    """A guest exception was raised at the current instruction.

    Attributes:
        box: The exception instance.
        add_entry: Whether the current frame gets a traceback entry (not for RERAISE).
    """

    def __init__(self, box: Box, add_entry: bool = True) -> None:
        super().__init__()
        self.box = box
        self.add_entry = add_entry


class Unrecordable(Exception):
    """A guest exception was raised where a trace cannot go on with it: the recording ends, the guest gets it.

    Attributes:
        exception: What was raised.
        detail: Where, for `explain`.
    """

    def __init__(self, exception: BaseException, detail: str) -> None:
        super().__init__(detail)
        self.exception = exception
        self.detail = detail


_MOST_PASSED = 24
"""Operations behind a merge point that is passed: of so few it does not matter that the greens are no constants."""


def _never(namespace: dict[str, Any], name: str) -> bool:
    return False


def is_base(base: Any, cls: type) -> bool:
    """Whether a class has another one among its bases, whatever their metaclasses say."""
    return any(found is base for found in type.__dict__["__mro__"].__get__(cls))


def known_place(value: Value | None) -> int:
    """The constant key or index with which a value was taken out of a dict or list, as a number; 0: there is none.

    In a table of functions (by the class of a node, say) there is one for each: what tells them apart is known already.
    """
    if not isinstance(value, Operation):
        return 0
    if value.opcode is ops.GETFIELD:
        return id(value.descr.name) if value.descr.storage == "item" else 0
    is_item = value.opcode is ops.LIST_GETITEM or value.opcode is ops.TUPLE_GETITEM
    if not is_item and not (value.opcode is ops.CALL_C_R and value.descr is DICT_FIND):
        return 0
    key = value.args[1]
    return 0 if not isinstance(key, Const) else 1 + key.value if is_item else id(key.value)


def _is_pure_call(function: Box, arguments: Sequence[Box]) -> bool:
    """Whether a call has no effect, and sees nothing but what never changes, whatever instances of these classes it is given."""
    return (
        function.is_const
        and is_pure(function.object)
        and all(is_immutable(box.object) if box.is_const else type(box.object) in IMMUTABLE for box in arguments)
    )


_MOST_RESTARTS = 8
"""Of one recording, at headers of inner loops."""


class PortalView(Protocol):
    """What the recorder needs to know of a portal (implemented by `runtime.portal.Portal`)."""

    merge_start: int
    merge_end: int
    skips: dict[int, int]
    green_numbers: tuple[int, ...]
    red_numbers: tuple[int, ...]
    maybe_unbound: frozenset[int]
    is_implicit: bool
    only_looks: bool
    kinds: tuple[Kind, ...]
    frozen: dict[int, list[Any]]
    polymorphism: Polymorphism

    def key(self, greens: Sequence[Any]) -> Any: ...
    def compiled_loop(self, key: Any, *, joints: bool = True) -> LoopRef | None: ...
    def comes_rarely(self, key: Any, other: Any) -> bool: ...
    def site(self, greens: Sequence[Any], lineno: int) -> Any: ...
    def may_inline(self, key: Any) -> bool: ...
    def refuse_inlining(self, key: Any, greens: Sequence[Any]) -> None: ...
    def may_unwind(self, key: Any) -> bool: ...
    def comes_first(self, key: Any, greens: Sequence[Any]) -> bool: ...
    def note_joint(self, key: Any, greens: Sequence[Any]) -> None: ...
    def run_from_merge_point(self, values: list[Any]) -> Any: ...


class EntryView(PortalView, Protocol):
    """The entry of a helper."""

    is_outer: bool

    def is_hopeless(self, key: Any) -> bool: ...
    def let_in(self, function: FunctionType) -> None: ...


class HeaderView(Protocol):
    """The header of a helper's loop: a portal for the kinds of iterators that lie on the operand stack."""

    def portal_for(self, kinds: tuple[Kind, ...]) -> PortalView: ...


class Host(Protocol):
    """What the recorder asks of the runtime."""

    def portal_of(self, function: FunctionType) -> PortalView | None: ...
    def headers_of(self, function: FunctionType) -> Mapping[int, HeaderView]: ...
    def make_header(self, caller: PortalView, function: FunctionType, index: int, kinds: tuple[Kind, ...]) -> bool: ...
    def is_consumable(self, code: CodeType) -> bool: ...
    def fused(self, code: CodeType, consumer: str) -> Any: ...
    def collector(self, cls: type, consumer: str) -> FunctionType | None: ...
    def stepping(self, code: CodeType) -> CodeType | None: ...
    def content_of_generator(self, generator: Any) -> tuple[Sequence[Any], Sequence[Any]]: ...
    def restores(self, code: CodeType) -> bool: ...
    def generator_at(self, function: FunctionType, index: int, slots: Sequence[Any], stack: Sequence[Any]) -> Any: ...
    def entry_of(self, function: FunctionType) -> EntryView | None: ...
    def make_entry(self, caller: PortalView, function: FunctionType, greens: Sequence[int]) -> EntryView | None: ...
    def is_running(self, code: CodeType) -> bool: ...
    def original_code(self, function: FunctionType) -> CodeType: ...
    def jitcode_of(self, function: FunctionType) -> JitCode: ...
    def new_loop(self, portal: PortalView, key: Any, greens: tuple[Any, ...]) -> LoopRef: ...
    def callable_loop(self, portal: PortalView, key: Any, greens: Sequence[Any]) -> LoopRef: ...
    def item_is(self, namespace: dict[str, Any], name: str, value: Any) -> Any: ...
    def item_absent(self, namespace: dict[str, Any], name: str) -> Any: ...
    def is_mutable_item(self, namespace: dict[str, Any], name: str) -> bool: ...
    def moves_of_item(self, code: CodeType, index: int, name: Any) -> int: ...
    def note_moved_item(self, code: CodeType, index: int, name: Any) -> None: ...
    def note_mutable_item(self, namespace: dict[str, Any], name: str) -> None: ...
    def is_stored_item(self, namespace: dict[str, Any], name: str) -> bool: ...
    def class_unchanged(self, cls: type) -> Any: ...
    def is_steady_class(self, cls: type) -> bool: ...
    def note_class_store(self, cls: type) -> None: ...
    def instances_keep_class(self, cls: type) -> Any | None: ...
    def object_keeps_class(self, obj: Any) -> Any | None: ...
    def function_unchanged(self, function: FunctionType) -> Any: ...
    def quasi_field_is(self, obj: Any, field: Any, value: Any) -> Any | None: ...
    def note_residual(self, description: str, filename: str, lineno: int, reason: str) -> None: ...


@dataclass(slots=True)
class Limits:
    """Bounds of one recording, from the driver's parameters."""

    trace_limit: int = 6000
    tail_limit: int = 100
    max_inline_depth: int = 40
    max_unroll_recursion: int = 1
    max_inline_recursion: int = 8
    max_unroll_loops: int = 40
    promotion_limit: int = 8
    inlining: bool = True
    helper_loops: bool = True


@dataclass(slots=True)
class Recorded:
    """A finished recording.

    Attributes:
        trace: Ends in jump, finish or finish_raise.
        kind: "loop" (back to its own start), "jump" (to another loop), "finish" or "raise".
        values: For loop and jump: the greens and reds at the merge point reached. For finish: [result]. For raise:
            [exception].
        key: For loop and jump the green key reached; portal: Whose merge point that is.
        restarted: The recording began again at an inner loop's header; `start_key` says whose loop the trace is.
        tails: How many operations it has recorded behind merge points, by their contexts: as far as such copies count.
        left_loop: It has gone round another loop that comes much less often: the one in which its own is.
    """

    trace: Trace
    kind: str
    values: list[Any]
    key: Any
    start_key: Any
    restarted: bool = False
    portal: Any = None
    tails: dict[int, int] = field(default_factory=dict)
    left_loop: bool = False


class MetaInterpreter:
    """Records one trace.

    Args:
        host: The runtime.
        portal: The portal whose loop or bridge is recorded.
        limits: Bounds.
        own_loop: The loop that a root trace will become (recursive calls of it refer to it), or None for a bridge.
        start_key: Green key of the root's header; None for a bridge.
    """

    def __init__(
        self, host: Host, portal: PortalView, limits: Limits, own_loop: LoopRef | None, start_key: Any, name: str
    ) -> None:
        self.host = host
        self.portal = portal
        self.limits = limits
        self.own_loop = own_loop
        self.start_key = start_key
        self.name = name
        self.frames: list[MetaFrame] = []
        self.inputs: list[Input] = []
        self.operations: list[Operation] = []
        self.assumptions: dict[Any, Any] = {}
        self.outcome: Recorded | None = None
        self.restarted = False
        self._restarts = 0
        self.passes_by: Callable[[LoopRef], bool] | None = None  # tells loops whose code the trace does not end at
        self._passes_joints = False  # it has come by such a loop: the next joint would be as good
        # What is known of IR values; keys are the values themselves (identity hash).
        self.types: dict[Value, type] = {}
        self.given: dict[JitCode, tuple[tuple[int, ...], set[int]]] = {}
        """What helpers were given first, and the registers that differed in a later call (`recursion`)."""
        self.classes = KnownClasses(host)
        self.raws: dict[Value, Value] = {}
        self.truths: dict[Value, Const] = {}
        # The words of references to ints that are known to be unsigned ones (`recorder.unsigned`).
        self.unsigned: dict[Value, Value] = {}
        # What holds as long as there is the value: of tuples (`tuples`), opposites of truths, and which references are the same.
        self.lasting: dict[Any, Value] = {}
        self.nonnull: set[Value] = set()
        self.heap: dict[Any, Value] = {}
        self.contents: dict[Value, tuple[dict[Any, Any], dict[str, Value]]] = {}
        self.frozen = portal.frozen
        self.polymorphism = portal.polymorphism
        self.passes = False  # the merge point that the trace begins at, with greens that are no constants
        self.passed: MetaFrame | None = None  # the frame that has done so
        self.promotion_sites: set[Site] = set()
        self.unpromoted: set[Value] = set()
        self.unrolled: dict[tuple[JitCode, Any], int] = {}
        self.inlined: dict[tuple[PortalView, Any], InlinedCalls] = {}
        # Tuples of cells made in the trace (for closures), with the cells.
        self.cells: dict[Value, tuple[Box, ...]] = {}
        # In a bridge: what the parent trace had stored into, by the id() of the object.
        self.stored: dict[int, Value] = {}
        # What was handled before the handlers that have been entered with a virtual exception (`virtuals.HandledBefore`).
        self.handling: list[VirtualBox] = []
        # The first instruction stands at a merge point, perhaps, that has been passed.
        self.is_at_start = False
        # How many operations were recorded behind merge points, by their contexts (`Recorded.tails`).
        self._tails: dict[int, int] = {}
        self._left_loop = False
        self._depth = 0
        self._started: tuple[JitCode, int]
        self.effect_done = False
        self._stored_classes: list[type] = []
        # By the id of a class, its version when it was relied on; by that id and a name, its version then and a slot.
        self._relied: dict[int, int] = {}
        self._slots: dict[tuple[int, str], tuple[int, Field]] = {}
        self._snapshot: Snapshot | None = None

    # --- emitting -----------------------------------------------------------------------------------------------------

    def emit(self, opcode: Opcode, *args: Value, descr: Any = None) -> Operation:
        """Append an operation that is no guard."""
        if self.handling and not is_unobserved(opcode):
            self.make_handled_first()
        op = Operation(opcode, args, descr)
        self.operations.append(op)
        return op

    def guard(self, opcode: Opcode, *args: Value, descr: Any = None, snapshot: Snapshot | None = None) -> Operation:
        """Append a guard; without `snapshot` it leaves to the start of the current instruction."""
        op = Operation(opcode, args, descr, snapshot or self.snapshot())
        self.operations.append(op)
        return op

    def make_handled_first(self) -> None:
        """What others can see is recorded in a handler of a virtual exception: what is handled must be real before it."""
        if self.effect_done or len(self.frames) != self._depth:
            jitcode, index = self._started
            jitcode.notes.setdefault("records late", set()).add(index)  # the next recording makes it beforehand
            raise self.aborted(AbortReason.UNSUPPORTED, "something is recorded in the middle of an instruction of a handler")
        make_handled(self)
        self._snapshot = None

    def snapshot(self) -> Snapshot:
        """The state at the start of the current instruction; shared by its guards."""
        if self._snapshot is None:
            assert not self.effect_done, "a guard behind the side effect needs a snapshot of its own"
            top = self.frames[-1]
            self._snapshot = self.snapshot_of(top.state_at(top.index))
        return self._snapshot

    def snapshot_of(self, top: FrameState) -> Snapshot:
        """A snapshot with the given innermost frame."""
        outer = tuple([frame.state_pending() for frame in self.frames[:-1]])
        return Snapshot((*outer, top))

    def forget_states(self) -> None:
        """A virtual object has changed, which frames further out may hold, too."""
        for frame in self.frames[:-1]:
            kept = frame.pending.kept if frame.pending is not None else ()
            if any(isinstance(box, VirtualBox) for box in (*frame.registers, *kept)):
                frame.state = None

    def snapshot_after(self, frame: MetaFrame, instruction: Instruction) -> Snapshot:
        """The state behind the current instruction, whose results are already in their registers."""
        return self.snapshot_of(frame.state_at(instruction.next_index, instruction.index))

    def assume(self, assumption: Any) -> None:
        """The trace is valid only as long as this holds."""
        self.assumptions.setdefault(assumption, assumption)

    def forget_assumption(self, namespace: dict[str, Any], name: str) -> None:
        """The trace itself changes a global that it took for constant: give it up and record again without that."""
        if any(getattr(held, "is_about", _never)(namespace, name) for held in self.assumptions.values()):
            raise self.aborted(AbortReason.ASSUMPTION_BROKEN, f"the traced code assigns the global {name}")

    def is_steady(self, *classes: type) -> bool:
        """Whether the classes change so seldom that a trace may rely on them; if not, CPython is asked each time."""
        return all(map(self._is_steady, classes))

    def _is_steady(self, cls: type) -> bool:
        for stored in self._stored_classes:
            if is_base(stored, cls):
                return False
        return self.host.is_steady_class(cls)

    def rely_on_class(self, cls: type) -> None:
        """The trace is valid only as long as a class, which must be steady, and its bases stay as they are."""
        tag = version_tag(cls)
        if not tag or self._relied.get(id(cls)) != tag:
            self.assume(self.host.class_unchanged(cls))
            self._relied[id(cls)] = tag

    def known_slot(self, cls: type, name: str) -> Field | None:
        """What `note_slot` was told of an attribute of instances, if the class (no version comes twice) is as it was then."""
        known = self._slots.get((id(cls), name))
        return known[1] if known is not None and known[0] == version_tag(cls) else None

    def note_slot(self, cls: type, name: str, field: Field) -> None:
        """Keep for this recording that an attribute is a slot, and what a class says of attributes is not overridden."""
        tag = version_tag(cls)
        if tag:
            self._slots[id(cls), name] = tag, field

    def note_class_store(self, cls: type) -> None:
        """The trace is about to store a class attribute: what relies on the class would break each time."""
        self._stored_classes.append(cls)
        relied = [held.cls for held in self.assumptions.values() if getattr(held, "is_about_class", False)]
        concerned = [kind for kind in relied if is_base(cls, kind)]
        for kind in concerned:
            self.host.note_class_store(kind)
        if concerned:
            raise self.aborted(
                AbortReason.ASSUMPTION_BROKEN, f"the traced code assigns an attribute of class {cls.__qualname__}"
            )

    # --- boxes ----------------------------------------------------------------------------------------------------------

    def ref(self, box: Box) -> Value:
        """The value as a reference, boxing a number if need be."""
        if box.ref is None:
            if isinstance(box, VirtualBox):
                return box.make(self)
            raw = box.raw
            assert raw is not None
            if isinstance(raw, Const):
                box.ref = Const("r", box.object)
            elif raw.kind == "i":
                box.ref = self.emit(ops.INT_BOX, raw)
                self.types[box.ref] = int
                self.raws[box.ref] = raw
            elif raw.kind == "f":
                box.ref = self.emit(ops.FLOAT_BOX, raw)
                self.types[box.ref] = float
                self.raws[box.ref] = raw
            else:
                box.ref = self.emit(ops.BOOL_BOX, raw)
                self.types[box.ref] = bool
                self.raws[box.ref] = raw
        return box.ref

    def known_type(self, box: Box) -> type | None:
        """The exact class if the trace already knows it."""
        if box.ref is None or box.raw is not None:
            return type(box.object)
        if isinstance(box.ref, Const):
            return type(box.object) if self.classes.keep(box.object) else None
        return self.types.get(box.ref)

    def guard_class(self, box: Box) -> type:
        """Make the trace know the exact class of the value; returns it."""
        cls = type(box.object)
        if box.ref is None or box.raw is not None:
            return cls
        if isinstance(box.ref, Const):
            if not self.classes.keep(box.object):
                self.guard(ops.GUARD_TYPE, box.ref, descr=cls)
        elif box.ref not in self.types:
            self.guard(ops.GUARD_TYPE, box.ref, descr=cls)
            self.know_type(box.ref, cls)
        return cls

    def know_type(self, value: Value, cls: type) -> None:
        """The value has exactly this class, now at least."""
        self.types[value] = cls
        self.classes.note(value, cls)

    def int_value(self, box: Box) -> Value | None:
        """The value as an i, for an exact int within 64 bits; None if it is larger (the class is guarded then)."""
        if box.raw is not None:
            return box.raw
        if isinstance(box.ref, Const):
            if not ops.fits_i64(box.object):
                return None
            box.raw = Const("i", box.object)
            return box.raw
        self.guard_class(box)
        if not ops.fits_i64(box.object):
            return None
        assert box.ref is not None
        raw = self.raws.get(box.ref)
        if raw is None:
            word = self.unsigned.get(box.ref)
            if word is None:
                raw = self.guard(ops.INT_UNBOX, box.ref)
            else:
                raw = word
                self.guard(ops.GUARD_TRUE, self.emit(ops.INT_LE, Const("i", 0), word))
            self.raws[box.ref] = raw
        box.raw = raw
        return raw

    def float_value(self, box: Box) -> Value:
        """The value as an f, for an exact float."""
        if box.raw is None:
            if isinstance(box.ref, Const):
                box.raw = Const("f", box.object)
                return box.raw
            self.guard_class(box)
            assert box.ref is not None
            raw = self.raws.get(box.ref)
            if raw is None:
                raw = self.raws[box.ref] = self.emit(ops.FLOAT_UNBOX, box.ref)
            box.raw = raw
        return box.raw

    def bool_value(self, box: Box) -> Value:
        """The value as a b, for an exact bool."""
        if box.raw is not None:
            return self.truths.get(box.raw, box.raw)
        if isinstance(box.ref, Const):
            box.raw = Const("b", box.object)
            return box.raw
        self.guard_class(box)
        assert box.ref is not None
        raw = self.raws.get(box.ref)
        if raw is None:
            raw = self.raws[box.ref] = self.emit(ops.BOOL_UNBOX, box.ref)
        box.raw = raw
        return self.truths.get(raw, raw)

    def guard_bool(self, raw: Value, expected: bool, snapshot: Snapshot | None = None) -> None:
        """Guard that a b is as expected: from here on it is a constant."""
        if isinstance(raw, Const) or raw in self.truths:
            return
        if isinstance(raw, Operation) and raw.opcode is ops.BOOL_NOT:
            self.guard_bool(raw.args[0], not expected, snapshot)
        else:
            self.guard(ops.GUARD_TRUE if expected else ops.GUARD_FALSE, raw, snapshot=snapshot)
        self.truths[raw] = Const("b", expected)

    def is_frozen(self, box: Box) -> bool:
        """Whether the items of a sequence are constants of the trace."""
        return isinstance(box.ref, Const) and (type(box.object) is tuple or id(box.object) in self.frozen)

    def int_box(self, obj: int, raw: Value) -> Box:
        """A box for a computed integer; constants are folded."""
        return Box(obj, None, raw)

    def ref_box(self, obj: Any, ref: Value, known: type | None = None) -> Box:
        """A box for a reference that an operation gave."""
        if known is not None:
            self.types[ref] = known
        return Box(obj, ref, self.raws.get(ref))

    def promote(self, box: Box) -> Any:
        """Make the value a constant of the trace; returns it."""
        if box.is_const:
            return box.object
        obj = box.object
        raw = box.raw
        if raw is None and type(obj) in (int, bool, float):
            self.guard_class(box)
            if type(obj) is int:
                raw = self.int_value(box)
            elif type(obj) is bool:
                raw = self.bool_value(box)
            else:
                raw = self.float_value(box)
        if raw is not None and raw.kind == "i":
            self.guard(ops.GUARD_INT_VALUE, raw, descr=obj)
            box.raw = Const("i", obj)
        elif raw is not None and raw.kind == "b":
            self.guard_bool(raw, obj)
            box.raw = Const("b", obj)
        elif raw is not None or type(obj) is int:
            raise self.aborted(AbortReason.GREEN_NOT_CONSTANT, f"a value such as {obj!r} cannot be promoted")
        elif type(obj) is str:
            self.guard_class(box)
            same = self.emit(ops.STR_EQ, self.ref(box), Const("r", obj))
            self.guard(ops.GUARD_TRUE, same)
        else:
            self.guard(ops.GUARD_VALUE, self.ref(box), descr=obj)
        box.ref = Const("r", obj)
        self.classes.keep(obj)
        return obj

    def promote_unless_polymorphic(self, box: Box) -> bool:
        """Make an object a constant of the trace, unless this place has seen too many; says whether it is one."""
        is_object = not box.is_const and box.raw is None and type(box.object) not in (int, float, bool, str)
        if is_object and not self.may_promote(box.object, known_place(box.ref)):
            assert box.ref is not None
            self.unpromoted.add(box.ref)
            return False
        self.promote(box)
        return True

    def may_promote(self, obj: Any, place: int = 0, most: int | None = None) -> bool:
        """Whether the instruction has not yet met too many objects to make one more a constant.

        Where they come from different places that the trace knows (see `known_place`), it is as many instructions.
        """
        frame = self.frames[-1]
        site = (frame.context, hash((frame.index, place)) if place else frame.index)
        limit = self.limits.promotion_limit if most is None else min(most, self.limits.promotion_limit)
        return self.polymorphism.may_promote(site, obj, limit, self.promotion_sites)

    def has_met_copy(self, function: FunctionType, place: int = 0) -> bool:
        """Whether the instruction has made another function of the same code a constant, in this recording or before."""
        frame = self.frames[-1]
        site = (frame.context, hash((frame.index, place)) if place else frame.index)
        return self.polymorphism.has_met_copy(site, function)

    def aborted(self, reason: AbortReason, detail: str = "") -> RecordingAborted:
        """An abort with the author's place."""
        if not self.frames:
            return RecordingAborted(reason, detail)
        return self.aborted_at(self.frames[-1], reason, detail)

    def aborted_at(self, frame: MetaFrame, reason: AbortReason, detail: str = "") -> RecordingAborted:
        """An abort with the place a frame stands at."""
        return RecordingAborted(reason, detail, frame.jitcode.code.co_filename, frame.line)

    # --- heap knowledge -------------------------------------------------------------------------------------------------

    def forget_heap(self) -> None:
        """Arbitrary code has run."""
        self.heap.clear()
        self.contents.clear()
        for value in self.classes.fickle_values():
            self.types.pop(value, None)

    def guard_place(self, owner: Value, field: Field) -> None:
        """Guard that the owner, whose class is known, keeps a field where it says."""
        if field.storage == "inline":
            key: Any = ("inline", owner)
            if key not in self.heap:
                self.guard(ops.GUARD_INLINE_VALUES, owner)
                self.heap[key] = owner
        elif field.in_dict:
            key = ("dict", owner, field)
            if key not in self.heap:
                self.guard(ops.GUARD_DICT_FIELD, owner, descr=field)
                self.heap[key] = owner

    def forget_dicts(self) -> None:
        """A dict has changed, which may be an instance's own."""
        self.contents.clear()
        for key in list(self.heap):
            if type(key) is tuple and (key[0] in ("dict", "shadow") or (type(key[-1]) is Field and key[-1].in_dict)):
                del self.heap[key]

    # --- calls ----------------------------------------------------------------------------------------------------------

    def execute(self, function: Callable[..., Any], *args: Any, **keywords: Any) -> tuple[Any, BaseException | None]:
        """Do something for real. Returns (result, None) or (None, exception), its traceback without this frame.

        The frames of the traceback know their callers, this one and those below it, for as long as the exception lives. A
        variable of theirs for the exception would close a cycle, and keep what the guest's frames hold until a collection.
        """
        self.effect_done = True
        try:
            return function(*args, **keywords), None
        except BaseException as exception:  # noqa: BLE001 - whatever it is belongs to the guest
            exception.__traceback__ = without_toolkit(exception.__traceback__)
            return None, exception

    def residual_call(
        self,
        frame: MetaFrame,
        instruction: Instruction,
        function: Box,
        arguments: Sequence[Box],
        keywords: tuple[str, ...] = (),
        *,
        store: Callable[[Box], None] | None = None,
        known: type | None = None,
        snapshot: Callable[[], Snapshot] | None = None,
    ) -> Box:
        """Record and make a call that is not looked into; raises `Thrown` if it raised.

        Args:
            frame: The frame that calls.
            instruction: The call.
            function: What is called.
            arguments: The last `len(keywords)` of them are keyword arguments.
            keywords: Their names.
            store: Puts the result where the instruction wants it (before the snapshot behind it is taken); by default
                its first destination register, if it has one.
            known: Exact class of the result, if the callee guarantees it.
            snapshot: The state behind the call if that is not simply behind the instruction.
        """
        is_pure_call = not keywords and _is_pure_call(function, arguments)
        if is_pure_call:
            for box in arguments:
                self.guard_class(box)
        refs = [self.ref(function), *(self.ref(box) for box in arguments)]
        op = self.emit(ops.CALL, *refs, descr=CallShape(keywords))
        split = len(arguments) - len(keywords)
        outcome = [
            *self.execute(
                function.object,
                *[box.object for box in arguments[:split]],
                **{name: box.object for name, box in zip(keywords, arguments[split:], strict=True)},
            )
        ]
        if not is_pure_call:
            self.forget_heap()
        return self._after_call(frame, instruction, op, outcome, store, known, snapshot, runs_code=not is_pure_call)

    def c_call(
        self,
        frame: MetaFrame,
        instruction: Instruction,
        row: CFunction,
        arguments: Sequence[Value],
        objects: Sequence[Any],
        *,
        store: Callable[[Box], None] | None = None,
        known: type | None = None,
        snapshot: Callable[[], Snapshot] | None = None,
        evaluate: Callable[..., Any] | None = None,
        may_raise: bool = True,
    ) -> Box:
        """Record and make a call of a C function; as `residual_call`, with IR values and their objects as arguments.

        With `may_raise` false, an exception ends the recording, and the caller records `guard_not_invalidated` itself.
        """
        opcode = {"r": ops.CALL_C_R, "i": ops.CALL_C_I, "f": ops.CALL_C_F}[row.result]
        op = self.emit(opcode, *arguments, descr=row)
        outcome = [*self.execute(evaluate or row.evaluate, *objects)]
        if row.runs_code:
            self.forget_heap()
        elif row.writes & Effect.DICT:
            self.forget_dicts()
        if not row.can_raise:
            result, failure = outcome
            assert failure is None, failure
            return Box(result, op) if row.result == "r" else Box(result, None, op)
        if outcome[1] is not None and not may_raise:
            name = type(outcome[1]).__name__
            raise Unrecordable(outcome.pop(), f"{row.name} raised {name}")
        checked = (row.runs_code or row.releases) and may_raise
        return self._after_call(frame, instruction, op, outcome, store, known, snapshot, checked)

    def _after_call(
        self,
        frame: MetaFrame,
        instruction: Instruction,
        op: Operation,
        outcome: list[Any],
        store: Callable[[Box], None] | None,
        known: type | None,
        snapshot: Callable[[], Snapshot] | None,
        runs_code: bool,
    ) -> Box:
        """Record what becomes of a call's `outcome`, result and exception of `execute`; the exception is taken out."""
        box = Box(outcome[0], op) if op.kind == "r" else Box(outcome[0], None, op)
        if store is not None:
            store(box)
        elif instruction.dst:
            frame.registers[instruction.dst[0]] = box
        after = snapshot() if snapshot is not None else self.snapshot_after(frame, instruction)
        if outcome[1] is not None:
            caught = self.guard(ops.GUARD_EXCEPTION, op, snapshot=after)
            raise Thrown(Box(outcome.pop(), caught))
        self.guard(ops.GUARD_NO_EXCEPTION, op, snapshot=after)
        if runs_code:
            self.guard(ops.GUARD_NOT_INVALIDATED, snapshot=after)
        if known is not None and op.kind == "r":
            self.types[op] = known
        return box

    # --- frames ---------------------------------------------------------------------------------------------------------

    def push_frame(self, frame: MetaFrame, pending: Pending) -> None:
        """Enter a callee: the frame below waits as `pending` says."""
        below = self.frames[-1]
        below.pending = pending
        below.state = None
        self.frames.append(frame)

    def pop_frame(self) -> MetaFrame:
        """Leave the innermost frame, which holds nothing any more: frames of the guest may know ours, and those know it."""
        frame = self.frames.pop()
        if self.frames:
            self.frames[-1].state = None
        if frame.passed:
            self._note_tails(frame)
        if frame.went_round is not None:
            note_unrolled(self, frame)
        if frame.entry_greens is not None:
            note_inlined(self, frame)
        frame.registers.clear()
        return frame

    def let_go(self) -> None:
        """The recording has ended, and its frames may live on as callers of those in the traceback of an exception."""
        while self.frames:
            self.frames.pop().registers.clear()
        self.outcome = None

    # --- the end of a trace ---------------------------------------------------------------------------------------------

    def _note_tails(self, frame: MetaFrame) -> None:
        """A frame ends, or the trace: what it has recorded behind each of its merge points is a copy of these ways."""
        limit = self.limits.tail_limit
        end = len(self.operations) - limit // SHORTEST_COPY
        for context, start in frame.passed:
            if start <= end:
                self._tails.setdefault(context, min(len(self.operations) - start, max(limit, 1)))

    def _end(self, kind: str, values: list[Any], key: Any = None, portal: PortalView | None = None) -> None:
        for frame in self.frames:
            self._note_tails(frame)
        tails, left = self._tails, self._left_loop
        self.outcome = Recorded(self._trace(), kind, values, key, self.start_key, self.restarted, portal, tails, left)

    def _trace(self) -> Trace:
        classes = self.classes.facts()
        assumptions = [*self.assumptions.values(), *self.classes.assumptions()]
        return Trace(tuple(self.inputs), self.operations, assumptions, self.name, classes=classes)

    def finish(self, box: Box) -> None:
        """The portal's outermost frame returns."""
        self.emit(ops.FINISH, self.ref(box))
        self._end("finish", [box.object])

    def finish_raise(self, box: Box) -> None:
        """An exception leaves the portal's outermost frame."""
        self.emit(ops.FINISH_RAISE, self.ref(box))
        self._end("raise", [box.object])

    def close(self, frame: MetaFrame, portal: PortalView, key: Any, target: LoopRef | None) -> None:
        """End with a jump: to the start (target None) or to another loop."""
        reds = self._reds(frame, portal)
        arguments = [NULL if box is None else self.ref(box) for box in reds]
        self.emit(ops.JUMP, *arguments, descr=target)
        values = [frame.box(number).object for number in portal.green_numbers]
        values += [NULL_OBJECT if box is None else box.object for box in reds]
        self._end("loop" if target is None else "jump", values, key, portal)

    # --- running --------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run until there is an outcome. Raises `RecordingAborted`, or whatever arrives from outside."""
        from metatracer.recorder.exceptions import unwind

        frames = self.frames
        while self.outcome is None:
            frame = frames[-1]
            jitcode = frame.jitcode
            instruction = jitcode.instructions[frame.position]
            thrown: Thrown | None = None
            try:
                if instruction.is_start and self._start_instruction(frame, instruction):
                    continue
                frame.position += 1
                HANDLERS[instruction.op](self, frame, instruction)
            except Thrown as raised:
                thrown = raised.with_traceback(None)  # it has this frame, which has the variable
            if thrown is not None:
                unwind(self, thrown)

    def _start_instruction(self, frame: MetaFrame, instruction: Instruction) -> bool:
        """Begin a CPython instruction. Whether it is done already (a statement of the driver)."""
        jitcode = frame.jitcode
        frame.index = instruction.index
        self._snapshot = None
        self.effect_done = False
        self._depth = len(self.frames)
        registers = frame.registers
        for register in range(jitcode.n_locals + instruction.depth, jitcode.n_registers):
            registers[register] = None
        if self.passed is not None and len(self.operations) > _MOST_PASSED and self.passed in self.frames:
            raise self.aborted(AbortReason.GREEN_NOT_CONSTANT, "much is done before the guest's place is known again")
        if len(self.operations) > self.limits.trace_limit:
            reason = AbortReason.LONG_CALLEE if keep_apart(self) else AbortReason.TRACE_TOO_LONG
            raise self.aborted(reason, f"{len(self.operations)} operations")
        portal = frame.portal
        at_start, self.is_at_start = self.is_at_start, False
        header = frame.headers.get(instruction.index) if frame.headers and not at_start else None
        if header is not None and walks_program(frame, instruction):
            header = None
        is_merge_point = header is not None or (portal is not None and instruction.index == portal.merge_start)
        if self.handling:
            self._started = jitcode, frame.index
            if is_merge_point or not keeps_virtual(self, frame):
                make_handled(self)
        if portal is None:
            return header is not None and self._header(frame, header)
        if is_merge_point and at_start:
            frame.position = jitcode.positions[portal.merge_end]
            return True
        if is_merge_point:
            self._merge_point(frame, portal)
            return True
        if instruction.index in portal.skips:
            frame.came_back = True
            frame.position = jitcode.positions[portal.skips[instruction.index]]
            return True
        return False

    def stand_at(self, frame: MetaFrame, index: int) -> None:
        """The innermost frame has jumped to an instruction: a recording that ends now goes on there."""
        frame.index = index
        self._snapshot = None
        self.effect_done = False

    # --- merge points ---------------------------------------------------------------------------------------------------

    def start_at_merge_point(self, portal: PortalView, key: Any, function: FunctionType, values: Sequence[Any]) -> None:
        """Begin a root trace at the merge point of a portal.

        Args:
            portal: Whose loop.
            key: Its green key.
            function: The portal function.
            values: Greens and reds there, NULL_OBJECT for an unbound red.
        """
        self.portal = portal
        self.start_key = key
        self.inputs = []
        self.operations = []
        self.assumptions = {}
        self._tails.clear()
        self._left_loop = False
        self._relied.clear()
        self._stored_classes.clear()
        for known in (self.types, self.raws, self.unsigned, self.truths, self.lasting, self.heap, self.cells, self.stored):
            known.clear()
        self.contents.clear()
        self.classes = KnownClasses(self.host)
        self.nonnull.clear()
        self.promotion_sites.clear()
        self.unpromoted.clear()
        self.unrolled.clear()
        self.inlined.clear()
        jitcode = self.host.jitcode_of(function)
        frame = MetaFrame(jitcode, function, None if portal.is_implicit else portal, self.host.headers_of(function))
        self.is_at_start = portal.is_implicit
        self.frames[:] = [frame]
        n_greens = len(portal.green_numbers)
        cells = function.__closure__ or ()
        for number, cell in enumerate(cells, jitcode.n_locals - len(cells)):
            frame.registers[number] = const_box(cell)
        for number, obj in zip(portal.green_numbers, values, strict=False):
            frame.registers[number] = const_box(obj)
        unbound_known: list[tuple[Input, bool]] = []
        n_reds = n_greens + len(portal.red_numbers)
        for number, obj in zip(portal.red_numbers, values[n_greens:n_reds], strict=True):
            red = Input("r", jitcode.local_names[number])
            self.inputs.append(red)
            if obj is not NULL_OBJECT:
                frame.registers[number] = Box(obj, red)
            if number in portal.maybe_unbound:
                unbound_known.append((red, obj is NULL_OBJECT))
        iterators = self._given_stack(frame, portal, values[n_reds:])
        frame.index = portal.merge_start
        if portal.only_looks:
            frame.note_given()
        else:
            frame.entry_key = key
        frame.context = merge_context(portal, key)
        frame.visited.add(key)
        frame.position = jitcode.positions[portal.merge_end]
        header = self.snapshot_of(frame.state_at(portal.merge_start))
        if unbound_known:
            # An unbound local is NULL: bound and unbound ones must not be mixed up in one trace.
            state = header.frames[0]
            for red, _ in unbound_known:
                number = portal.red_numbers[self.inputs.index(red)]
                if number not in state.numbers:
                    at = bisect(state.numbers, number)
                    numbers = (*state.numbers[:at], number, *state.numbers[at:])
                    state = dataclasses.replace(state, numbers=numbers, locals=(*state.locals[:at], red, *state.locals[at:]))
            header = Snapshot((state,))
        self.guard(ops.GUARD_NO_ATTENTION, snapshot=header)
        self.guard(ops.GUARD_NOT_INVALIDATED, snapshot=header)
        for red, is_null in unbound_known:
            self.guard(ops.GUARD_NULL if is_null else ops.GUARD_NONNULL, red, snapshot=header)
        self.emit(ops.MERGE_POINT, descr=portal.site(values[:n_greens], frame.line))
        self._snapshot = None
        self.effect_done = False
        for iterator in iterators:
            unbox_parts(self, iterator)

    def _given_stack(self, frame: MetaFrame, portal: PortalView, values: Sequence[Any]) -> list[Box]:
        """The operand stack at the header of a helper's loop; gives the iterators that are in parts."""
        virtual: list[Box] = []
        inputs = [Input("r") for _ in values]
        self.inputs += inputs
        given = iter([Box(obj, red) for obj, red in zip(values, inputs, strict=True)])
        for register, kind in enumerate(portal.kinds, frame.jitcode.n_locals):
            box = iterator_from(kind, given)
            if kind is not None:
                virtual.append(box)
            frame.registers[register] = box
        return virtual

    def _reds(self, frame: MetaFrame, portal: PortalView) -> list[Box | None]:
        """What is given to a portal's loop at its merge point, where a frame stands."""
        registers = frame.registers
        reds = [registers[number] for number in portal.red_numbers]
        for register, kind in enumerate(portal.kinds, frame.jitcode.n_locals):
            reds += parts_of(kind, frame.box(register))
        return reds

    def kinds_at(self, frame: MetaFrame, index: int) -> tuple[Kind, ...]:
        """The kinds of what lies on the operand stack of the innermost frame: nobody else must hold what is given in parts."""
        base = frame.jitcode.n_locals
        stack = frame.registers[base : base + frame.jitcode.depths[index]]
        if not any(isinstance(box, VirtualBox) for box in stack):
            return (None,) * len(stack)
        held = [*stack, *frame.registers[:base]]
        for other in self.frames[:-1]:
            held += other.registers
            held += other.pending.kept if other.pending is not None else ()
        return tuple([kind_of(box, lambda wanted: held_by(held, wanted) == 1) for box in stack])

    def _merge_point(self, frame: MetaFrame, portal: PortalView) -> None:
        if self.passes:
            self.passes, self.passed = False, frame
            frame.position = frame.jitcode.positions[portal.merge_end]
            return
        if self.passed is not None:
            self._comes_from_anywhere(frame, portal)
        greens = [self.promote(frame.box(number)) for number in portal.green_numbers]
        key = portal.key(greens)
        frame.context = merge_context(portal, key)
        if len(self.frames) == 1:
            if self._merge_outermost(frame, portal, key, greens):
                return
        elif self._merge_inlined(frame, portal, key, greens):
            return
        frame.visited.add(key)
        frame.passed.append((frame.context, len(self.operations)))
        self.emit(ops.MERGE_POINT, descr=portal.site(greens, frame.line))
        frame.position = frame.jitcode.positions[portal.merge_end]

    def _comes_from_anywhere(self, frame: MetaFrame, portal: PortalView) -> None:
        """At a merge point behind one that was passed: its greens must tell the place again."""
        if self.passed in self.frames and any(not frame.box(number).is_const for number in portal.green_numbers):
            raise self.aborted(AbortReason.GREEN_NOT_CONSTANT, "where the guest is then depends on it, too")

    def _header(self, frame: MetaFrame, header: HeaderView) -> bool:
        """At the header of a helper's loop that has traces of its own. Whether the trace ends, or begins again, or calls it."""
        portal = header.portal_for(self.kinds_at(frame, frame.index))
        key = portal.key(())
        frame.context = merge_context(portal, key)
        if len(self.frames) > 1:
            self.call_inlined(frame, portal, key, ())
            return True
        if self._merge_outermost(frame, portal, key, ()):
            return True
        frame.visited.add(key)
        self.emit(ops.MERGE_POINT, descr=portal.site((), frame.line))
        return False

    def _merge_outermost(self, frame: MetaFrame, portal: PortalView, key: Any, greens: Sequence[Any]) -> bool:
        """At a merge point of the frame the trace started in. Whether the trace ends or starts again here."""
        if key == self.start_key and self.own_loop is not None:
            self.close(frame, portal, key, None)
            return True
        if frame.came_back and key not in frame.visited and portal.comes_rarely(key, self.start_key):
            self._left_loop = True
        loop = portal.compiled_loop(key, joints=self._ends_at_joints)
        if loop is not None and self.passes_by is not None and self.passes_by(loop):
            self._passes_joints = True
            return False
        if loop is None and frame.context in self.polymorphism.joins:
            loop = self.host.callable_loop(portal, key, greens)
        if loop is None and self._is_joint(frame, portal, key, greens):
            loop = self._callee(portal, key, greens, AbortReason.JOINT_FIRST)
        if loop is not None:
            self.close(frame, portal, key, loop)
            return True
        if self._is_round(frame, portal, key) and self._restarts < _MOST_RESTARTS:
            # Round an inner loop that has no code yet: that one is worth a trace of its own first.
            self.restarted = True
            self._restarts += 1
            values = [frame.box(number).object for number in portal.green_numbers]
            self.own_loop = self.host.new_loop(portal, key, tuple(values))
            values += [NULL_OBJECT if box is None else box.object for box in self._reds(frame, portal)]
            self.start_at_merge_point(portal, key, frame.function, values)
            return True
        return False

    @property
    def _ends_at_joints(self) -> bool:
        """Whether this is a bridge, or begins at a joint itself, and has not passed by a joint."""
        return not self._passes_joints and (self.own_loop is None or self.own_loop.is_joint)

    def _is_joint(self, frame: MetaFrame, portal: PortalView, key: Any, greens: Sequence[Any]) -> bool:
        """Whether enough traces repeat what comes behind this merge point: this one had better go to a common copy.

        What begins at a joint itself goes to the joints that have code.
        """
        if not self._ends_at_joints or not self.polymorphism.is_joint(frame.context, self.limits.tail_limit):
            return False
        if self.own_loop is not None:
            return portal.compiled_loop(key) is not None
        portal.note_joint(key, greens)
        return True

    def _callee(
        self, portal: PortalView, key: Any, greens: Sequence[Any], reason: AbortReason, detail: str = ""
    ) -> LoopRef:
        """The name of a loop to go to or to call. It has code, if that can be had."""
        if portal.compiled_loop(key) is None and portal.comes_first(key, greens):
            raise self.aborted(reason, detail)
        return self.host.callable_loop(portal, key, greens)

    @staticmethod
    def _is_round(frame: MetaFrame, portal: PortalView, key: Any) -> bool:
        """Whether the guest has gone round a loop, and not merely called the same guest function twice.

        Portals that keep the guest's frames on the heap pass the merge points of called functions, too: only the author's
        back-edges tell. A driver without `can_enter_jit` has none.
        """
        came_back, frame.came_back = frame.came_back or not portal.skips, False
        return came_back and key in frame.visited

    def _merge_inlined(self, frame: MetaFrame, portal: PortalView, key: Any, greens: Sequence[Any]) -> bool:
        """At a merge point of an inlined portal call. Whether it became a call."""
        if frame.entry_key is not None:
            return self._merge_entered(frame, portal, key, greens)
        frame.entry_key = key
        frame.entry_greens = tuple(greens)
        frame.entered_at = len(self.operations)
        recursion = sum(1 for other in self.frames[:-1] if other.portal is portal and other.entry_key == key)
        is_called = frame.context in self.polymorphism.called or not portal.may_inline(key)
        if not is_called and recursion < self.limits.max_unroll_recursion:
            return False
        self.call_inlined(frame, portal, key, greens)
        return True

    def _merge_entered(self, frame: MetaFrame, portal: PortalView, key: Any, greens: Sequence[Any]) -> bool:
        """At a later merge point of an inlined portal call. Whether the rest of it became a call."""
        entered_here = frame.entry_greens is not None
        is_round = self._is_round(frame, portal, key)
        if not is_round and self._is_joint(frame, portal, key, greens):
            self.call_inlined(frame, portal, key, greens, AbortReason.JOINT_FIRST)
            return True
        if not is_round and (entered_here or portal.may_inline(key)):
            return False
        # A loop inside the callee: from now on it is called, and has traces of its own.
        if frame.entry_greens is not None:
            portal.refuse_inlining(frame.entry_key, frame.entry_greens)
            raise self.aborted(AbortReason.CALLEE_FIRST, f"{frame.jitcode.code.co_qualname} loops")
        # A bridge that begins inside of the call has no other beginning: what is left of the call is one.
        if is_round and key == frame.entry_key:
            portal.refuse_inlining(key, greens)
        self.call_inlined(frame, portal, key, greens)
        return True

    def call_inlined(
        self, frame: MetaFrame, portal: PortalView, key: Any, greens: Sequence[Any],
        reason: AbortReason = AbortReason.CALLEE_FIRST,
    ) -> None:  # fmt: skip
        """Make a call of an inlined portal call, from the merge point where it stands. Its code comes first, for this reason."""
        if portal is self.portal and self.start_key == key and self.own_loop is not None:
            self._call_portal(frame, portal, self.own_loop, unwinds=portal.may_unwind(key))
        else:
            is_compiled = portal.compiled_loop(key) is not None
            loop = self._callee(portal, key, greens, reason, f"{frame.jitcode.code.co_qualname} has no code")
            self._call_portal(frame, portal, loop, unwinds=is_compiled and portal.may_unwind(key))

    def _call_portal(self, frame: MetaFrame, portal: PortalView, loop: LoopRef, *, unwinds: bool) -> None:
        """Turn the inlined portal call, which stands at a merge point, into a call from there.

        If it `unwinds`, the frames below wait, in the guard behind the call, for the result that the callee has not given
        when it leaves its machine code.
        """
        asked = self.frames[-2].pending
        if asked is not None and asked.again:
            frame.jitcode.notes["called, not traced"] = "it has a loop, and a branch asks it"
            raise self.aborted(AbortReason.UNSUPPORTED, "a branch asks a method that has a loop")
        greens = [frame.box(number) for number in portal.green_numbers]
        reds = [box or NULL_BOX for box in self._reds(frame, portal)]
        values = [box.object for box in (*greens, *reds)]
        # In this order: a virtual object that is made here has another name in the snapshot then.
        arguments = [self.ref(box) for box in reds]
        waiting = Snapshot(tuple([other.state_pending() for other in self.frames[:-1]]))
        op = self.emit(ops.CALL_PORTAL, *arguments, descr=loop)
        self.pop_frame()
        below = self.frames[-1]
        pending = below.pending
        assert pending is not None
        below.pending = None
        below.index = pending.instruction.index
        outcome = [*self.execute(portal.run_from_merge_point, values)]
        self.forget_heap()

        if outcome[1] is not None:
            if pending.finish is not None:
                raise Unrecordable(outcome.pop(), "a portal called by an operator or a class raised an exception")

            def store(box: Box) -> None:
                pending.deliver(self, below, box)

            self._after_call(below, pending.instruction, op, outcome, store, None, None, runs_code=True)
            return
        result = outcome[0]
        if unwinds:
            op.opcode = ops.CALL_LOOP
        self.guard(ops.GUARD_NO_EXCEPTION, op, snapshot=waiting)
        if pending.finish is None:
            pending.deliver(self, below, Box(result, op))
            after = self.snapshot_after(below, pending.instruction)
            shape = object_shape(result) if unwinds else None
            if shape is not None:
                self.guard(ops.GUARD_PARTS, op, descr=shape, snapshot=after)
            self.guard(ops.GUARD_NOT_INVALIDATED, snapshot=after)
            return
        # What is left to do with the result is done by the function that an exit would call.
        index = pending.instruction.next_index
        slot = below.jitcode.n_locals + below.jitcode.depths[index] - pending.pushes

        def put(box: Box) -> None:
            if pending.pushes:
                below.registers[slot] = box

        finish = const_box(pending.finish)
        self.residual_call(below, pending.instruction, finish, [Box(result, op), *pending.kept], store=put)
