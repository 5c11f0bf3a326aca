"""The verifier: says whether a trace is valid IR. It runs after every pass when checks are on.

Invariants it establishes, each with an error that shows the offending line:

- arguments have the kinds of the row; constants are what their kind says; descriptors are of the right sort;
- values are defined before they are used, once; behind the label only its parameters, constants and what follows it;
- guards have a snapshot and other operations have none; a snapshot's values are defined where its guard stands (a
  guard's own result does not exist when it fails); the stores it delays are stores, with values of the right kinds;
- an operation that may raise is followed at once by guard_no_exception or guard_exception on its result, and these
  guards stand nowhere else, except first in a bridge (where the exception is still pending);
- the trace ends in its only jump, finish or finish_raise; a jump without descriptor has the arity and kinds of the
  label's parameters, or of the inputs when there is no label; one to another trace's label, of that label's
  parameters; there is at most one label.

It does not look at what values are known to be (that a getfield's argument has the right class).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metatracer.errors import IRError
from metatracer.ir.effects import can_raise
from metatracer.ir.opcodes import OPCODES, Opcode, fits_i64
from metatracer.ir.printer import Printer
from metatracer.ir.snapshots import virtual_parts
from metatracer.ir.values import (
    NULL_OBJECT,
    CallShape,
    CFunction,
    Const,
    Field,
    FrameState,
    Input,
    LabelRef,
    LoopRef,
    Operation,
    PendingStore,
    Site,
    Trace,
    Value,
    VirtualObject,
    VirtualSequence,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_ENDS = frozenset(["jump", "finish", "finish_raise", "finish_parts"])
_EXCEPTION_GUARDS = frozenset(["guard_no_exception", "guard_exception"])
DELAYED_STORES = frozenset(["setfield", "list_setitem", "cell_set", "list_append"])
"""Operations that a `PendingStore` may delay."""

_DESCRIPTORS: dict[str, tuple[type, str]] = {
    "field": (Field, "a Field"),
    "type": (type, "a type"),
    "cfunction": (CFunction, "a CFunction"),
    "call": (CallShape, "a CallShape"),
    "site": (Site, "a Site"),
    "loop": (LoopRef, "a LoopRef"),
}
_TYPECODES = {"_i": frozenset("bBhHiIlLqQ"), "_f": frozenset("df")}
_CONST_TYPES: dict[str, Any] = {"i": int, "f": float, "b": bool}
_KINDS = frozenset("ifrb")


class _Verifier:
    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.defined: set[int] = set()
        self.before_label: set[int] = set()
        self.snapshots: dict[int, int] = {}  # id of a checked snapshot -> how many labels there were

    def run(self) -> None:
        trace = self.trace
        for value in trace.inputs:
            self.check(isinstance(value, Input), "an input is not an Input", None)
            self.define(value, None)
        operations = trace.operations
        self.check(bool(operations), "the trace is empty", None)
        label: Operation | None = None
        for position, op in enumerate(operations):
            previous = operations[position - 1] if position else None
            is_last = position == len(operations) - 1
            self.check(
                (op.opcode.name in _ENDS) == is_last,
                "the trace goes on behind its end" if not is_last else "the trace does not end in jump or finish",
                op,
            )
            self.operation(op, previous)
            if op.opcode.name == "label":
                self.check(label is None, "a second label", op)
                label = op
                self.label(op)
            elif op.params:
                self.fail("only a label has parameters", op)
            if op.kind:
                self.define(op, op)
        last = operations[-1]
        if last.opcode.name == "jump" and last.descr is None:
            self.jump(last, trace.inputs if label is None else label.params)
        elif isinstance(last.descr, LabelRef) and last.descr.params is not None:
            self.jump(last, last.descr.params)

    def fail(self, message: str, op: Operation | None) -> None:
        printer = Printer(self.trace)
        where = f" in: {printer.line(op)}" if op is not None else f" in trace {self.trace.name}"
        raise IRError(message + where)

    def check(self, condition: bool, message: str, op: Operation | None) -> None:
        if not condition:
            self.fail(message, op)

    # -- values --

    def define(self, value: Value, op: Operation | None) -> None:
        self.check(value.kind in _KINDS, f"a value of kind {value.kind!r}", op)
        self.check(id(value) not in self.defined, "a value is defined twice", op)
        self.defined.add(id(value))

    def use(self, value: Any, op: Operation) -> None:
        if isinstance(value, Const):
            problem = const_problem(value)
            if problem:
                self.fail(problem, op)
        elif not isinstance(value, Value):
            self.fail(f"{value!r} is not a value", op)
        elif id(value) not in self.defined:
            if id(value) in self.before_label:
                self.fail("a value from before the label is used behind it", op)
            self.fail("a value is used that is not defined before", op)

    def kinds(self, args: Sequence[Any], wanted: str, name: str, op: Operation) -> None:
        spelled = expand_kinds(wanted, len(args))
        if spelled is None:
            self.fail(f"{name} takes {wanted!r}, {len(args)} arguments given", op)
        for number, (arg, kind) in enumerate(zip(args, spelled or "", strict=True), 1):
            found = arg.kind if isinstance(arg, Value) else "r"
            if kind == "*":
                self.check(found in _KINDS, f"argument {number} of {name} has no value", op)
            elif found != kind:
                self.fail(f"argument {number} of {name} is of kind {found!r}, not {kind!r}", op)

    # -- operations --

    def operation(self, op: Operation, previous: Operation | None) -> None:
        opcode = op.opcode
        self.check(OPCODES.get(opcode.name) is opcode, "the operation is not in the table", op)
        for arg in op.args:
            self.use(arg, op)
        self.descr(opcode, op.descr, op)
        wanted = op.descr.args if isinstance(op.descr, CFunction) else opcode.args
        self.kinds(op.args, wanted, opcode.name, op)
        self.check(op.kind == opcode.result, "the result's kind is not the row's", op)
        if opcode.is_guard:
            self.check(op.snapshot is not None, "a guard without a snapshot", op)
            self.snapshot(op)
        else:
            self.check(op.snapshot is None, "only a guard has a snapshot", op)
        if opcode.name == "call":
            self.check(
                len(op.args) > len(op.descr.keywords), "there are more keywords than arguments, or nothing to call", op
            )
        self.exceptions(op, previous)

    def exceptions(self, op: Operation, previous: Operation | None) -> None:
        raises = previous is not None and can_raise(previous)
        if op.opcode.name not in _EXCEPTION_GUARDS:
            self.check(not raises, "an operation that may raise is not followed by its exception guard", op)
        elif previous is None:
            self.check(not op.args, "a bridge's first exception guard has no argument", op)
        else:
            self.check(raises, "an exception guard that follows no operation that may raise", op)
            self.check(op.args == (previous,), "an exception guard whose argument is not the operation before", op)

    def label(self, op: Operation) -> None:
        self.check(len(op.params) == len(op.args), "the label's parameters do not match its arguments", op)
        for param, arg in zip(op.params, op.args, strict=True):
            self.check(isinstance(param, Input), "a label's parameter is not an Input", op)
            self.check(param.kind == arg.kind, f"a parameter of kind {param.kind!r} is given {arg.kind!r}", op)
        self.before_label, self.defined = self.defined, set()
        for param in op.params:
            self.check(id(param) not in self.before_label, "a value is defined twice", op)
            self.define(param, op)

    def jump(self, op: Operation, targets: Sequence[Input]) -> None:
        self.check(len(op.args) == len(targets), f"the jump gives {len(op.args)} values for {len(targets)}", op)
        for number, (arg, target) in enumerate(zip(op.args, targets, strict=True), 1):
            if arg.kind != target.kind:
                self.fail(f"argument {number} of the jump is of kind {arg.kind!r}, not {target.kind!r}", op)

    def descr(self, opcode: Opcode, descr: Any, op: Operation) -> None:
        problem = descr_problem(opcode, descr)
        if problem:
            self.fail(problem, op)

    # -- snapshots --

    def snapshot(self, op: Operation) -> None:
        snapshot = op.snapshot
        # Guards share snapshots; what was defined stays so up to the label.
        if snapshot is None or self.snapshots.get(id(snapshot)) == len(self.before_label):
            return
        self.check(bool(snapshot.frames) or snapshot.raising is not None, "a snapshot without frames", op)
        seen: set[int] = set()
        for frame in snapshot.frames:
            self.frame(frame, op)
            for value in frame.values():
                self.part(value, op, seen)
        for store in snapshot.pending:
            self.pending(store, op, seen)
        if snapshot.raising is not None:
            self.part(snapshot.raising, op, seen)
            self.kinds((snapshot.raising,), "r", "raise", op)
        self.snapshots[id(snapshot)] = len(self.before_label)

    def frame(self, frame: FrameState, op: Operation) -> None:
        self.check(frame.index >= 0 and frame.throw_index >= -1, "a frame's index is negative", op)
        numbers = frame.numbers
        self.check(len(numbers) == len(frame.locals), "a frame has not a number for each local", op)
        self.check(len(set(numbers)) == len(numbers), "a frame's local is given twice", op)
        self.check(min(numbers, default=0) >= 0, "a frame's local has a negative number", op)
        self.check(frame.finish is not None or not frame.kept, "a frame keeps values for no finish function", op)

    def part(self, value: Any, op: Operation, seen: set[int]) -> None:
        if not isinstance(value, (VirtualObject, VirtualSequence)):
            self.use(value, op)
            return
        if id(value) in seen:
            return
        seen.add(id(value))
        self.check(isinstance(value.cls, type), "a virtual's class is not a type", op)
        if isinstance(value, VirtualObject):
            for field, _ in value.fields:
                self.check(isinstance(field, Field), "a virtual's field is not a Field", op)
                fits = issubclass(value.cls, field.owner)
                self.check(fits, f"a virtual {value.cls.__name__} has no field of {field.owner.__name__}", op)
        for part in virtual_parts(value):
            self.part(part, op, seen)

    def pending(self, store: PendingStore, op: Operation, seen: set[int]) -> None:
        name = store.opcode.name
        self.check(name in DELAYED_STORES, f"{name} is not a store that can be delayed", op)
        self.descr(store.opcode, store.descr, op)
        for value in store.args:
            self.part(value, op, seen)
        # The value stored may be unboxed: it is boxed at the exit.
        self.kinds(store.args[:-1], store.opcode.args[:-1], f"the delayed {name}", op)


def expand_kinds(wanted: str, count: int) -> str | None:
    """Kinds of `count` arguments by a row's `args`, "*" for any kind; None when the count does not fit."""
    if not wanted.endswith("*"):
        return wanted if len(wanted) == count else None
    if wanted == "*":
        return "*" * count
    fixed = wanted[:-2]
    return fixed + wanted[-2] * (count - len(fixed)) if count >= len(fixed) else None


