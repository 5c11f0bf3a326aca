"""Hypothesis strategies for random traces that are valid IR and safe to evaluate.

`cases()` draws a `Case`: a trace and what makes fresh arguments for it. Traces guard what they rely on (classes, bounds,
NULL), so that running one, or a correctly optimized form of it, never does what a row's precondition forbids; guards may
well fail, and calls may raise. Loops without a label jump back to their inputs, as recorded traces do; with a label they
look like peeled ones. Every loop has a guard_no_attention at its header: `leave_at_attention(k)` leaves there the k-th
time, whatever has happened to the rest of the trace.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from metatracer.ir.cfunctions import CFUNCTIONS
from metatracer.ir.opcodes import OPCODES
from metatracer.ir.values import (
    NULL,
    CallShape,
    Const,
    Field,
    FrameState,
    Input,
    Operation,
    PendingStore,
    Site,
    Snapshot,
    Trace,
    Value,
    VirtualObject,
    VirtualSequence,
)


class W_Int:
    """A boxed value, as interpreters have them."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class W_Node:
    """Two slots, so that stores to one must not disturb the other."""

    __slots__ = ("next", "value")

    def __init__(self, value: Any, link: Any) -> None:
        self.value = value
        self.next = link


class Plain:
    """Attributes kept inline."""

    def __init__(self, x: Any, y: Any) -> None:
        self.x = x
        self.y = y


def add_one(value: Any) -> Any:
    """Raises for anything but numbers."""
    return value + 1


def bump(target: Any) -> Any:
    """Changes its argument behind the trace's back, if it can."""
    if type(target) is W_Int:
        target.value = 17
    elif type(target) is W_Node:
        target.value, target.next = target.next, target.value
    elif type(target) is list:
        target.append(None)
    return target


FIELDS = {
    W_Int: (Field(W_Int, "value", "slot", 16),),
    W_Node: (Field(W_Node, "next", "slot", 16), Field(W_Node, "value", "slot", 24)),
    Plain: (Field(Plain, "x", "inline", 0), Field(Plain, "y", "inline", 1)),
}
NAMESPACE: dict[str, Any] = {
    "W_Int": W_Int,
    "W_Node": W_Node,
    "Plain": Plain,
    "add_one": add_one,
    "bump": bump,
}
"""What the text of a drawn trace needs to parse; copy it before printing with it."""

ints = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([-(1 << 63), (1 << 63) - 1, 1 << 62, -(1 << 62), 1 << 31, 63, 64, 255, 256]),
    st.integers(-(1 << 63), (1 << 63) - 1),
)
floats = st.one_of(st.floats(width=64), st.sampled_from([0.0, -0.0, 1.0, float("nan"), float("inf"), 2.0**53]))
texts = st.sampled_from(["", "a", "push", "\n'\"\\", "\u00e9\U0001f600"])

objects = st.one_of(ints, floats, st.booleans(), texts, st.none(), st.just(1 << 70), st.just((1, "x")))
"""Immutable guest objects."""


@dataclass
class Case:
    """A trace and its arguments.

    Attributes:
        trace: Valid IR.
        make_args: Fresh arguments, equal each time and sharing nothing that can change.
    """

    trace: Trace
    make_args: Callable[[], list[Any]]

    def __repr__(self) -> str:
        from metatracer.ir.text import format_trace

        return f"{format_trace(self.trace, dict(NAMESPACE))}with {self.make_args()!r}"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))  # hypothesis would print the fields of a dataclass


def leave_at_attention(k: int) -> Callable[[Operation, int], bool]:
    """A `force_exit` that fails the k-th guard_no_attention of a run, counted over all copies of the guard."""
    seen = 0

    def force(op: Operation, _: int) -> bool:
        nonlocal seen
        if op.opcode.name != "guard_no_attention":
            return False
        seen += 1
        return seen == k

    return force


