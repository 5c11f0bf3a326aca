"""What operations are made of: values, descriptors, snapshots, traces.

A `Value` is a `Const`, an `Input` (of the trace, or a parameter of its label) or an `Operation` (its own result). All
are compared by identity, except through `Const.same_as`.

Ownership: a `Const` of kind ``r`` keeps its object alive, so a trace owns the objects it mentions; nothing else in the
IR refers to live guest objects.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from metatracer.ir.class_facts import ClassFacts
    from metatracer.ir.opcodes import Effect, Opcode
    from metatracer.ir.shapes import Shapes


NULL_OBJECT: Any = object()
"""The content of a `Const` that stands for a NULL reference (an unset field, a cleared stack slot).

The collector does not know it, or a guest could find it (`gc.get_objects`), and have a NULL where it keeps it.
"""


class Value:
    """Base of everything an operation can take as an argument. `kind` is one of i, f, r, b, or "" for no result."""

    __slots__ = ("kind",)

    kind: str

    def __init__(self, kind: str) -> None:
        self.kind = kind


class Const(Value):
    """A constant: a Python int within 64 bits (i), float (f), bool (b) or any object (r)."""

    __slots__ = ("value",)

    def __init__(self, kind: str, value: Any) -> None:
        super().__init__(kind)
        self.value = value

    def same_as(self, other: Value) -> bool:
        """Equal as a machine value: same kind; ints and bools by value, floats by bit pattern, references by identity."""
        if not isinstance(other, Const) or self.kind != other.kind:
            return False
        return self.key() == other.key()

    def key(self) -> tuple[str, Any]:
        """A hashable key with the equality of `same_as`."""
        if self.kind == "r":
            return ("r", id(self.value))
        if self.kind == "f":
            return ("f", float(self.value).hex() if self.value == self.value else "nan")
        return (self.kind, self.value)

    @property
    def is_null(self) -> bool:
        return self.value is NULL_OBJECT

    def __repr__(self) -> str:
        return f"Const({self.kind}, {self.value!r})"


NULL = Const("r", NULL_OBJECT)


class Input(Value):
    """A value given from outside: an argument of the trace, or a parameter of its loop label.

    Attributes:
        known_type: For kind r, the exact class the value is already known to have (a bridge's input whose class the
            parent trace has guarded), else None.
    """

    __slots__ = ("known_type", "name")

    def __init__(self, kind: str, name: str = "", known_type: type | None = None) -> None:
        super().__init__(kind)
        self.name = name
        self.known_type = known_type

    def __repr__(self) -> str:
        return f"Input({self.kind} {self.name})"


class Operation(Value):
    """One operation of a trace, and at the same time its result.

    Attributes:
        opcode: Row of the table.
        args: Values, kinds as the row says.
        descr: The row's descriptor (`Field`, a type, an object, `CFunction`, `CallShape`, `LoopRef`, `LabelRef`,
            `Site`), or None.
        snapshot: For guards, where to go on; shared between guards of one instruction. None otherwise.
        params: For `label` only: the values inside the loop, one per argument.
        guard_id: Number of the guard in the program, set by the backend; 0 before.
    """

    __slots__ = ("args", "descr", "guard_id", "opcode", "params", "snapshot")

    def __init__(
        self,
        opcode: Opcode,
        args: Sequence[Value],
        descr: Any = None,
        snapshot: Snapshot | None = None,
        params: tuple[Input, ...] = (),
    ) -> None:
        super().__init__(opcode.result)
        self.opcode = opcode
        self.args = tuple(args)
        self.descr = descr
        self.snapshot = snapshot
        self.params = params
        self.guard_id = 0

    def __repr__(self) -> str:
        return f"<{self.opcode.name} at {id(self):#x}>"


# --- descriptors ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Field:
    """An instance attribute, or an item of a dict, with a fixed place.

    Two Fields are the same place in an object exactly when they are equal. Unequal Fields of an object never overlap: an
    attribute is in one place at a time, and moves only when code runs or a dict changes. An instance's dict is an object, too.

    Attributes:
        owner: For slots the class that defines the slot; for all else the exact class of the object.
        name: Attribute name, or the key.
        storage: "slot" (offset in bytes from the object), "inline" (index into the inline values), in a dict of the
            instance's own, "entry" or "split" (`backend.own_dicts`), or "item": the value at a key of a dict, which `name` is (it
            need be no string then, but hashes and compares without code of the guest).
        position: That offset, index or place.
        immutable: Declared in `_immutable_fields_`: set once, before anyone reads it.
        quasi: Declared as 'name?': constant to a trace, which is invalidated when it changes.
        immutable_items: Declared as 'name[*]': the list it refers to never changes either.
    """

    owner: type
    name: Any
    storage: str
    position: int
    immutable: bool = False
    quasi: bool = False
    immutable_items: bool = False

    @property
    def in_dict(self) -> bool:
        """Whether it is kept in a dict: of the instance's own, or the object itself."""
        return self.storage in ("entry", "split", "item")