def const_problem(const: Const) -> str:
    """What is wrong with a constant, or ""."""
    wanted = _CONST_TYPES.get(const.kind)
    if wanted is None:
        return "" if const.kind == "r" else f"a constant of kind {const.kind!r}"
    if type(const.value) is not wanted:
        return f"constant {const.value!r} is not of kind {const.kind!r}"
    if wanted is int and not fits_i64(const.value):
        return f"constant {const.value} does not fit 64 bits"
    return ""


def descr_problem(opcode: Opcode, descr: Any) -> str:
    """What is wrong with an operation's descriptor, or ""."""
    name = opcode.name
    if not opcode.descr:
        return "" if descr is None else f"{name} takes no descriptor"
    if opcode.descr == "value":
        if name == "guard_int_value":
            return "" if type(descr) is int and fits_i64(descr) else "the descriptor is no 64-bit int"
        if name.startswith(("array_", "guard_array_")):
            codes = _TYPECODES[name[-2:]] if name[-2:] in _TYPECODES else _TYPECODES["_i"] | _TYPECODES["_f"]
            return "" if descr in codes else f"{descr!r} is no typecode for {name}"
        if name in ("bytes_load", "bytearray_load", "bytearray_store"):
            is_format = type(descr) is str and len(descr) == 2 and descr[0] in "<>" and descr[1] in "bBhHiIqQ"
            return "" if is_format else f"{descr!r} is no format for {name}"
        return "the descriptor is NULL" if descr is NULL_OBJECT else ""
    if name == "jump" and (descr is None or isinstance(descr, LabelRef)):
        return ""
    wanted, spelled = _DESCRIPTORS[opcode.descr]
    if not isinstance(descr, wanted):
        return f"{name} needs {spelled} as descriptor"
    if isinstance(descr, CFunction) and descr.result != opcode.result:
        return f"{descr.name} gives kind {descr.result!r}, {name} {opcode.result!r}"
    return ""


def verify(trace: Trace) -> Trace:
    """Check a trace and give it back.

    Raises:
        IRError: The trace is not valid; the message says what is wrong and shows the line.
    """
    _Verifier(trace).run()
    return trace