@st.composite
def arguments(draw: st.DrawFn) -> tuple[type, Callable[[], Any]]:
    """A class, and what makes a fresh instance of it."""
    cls = draw(st.sampled_from([W_Int, W_Node, Plain, list, int, float, str, bytearray]))
    if cls is bytearray:
        content = draw(st.binary(max_size=3))
        return cls, lambda: bytearray(content)
    if cls in (int, float, str):
        value = draw({int: ints, float: floats, str: texts}[cls])
        return cls, lambda: value
    parts = draw(st.lists(objects, min_size=2, max_size=2))
    if cls is list:
        length = draw(st.integers(0, 2))
        return cls, lambda: parts[:length]
    if cls is W_Int:
        return cls, lambda: W_Int(parts[0])
    return cls, lambda: cls(*parts)


class _Writer:
    """Writes a random trace. `known` holds the values in reach: by "i", "f", "b", by class, or None for any object."""

    def __init__(self, draw: st.DrawFn, virtuals: bool, calls: bool) -> None:
        self.draw = draw
        self.virtuals = virtuals
        self.calls = calls
        self.operations: list[Operation] = []
        self.known: list[tuple[Value, Any]] = []

    # -- values --

    def choose(self, options: Any) -> Any:
        return self.draw(st.sampled_from(list(options)))

    def find(self, shape: Any) -> Value | None:
        found = [value for value, known in self.known if known == shape]
        return self.choose(found[-6:]) if found else None

    def integer(self) -> Value:
        value = self.find("i") if self.draw(st.booleans()) else None
        return value or Const("i", self.draw(ints))

    def float(self) -> Value:
        value = self.find("f") if self.draw(st.booleans()) else None
        return value or Const("f", self.draw(floats))

    def truth(self) -> Value:
        return self.find("b") or self.op("int_lt", self.integer(), self.integer())

    def reference(self) -> Value:
        """Any object, never NULL."""
        found = [value for value, known in self.known if known is None or isinstance(known, type)]
        if found and self.draw(st.booleans()):
            return self.choose(found[-8:])
        return Const("r", self.draw(objects))

    def op(self, name: str, *args: Value, descr: Any = None, shape: Any = ..., params: Any = ()) -> Operation:
        opcode = OPCODES[name]
        snapshot = self.snapshot() if opcode.is_guard else None
        op = Operation(opcode, args, descr, snapshot, params)
        self.operations.append(op)
        if op.kind and shape is not False:
            self.known.append((op, op.kind if op.kind != "r" else None if shape is ... else shape))
        return op

    # -- snapshots --

    def part(self, depth: int = 0) -> Any:
        if self.virtuals and depth < 2 and self.draw(st.integers(0, 5)) == 0:
            if self.draw(st.booleans()):
                virtual = VirtualObject(W_Node)
                virtual.fields.append((FIELDS[W_Node][0], self.part(depth + 1)))
                if self.draw(st.booleans()):
                    virtual.fields.append((FIELDS[W_Node][1], virtual))
                return virtual
            return VirtualSequence(self.choose([list, tuple]), [self.part(depth + 1)])
        return self.choose([value for value, _ in self.known[-10:]] or [NULL])

    def snapshot(self) -> Snapshot:
        if self.operations and self.operations[-1].snapshot is not None and self.draw(st.integers(0, 3)) == 0:
            return self.operations[-1].snapshot
        frames = []
        for _ in range(self.draw(st.integers(1, 2 if self.virtuals else 1))):
            values = tuple(self.part() for _ in range(self.draw(st.integers(0, 3))))
            numbers = tuple(range(len(values)))
            if not self.virtuals or self.draw(st.booleans()):
                frames.append(FrameState(None, None, 0, -1, numbers, values, ()))
                continue
            frames.append(
                FrameState(
                    self.choose([None, "jitcode"]), bump, 2 * len(values), self.choose([-1, 24]), numbers, values,
                    tuple(self.part() for _ in range(self.draw(st.integers(0, 2)))),
                    *self.choose([(None, (), True), (add_one, (NULL,), False)]),
                )
            )  # fmt: skip
        pending = []
        if self.virtuals and self.draw(st.booleans()):
            target = self.find(W_Int)
            if target is not None:
                pending.append(PendingStore(OPCODES["setfield"], (target, self.part()), FIELDS[W_Int][0]))
        return Snapshot(tuple(frames), tuple(pending))

    # -- steps --

    def step(self) -> None:
        steps = [
            self.int_step, self.int_step, self.float_step, self.box_step, self.unbox_step, self.guard_step,
            self.field_step, self.field_step, self.new_step, self.list_step, self.list_step, self.cell_step,
            self.tuple_step, self.text_step, self.buffer_step, self.identity_step, self.type_step,
        ]  # fmt: skip
        if self.calls:
            steps.append(self.call_step)
        self.choose(steps)()

    def int_step(self) -> None:
        names = [
            "int_add", "int_sub", "int_mul", "int_and", "int_or", "int_xor", "int_add_ovf", "int_sub_ovf",
            "int_mul_ovf", "int_lt", "int_le", "int_eq", "int_ne", "int_gt", "int_ge", "uint_lt", "uint_le",
            "uint_gt", "uint_ge",
        ]  # fmt: skip
        kind = self.draw(st.integers(0, 4))
        if kind == 0:
            count = Const("i", self.draw(st.integers(0, 63)))
            self.op(self.choose(["int_lshift", "int_rshift", "uint_rshift", "int_lshift_ovf"]), self.integer(), count)
        elif kind == 1:
            divisor = Const("i", self.draw(ints.filter(lambda value: value not in (0, -1))))
            self.op(self.choose(["int_floordiv", "int_mod", "uint_floordiv", "uint_mod"]), self.integer(), divisor)
        elif kind == 2:
            self.op(self.choose(["int_neg", "int_invert"]), self.integer())
        else:
            self.op(self.choose(names), self.integer(), self.integer())

    def float_step(self) -> None:
        kind = self.draw(st.integers(0, 3))
        if kind == 0:
            self.op(self.choose(["float_neg", "float_abs", "float_sqrt", "float_floor", "float_to_int"]), self.float())
        elif kind == 1:
            self.op("int_to_float", self.integer())
        else:
            names = [
                "float_add", "float_sub", "float_mul", "float_truediv", "float_lt", "float_le", "float_eq",
                "float_ne", "float_gt", "float_ge",
            ]  # fmt: skip
            self.op(self.choose(names), self.float(), self.float())

    def box_step(self) -> None:
        kind = self.draw(st.integers(0, 3))
        if kind == 0:
            self.op("int_box", self.integer(), shape=int)
        elif kind == 1:
            self.op("float_box", self.float(), shape=float)
        elif kind == 2:
            self.op("bool_box", self.truth(), shape=bool)
        else:
            self.op(self.choose(["bool_not", "bool_to_int"]), self.truth())

    def unbox_step(self) -> None:
        cls, name = self.choose([(int, "int_unbox"), (float, "float_unbox"), (bool, "bool_unbox")])
        value = self.find(cls)
        if value is not None:
            self.op(name, value)

    def guard_step(self) -> None:
        kind = self.draw(st.integers(0, 4))
        if kind == 0:
            self.op("guard_int_value", self.integer(), descr=self.draw(ints))
        elif kind == 1:
            self.op("guard_not_invalidated")
        elif kind == 2:
            self.op("guard_nonnull", self.reference())
        else:
            self.op(self.choose(["guard_true", "guard_false"]), self.truth())

    def type_step(self) -> None:
        """Learn the class of an object, or leave."""
        value = self.find(None)
        if value is not None and self.draw(st.booleans()):
            cls = self.choose([int, int, float, bool, str, W_Int, W_Node, list])
            self.op("guard_type", value, descr=cls)
            self.known.append((value, cls))

    def loaded(self, op: Operation) -> None:
        """What was loaded may be NULL: look before it is used."""
        if self.draw(st.integers(0, 4)):
            self.op("guard_nonnull", op)
            self.known.append((op, None))
        else:
            cls = self.choose([int, float, W_Int])
            self.op("guard_type", op, descr=cls)
            self.known.append((op, cls))

    def field_step(self) -> None:
        cls = self.choose([W_Int, W_Node, Plain])
        target = self.find(cls)
        if target is None:
            return
        field = self.choose(FIELDS[cls])
        if self.draw(st.booleans()):
            self.op("setfield", target, self.reference(), descr=field)
        else:
            self.loaded(self.op("getfield", target, descr=field, shape=False))

    def new_step(self) -> None:
        cls = self.choose([W_Int, W_Node])
        instance = self.op("new", descr=cls, shape=cls)
        for field in FIELDS[cls]:
            if self.draw(st.integers(0, 3)):
                self.op("setfield", instance, self.reference(), descr=field)

    def checked_index(self, length: Value) -> Value:
        """An index that is in range, because a guard says so."""
        index = Const("i", self.draw(st.integers(0, 1)))
        if self.draw(st.booleans()):
            moving = self.integer()
            self.op("guard_true", self.op("uint_lt", moving, length))
            return moving
        self.op("guard_true", self.op("int_lt", index, length))
        return index

    def list_step(self) -> None:
        target = self.find(list)
        if target is None or self.draw(st.integers(0, 5)) == 0:
            items = [self.reference() for _ in range(self.draw(st.integers(0, 2)))]
            target = self.op("new_list", *items, shape=list)
        kind = self.draw(st.integers(0, 4))
        if kind == 0:
            self.op("list_append", target, self.reference())
            return
        length = self.op("list_len", target)
        if kind == 1:
            self.op("list_getitem", target, self.checked_index(length))
        elif kind == 2:
            self.op("list_setitem", target, self.checked_index(length), self.reference())
        elif kind == 3:
            self.op("guard_true", self.op("int_gt", length, Const("i", 0)))
            self.op("list_pop", target)

    def cell_step(self) -> None:
        cell = self.find("cell") or self.op("new_cell", self.choose([NULL, self.reference()]), shape="cell")
        if self.draw(st.booleans()):
            self.op("cell_set", cell, self.choose([NULL, self.reference()]))
        else:
            self.loaded(self.op("cell_get", cell, shape=False))

    def tuple_step(self) -> None:
        items = [self.reference() for _ in range(self.draw(st.integers(1, 3)))]
        pair = self.op("new_tuple", *items, shape=tuple)
        self.op("tuple_len", pair)
        self.op("tuple_getitem", pair, Const("i", self.draw(st.integers(0, len(items) - 1))))

    def text_step(self) -> None:
        text = self.find(str) or Const("r", self.draw(texts))
        kind = self.draw(st.integers(0, 5))
        if kind == 0:
            self.op("str_eq", text, Const("r", self.draw(texts)))
        elif kind == 1:
            self.op("str_ord_at", text, self.checked_index(self.op("str_len", text)))
        elif kind == 2:
            self.call_c("str_concat", text, Const("r", self.draw(texts)), shape=str)
        elif kind == 3:
            self.op("str_chr", Const("i", self.draw(st.integers(32, 1000))), shape=str)
        elif kind == 4:
            self.call_c("str_of_int", self.integer(), shape=str)
        else:
            number = self.find(int)
            if number is not None:
                self.call_c("int_str", number, shape=str)

    def buffer_step(self) -> None:
        target = self.find(bytearray)
        if target is None:
            return
        index = self.checked_index(self.op("bytearray_len", target))
        if self.draw(st.booleans()):
            self.op("bytearray_getitem", target, index)
        else:
            self.op("bytearray_setitem", target, index, self.op("int_and", self.integer(), Const("i", 255)))

    def identity_step(self) -> None:
        shaped = [value for value, known in self.known if known in (W_Int, W_Node, Plain, list)]
        if shaped:
            self.op(self.choose(["ptr_eq", "ptr_ne"]), self.choose(shaped), self.choose(shaped))

    def call_c(self, name: str, *args: Value, shape: Any = None) -> None:
        row = CFUNCTIONS[name]
        call = self.op(f"call_c_{row.result}", *args, descr=row, shape=False)
        if row.can_raise:
            self.op("guard_no_exception", call)
        self.known.append((call, shape if call.kind == "r" else call.kind))

    def call_step(self) -> None:
        kind = self.draw(st.integers(0, 3))
        if kind == 0:
            self.call_c(self.choose(["number_add", "number_multiply", "number_inplace_subtract"]),
                        self.small(), self.small())  # fmt: skip
        elif kind == 1:
            self.call_c("object_is_true", self.reference())
        elif kind == 2:
            self.call_c("float_atan", self.float())
        else:
            function = Const("r", self.choose([add_one, bump]))
            call = self.op("call", function, self.reference(), descr=CallShape(), shape=False)
            self.op("guard_no_exception", call)
            self.known.append((call, None))

    def small(self) -> Value:
        """An operand that cannot make a product huge."""
        return Const("r", self.draw(st.one_of(st.integers(-9, 9), texts))) if self.draw(st.booleans()) else (
            self.find(W_Int) or self.find(float) or Const("r", 2)
        )  # fmt: skip