@dataclass(frozen=True, slots=True)
class CallShape:
    """How the arguments of a `call` are passed: the last `len(keywords)` of them are keyword arguments."""

    keywords: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CFunction:
    """A C function that machine code calls directly: a row of `cfunctions`.

    Attributes:
        name: As printed.
        symbol: The C symbol, found in the running process.
        args: Kinds of the arguments in the IR, as in `Opcode.args`.
        result: Kind of the result: r (new reference), i or f.
        c_args, c_result: C types as LLVM spells them ("ptr", "i64", "i32", "double").
        error: "null" (NULL means an exception is pending), "minus1" (negative means so), "null_maybe" (NULL means
            exception or just absence; look at the pending exception), "never".
        reads, writes, runs_code: As in `Opcode`.
        pure: Depends on its arguments only (all of immutable types).
        releases: Gives up a reference to what a place held before: its finalizer may run.
        evaluate: The same in Python, for the evaluator and for recording.
    """

    name: str
    symbol: str
    args: str
    result: str
    c_args: tuple[str, ...]
    c_result: str
    error: str
    reads: Effect
    writes: Effect
    runs_code: bool
    pure: bool = False
    evaluate: Any = None
    releases: bool = False

    @property
    def can_raise(self) -> bool:
        return self.error != "never"


@dataclass(frozen=True, slots=True)
class Site:
    """Where the guest program stands, for people: the driver's printable location and the author's file and line."""

    driver: str
    location: str
    filename: str = ""
    lineno: int = 0


@dataclass(eq=False, slots=True)
class LoopRef:
    """The target of a jump or portal call: a loop that may be compiled, replaced or freed behind this name.

    Attributes:
        name: As printed.
        cell: Address of the 8-byte cell that holds the current code pointer; set by the backend, 0 before.
        token: The runtime's loop object; the IR does not look into it.
        label: The label of the code that is in place now, if it has one.
        version_for: Gives a version of the loop that serves arguments of these shapes, or None when there is not to be one;
            set by the runtime.
        shapes: Of a version: what it takes, which may be more general than what was asked for; None: just that.
        effects: Gives what entering the loop may read and write of objects that exist, and whether it may run any code;
            from then on the code being made relies on it. None: anything.
        returns_parts: Its code may return an object that it has not allocated as its parts.
        is_joint: It is no loop of the guest's, but what comes where several ways of a tree meet again.
    """

    name: str
    cell: int = 0
    token: Any = None
    label: LabelRef | None = None
    version_for: Callable[[Shapes], LoopRef | None] | None = None
    shapes: Shapes | None = None
    effects: Callable[[], tuple[Effect, Effect, bool]] | None = None
    returns_parts: bool = False
    is_joint: bool = False


@dataclass(eq=False, slots=True)
class LabelRef:
    """The label of one compiled trace, as a place to jump to. It belongs to that code and goes with it.

    Attributes:
        name: As printed.
        params: The label's parameters; None when they are not known (in text).
        cell: Address of the 8-byte cell that holds the address of the code behind the label; set by the backend, 0 before.
        entry: What the optimizer knows of the state at the label; nobody else looks into it.
        token: The runtime's object for the code; the IR does not look into it.
    """

    name: str
    params: tuple[Input, ...] | None = None
    cell: int = 0
    entry: Any = None
    token: Any = None