@st.composite
def cases(
    draw: st.DrawFn,
    *,
    max_steps: int = 12,
    label: bool | None = None,
    loop: bool | None = None,
    virtuals: bool = False,
    calls: bool = True,
) -> Case:
    """Draw a trace with its arguments.

    Args:
        max_steps: Each is one to five operations.
        label: Whether it has a loop label (None: either). What a label needs, the operations before it provide.
        loop: Whether it ends in a jump to its own header (None: either); a trace with a label always does.
        virtuals: Whether snapshots have virtuals, delayed stores and several frames, as optimized traces do.
        calls: Whether it calls what may raise or run guest code.
    """
    writer = _Writer(draw, virtuals, calls)
    specs = draw(st.lists(arguments(), min_size=1, max_size=4))
    inputs = tuple(Input("r", f"r{number}") for number in range(len(specs)))
    with_label = draw(st.booleans()) if label is None else label
    is_loop = with_label or (draw(st.booleans()) if loop is None else loop)
    writer.known = [(value, None) for value in inputs]
    writer.operations.append(Operation(OPCODES["merge_point"], (), Site("calc", draw(texts), "calc.py", 12)))
    if is_loop and not with_label:
        attention(writer, list(inputs))
    for value, (cls, _) in zip(inputs, specs, strict=True):
        writer.op("guard_type", value, descr=cls)
        writer.known.append((value, cls))
    params: list[tuple[Input, Any]] = []
    for _ in range(draw(st.integers(0, max_steps // 2 if with_label else max_steps))):
        writer.step()
    if with_label:
        params = write_label(writer)
        attention(writer, [param for param, _ in params])
        for _ in range(draw(st.integers(0, max_steps))):
            writer.step()
    if with_label:
        writer.op("jump", *(writer.find(shape) or param for param, shape in params))
    elif is_loop:
        again = [writer.choose([v for v, known in writer.known if known in (None, cls) and v.kind == "r"])
                 for cls, _ in specs]  # fmt: skip
        writer.op("jump", *again)
    elif draw(st.integers(0, 4)):
        writer.op("finish", writer.reference())
    else:
        writer.op("finish_raise", Const("r", ValueError("drawn")))
    return Case(Trace(inputs, writer.operations, name="drawn"), lambda: [make() for _, make in specs])


def attention(writer: _Writer, values: list[Value]) -> None:
    """The header's guard, with everything that goes round the loop in its snapshot."""
    snapshot = Snapshot((FrameState(None, None, 0, -1, tuple(range(len(values))), tuple(values), ()),))
    writer.operations.append(Operation(OPCODES["guard_no_attention"], (), None, snapshot))


def write_label(writer: _Writer) -> list[tuple[Input, Any]]:
    """A label with some of the known values; behind it nothing else is known."""
    chosen: dict[int, tuple[Value, Any]] = {}
    for value, shape in writer.draw(st.lists(st.sampled_from(writer.known), min_size=1, max_size=5)):
        chosen.setdefault(id(value), (value, shape))
    params = [
        (Input(value.kind, "", shape if isinstance(shape, type) else None), shape) for value, shape in chosen.values()
    ]
    args = [value for value, _ in chosen.values()]
    writer.operations.append(Operation(OPCODES["label"], args, params=tuple(param for param, _ in params)))
    writer.known = list(params)
    return params