# --- snapshots --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VirtualObject:
    """An object that the machine code did not allocate; built when a guard exits. Shared by identity.

    `fields` holds (Field, value) pairs; values may be virtual again, and cycles are allowed through `fields` of an
    object built with an empty list first (hence a list, filled by the optimizer).
    """

    cls: type
    fields: list[tuple[Field, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class VirtualSequence:
    """A list, tuple or cell that was not allocated: `cls` is list, tuple or types.CellType.

    Or int, for an unsigned number: its item is a word. Recorded snapshots also hold ranges and iterators in parts
    (`recorder.virtuals`); `cls` is their class.
    """

    cls: type
    items: list[Any] = field(default_factory=list)


@dataclass(slots=True)
class PendingStore:
    """A store that machine code has delayed; done when a guard exits, in order.

    `opcode` is setfield, list_setitem, cell_set or list_append; `args` and `descr` are those of the operation. Args may
    be virtual.
    """

    opcode: Opcode
    args: tuple[Any, ...]
    descr: Any = None


@dataclass(slots=True)
class FrameState:
    """One interpreter frame as it must be rebuilt at an exit. Snapshots share frames: they are not changed.

    They and snapshots are not `frozen`: making a frozen one takes four times as long, and there are several per operation.

    Attributes:
        jitcode: The `frontend.jitcode.JitCode`; the IR does not look into it.
        function: The function object (constant: the recorder guards it).
        index: Resume at this instruction: byte offset in `co_code` of the original code object. For the innermost
            frame the instruction is executed (again); for outer frames it is the one *after* the pending call.
        throw_index: The instruction at which an exception is raised: the pending call (outer frames, and the
            innermost one of a `guard_no_exception`), else -1.
        numbers: Of the bound live locals, ascending; they index `co_varnames`+cells+frees ("localsplus").
        locals: Their values.
        stack: Values of the operand stack at `index`, NULL for a cleared slot. For outer frames *without* the result
            of the pending call, which is pushed when it is known.
        finish: None, or a module-level function `finish(result, *kept)` whose value is used in place of the callee's
            result (e.g. a class call gives the instance, not what `__init__` returned).
        kept: Values given to `finish`.
        pushes: Whether the pending call's result is pushed at all.
        entry_key: For a portal's frame, the green key it was entered with (the recorder's; nobody else looks at it).
        context: How the frame came about (`recorder.polymorphism`; nobody else looks at it).
        live: For `ir.snapshots.live_values`.
    """

    jitcode: Any
    function: Any
    index: int
    throw_index: int
    numbers: tuple[int, ...]
    locals: tuple[Any, ...]
    stack: tuple[Any, ...]
    finish: Any = None
    kept: tuple[Any, ...] = ()
    pushes: bool = True
    entry_key: Any = None
    context: int = 0
    live: dict[Value, None] | None = field(default=None, init=False, repr=False, compare=False)

    def values(self) -> Iterator[Any]:
        """Every value (or virtual) in the frame, in a fixed order."""
        yield from self.locals
        yield from self.stack
        yield from self.kept


@dataclass(slots=True)
class Snapshot:
    """Everything needed to go on in the interpreter: frames (outermost first) and stores that were delayed.

    With no frames at all the portal is left by the exception `raising`. `live` is for `ir.snapshots.live_values`.
    """

    frames: tuple[FrameState, ...]
    pending: tuple[PendingStore, ...] = ()
    raising: Any = None
    live: tuple[Value, ...] | None = field(default=None, init=False, repr=False, compare=False)


# --- traces -----------------------------------------------------------------------------------------------------------


@dataclass(eq=False, slots=True)
class Trace:
    """A linear trace: inputs, operations in order, ending in jump, finish or finish_raise.

    Before peeling there is no label, and a `jump` without descr means "back to the start" (args like inputs). After it
    there is at most one `label`, and the jump's args match its params. A value is defined before it is used; values
    defined before the label may be used after it only through its params.

    Attributes:
        inputs: Arguments of the trace. All of kind r for a root; as the guard's live values for a bridge.
        operations: In order of execution.
        assumptions: What must stay true for the code to be valid (`runtime` objects; the IR does not look into them).
        name: For people and profilers.
        entry: For an optimized loop, what the optimizer wants to know again when another trace enters it at its label;
            None when none can.
        repeats: It ends in a copy of the loop that it jumps to.
        classes: Which objects keep their class while the assumptions hold; None: all.
    """

    inputs: tuple[Input, ...]
    operations: list[Operation]
    assumptions: list[Any] = field(default_factory=list)
    name: str = "trace"
    entry: Any = None
    repeats: bool = False
    classes: ClassFacts | None = None

    @property
    def label(self) -> Operation | None:
        """The loop label, or None."""
        for op in self.operations:
            if op.opcode.name == "label":
                return op
        return None
