"""A tiny register VM and its recorder: traces of one iteration of a random guest loop.

The guest has a frame object with a list of registers and an operand stack, boxed numbers, linked nodes, and two locals
that go round the loop as inputs of the trace. Instructions are tuples (see `Recorder`); each is executed on concrete
objects and recorded at the same time, so the trace's guards hold in the iteration that was recorded (and often in the
next ones).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from metatracer.ir.opcodes import OPCODES, fits_i64
from metatracer.ir.values import CallShape, Const, Field, FrameState, Input, Operation, Snapshot, Trace, Value

REGISTERS = 4


class Number:
    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class Node:
    __slots__ = ("first", "second")

    def __init__(self, first: Any, second: Any) -> None:
        self.first = first
        self.second = second


class Frame:
    __slots__ = ("cache", "regs", "stack")

    def __init__(self, regs: list[Any], stack: list[Any], cache: Any) -> None:
        self.regs = regs
        self.stack = stack
        self.cache = cache


def observe(target: Any) -> Any:
    """A call that sees what it is given, and may change it."""
    if type(target) is Number and type(target.value) is int:
        target.value ^= 1
    elif type(target) is Node:
        target.first, target.second = target.second, target.first
    elif type(target) is list and target:
        target[0] = target[-1]
    return target


def slot(cls: type, name: str) -> Field:
    return Field(cls, name, "slot", getattr(cls, "__slots__").index(name) * 8 + 16)


VALUE = slot(Number, "value")
FIRST, SECOND = slot(Node, "first"), slot(Node, "second")
REGS, STACK, CACHE = slot(Frame, "regs"), slot(Frame, "stack"), slot(Frame, "cache")
NAMESPACE: dict[str, Any] = {"Number": Number, "Node": Node, "Frame": Frame, "observe": observe}


class CannotRecord(Exception):
    """The instruction does not fit the concrete values; it is skipped."""


class Recorder:
    """Executes guest instructions on concrete objects and records what it does."""

    def __init__(self, args: list[Any]) -> None:
        self.inputs = tuple(Input("r", f"r{number}") for number in range(len(args)))
        self.operations: list[Operation] = []
        self.concrete: dict[Value, Any] = dict(zip(self.inputs, args, strict=True))
        self.frame: Value = self.inputs[0]
        self.locals: list[Value] = list(self.inputs[1:])
        self.known: dict[Value, type] = {}
        self.op("guard_no_attention")
        self.type(self.frame, Frame)

    def snapshot(self) -> Snapshot:
        values = (self.frame, *self.locals)
        return Snapshot((FrameState(None, None, 0, -1, tuple(range(len(values))), values, ()),))

    def op(self, name: str, *args: Value, descr: Any = None, result: Any = None) -> Operation:
        opcode = OPCODES[name]
        op = Operation(opcode, args, descr, self.snapshot() if opcode.is_guard else None)
        self.operations.append(op)
        self.concrete[op] = result
        return op

    def at(self, value: Value) -> Any:
        return value.value if isinstance(value, Const) else self.concrete[value]

    # --- pieces -----------------------------------------------------------------------------------------------------

    def type(self, value: Value, cls: type) -> None:
        if type(self.at(value)) is not cls:
            raise CannotRecord
        if not isinstance(value, Const):
            self.op("guard_type", value, descr=cls)

    def get(self, owner: Value, field: Field) -> Value:
        result = getattr(self.at(owner), field.name)
        value = self.op("getfield", owner, descr=field, result=result)
        self.op("guard_nonnull", value)
        return value

    def set(self, owner: Value, field: Field, value: Value) -> None:
        setattr(self.at(owner), field.name, self.at(value))
        self.op("setfield", owner, value, descr=field)

    def registers(self) -> Value:
        regs = self.get(self.frame, REGS)
        self.type(regs, list)
        length = self.op("list_len", regs, result=len(self.at(regs)))
        if len(self.at(regs)) < REGISTERS:
            raise CannotRecord
        enough = self.op("int_le", Const("i", REGISTERS), length, result=True)
        self.op("guard_true", enough)
        return regs

    def read(self, number: int | Value) -> Value:
        regs = self.registers()
        index = Const("i", number) if isinstance(number, int) else number
        return self.op("list_getitem", regs, index, result=self.at(regs)[self.at(index)])

    def write(self, number: int | Value, value: Value) -> None:
        regs = self.registers()
        index = Const("i", number) if isinstance(number, int) else number
        self.op("list_setitem", regs, index, value)
        self.at(regs)[self.at(index)] = self.at(value)

    def unbox(self, value: Value, cls: type = int) -> Value:
        self.type(value, Number)
        content = self.get(value, VALUE)
        self.type(content, cls)
        name = {int: "int_unbox", float: "float_unbox", bool: "bool_unbox"}[cls]
        if cls is int and not fits_i64(self.at(content)):
            raise CannotRecord
        return self.op(name, content, result=self.at(content))

    def box(self, value: Value) -> Value:
        raw = self.at(value)
        boxed = self.op({"i": "int_box", "f": "float_box", "b": "bool_box"}[value.kind], value, result=raw)
        number = self.op("new", descr=Number, result=object.__new__(Number))
        self.set(number, VALUE, boxed)
        return number

    # --- instructions -----------------------------------------------------------------------------------------------

    def add(self, target: int, left: int, right: int) -> None:
        a, b = self.unbox(self.read(left)), self.unbox(self.read(right))
        total = self.at(a) + self.at(b)
        if not fits_i64(total):
            raise CannotRecord
        self.write(target, self.box(self.op("int_add_ovf", a, b, result=total)))

    def mod(self, target: int, left: int, divisor: int) -> None:
        a = self.unbox(self.read(left))
        divisor = divisor + 2
        self.write(target, self.box(self.op("int_mod", a, Const("i", divisor), result=self.at(a) % divisor)))

    def scale(self, target: int, left: int, right: int) -> None:
        a, b = self.unbox(self.read(left), float), self.unbox(self.read(right), float)
        self.write(target, self.box(self.op("float_mul", a, b, result=self.at(a) * self.at(b))))

    def to_float(self, target: int, left: int, _: int) -> None:
        a = self.unbox(self.read(left))
        self.write(target, self.box(self.op("int_to_float", a, result=float(self.at(a)))))

    def less(self, left: int, right: int, target: int) -> None:
        a, b = self.unbox(self.read(left)), self.unbox(self.read(right))
        result = self.at(a) < self.at(b)
        condition = self.op("int_lt", a, b, result=result)
        if target % 2:
            self.write(target, self.box(condition))
        self.op("guard_true" if result else "guard_false", condition)

    def branch(self, left: int, _: int, __: int) -> None:
        truth = self.unbox(self.read(left), bool)
        self.op("guard_true" if self.at(truth) else "guard_false", truth)

    def const(self, target: int, value: int, _: int) -> None:
        number = self.op("new", descr=Number, result=object.__new__(Number))
        self.set(number, VALUE, Const("r", value))
        self.write(target, number)

    def move(self, target: int, source: int, _: int) -> None:
        self.write(target, self.read(source))

    def indexed_read(self, target: int, index: int, _: int) -> None:
        number = self.op("int_mod", self.unbox(self.read(index)), Const("i", REGISTERS))
        self.concrete[number] = self.at(number.args[0]) % REGISTERS
        self.write(target, self.read(number))

    def indexed_write(self, index: int, source: int, _: int) -> None:
        number = self.op("int_mod", self.unbox(self.read(index)), Const("i", REGISTERS))
        self.concrete[number] = self.at(number.args[0]) % REGISTERS
        self.write(number, self.read(source))

    def pair(self, target: int, first: int, second: int) -> None:
        left, right = self.read(first), self.read(second)
        node = self.op("new", descr=Node, result=object.__new__(Node))
        self.set(node, FIRST, left)
        self.set(node, SECOND, right)
        self.write(target, node)

    def part(self, target: int, source: int, which: int) -> None:
        node = self.read(source)
        self.type(node, Node)
        self.write(target, self.get(node, SECOND if which % 2 else FIRST))

    def set_part(self, target: int, source: int, which: int) -> None:
        node = self.read(target)
        self.type(node, Node)
        self.set(node, SECOND if which % 2 else FIRST, self.read(source))

    def mutate(self, target: int, source: int, _: int) -> None:
        number = self.read(target)
        self.type(number, Number)
        a = self.unbox(self.read(source))
        self.set(number, VALUE, self.op("int_box", a, result=self.at(a)))

    def same(self, left: int, right: int, _: int) -> None:
        a, b = self.read(left), self.read(right)
        if type(self.at(a)) not in (Number, Node):
            raise CannotRecord
        self.type(a, type(self.at(a)))
        result = self.at(a) is self.at(b)
        self.op("guard_true" if result else "guard_false", self.op("ptr_eq", a, b, result=result))

    def save(self, number: int, source: int, _: int) -> None:
        self.locals[number % len(self.locals)] = self.read(source)

    def load(self, target: int, number: int, _: int) -> None:
        self.write(target, self.locals[number % len(self.locals)])

    def save_raw(self, number: int, source: int, _: int) -> None:
        a = self.unbox(self.read(source))
        self.locals[number % len(self.locals)] = self.op("int_box", a, result=self.at(a))

    def count(self, number: int, step: int, _: int) -> None:
        number %= len(self.locals)
        self.type(self.locals[number], int)
        if not fits_i64(self.at(self.locals[number])):
            raise CannotRecord
        a = self.op("int_unbox", self.locals[number], result=self.at(self.locals[number]))
        total = self.op("int_add_ovf", a, Const("i", step), result=self.at(a) + step)
        self.locals[number] = self.op("int_box", total, result=self.at(total))

    def swap(self, _: int, __: int, ___: int) -> None:
        self.locals.reverse()

    def cache(self, source: int, _: int, __: int) -> None:
        self.set(self.frame, CACHE, self.read(source))

    def uncache(self, target: int, _: int, __: int) -> None:
        self.write(target, self.get(self.frame, CACHE))

    def stack(self) -> Value:
        stack = self.get(self.frame, STACK)
        self.type(stack, list)
        return stack

    def push(self, source: int, _: int, __: int) -> None:
        value, stack = self.read(source), self.stack()
        self.op("list_append", stack, value)
        self.at(stack).append(self.at(value))

    def pop(self, target: int, _: int, __: int) -> None:
        stack = self.stack()
        if not self.at(stack):
            raise CannotRecord
        length = self.op("list_len", stack, result=len(self.at(stack)))
        self.op("guard_true", self.op("int_lt", Const("i", 0), length, result=True))
        value = self.op("list_pop", stack, result=self.at(stack).pop())
        self.write(target, value)

    def collect(self, target: int, first: int, second: int) -> None:
        items = [self.read(first), self.read(second)]
        made = self.op("new_list", *items, result=[self.at(item) for item in items])
        self.write(target, made)

    def element(self, target: int, source: int, index: int) -> None:
        value = self.read(source)
        self.type(value, list)
        length = self.op("list_len", value, result=len(self.at(value)))
        if not index < len(self.at(value)):
            raise CannotRecord
        self.op("guard_true", self.op("int_lt", Const("i", index), length, result=True))
        self.write(target, self.op("list_getitem", value, Const("i", index), result=self.at(value)[index]))

    def call(self, target: int, source: int, _: int) -> None:
        value = self.read(source)
        call = self.op("call", Const("r", observe), value, descr=CallShape(), result=observe(self.at(value)))
        self.op("guard_no_exception", call)
        self.write(target, call)

    def finish(self) -> Trace:
        self.op("jump", self.frame, *self.locals)
        return Trace(self.inputs, self.operations, name="guest")


INSTRUCTIONS: tuple[str, ...] = (
    "add", "add", "add", "mod", "scale", "to_float", "less", "branch", "const", "move", "move", "indexed_read",
    "indexed_write", "pair", "pair", "part", "set_part", "mutate", "same", "save", "load", "save_raw", "count", "swap",
    "cache", "uncache", "push", "pop", "collect", "element", "call",
)  # fmt: skip

_starts = st.sampled_from(
    [
        lambda: Number(0),
        lambda: Number(7),
        lambda: Number((1 << 63) - 3),
        lambda: Number(1.5),
        lambda: Number(True),
        lambda: Node(Number(1), Number(2)),
        lambda: [Number(3), Number(4)],
    ]
)


@dataclass
class Guest:
    """A guest loop: its instructions, its start, and its recorded trace."""

    program: list[tuple[str, int, int, int]]
    make_args: Callable[[], list[Any]]
    trace: Trace

    def __repr__(self) -> str:
        from metatracer.ir.text import format_trace

        return f"{self.program}\n{format_trace(self.trace, dict(NAMESPACE))}"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))


def record(program: list[tuple[str, int, int, int]], args: list[Any]) -> Trace:
    """Record one iteration. What cannot be executed is left out (what it recorded so far, stays)."""
    recorder = Recorder(args)
    for name, a, b, c in program:
        try:
            getattr(recorder, name)(a, b, c)
        except CannotRecord:
            pass
    return recorder.finish()


@st.composite
def guests(draw: st.DrawFn, min_steps: int = 0, max_steps: int = 10, calls: bool = True) -> Guest:
    """Draw a guest loop."""
    numbers = st.integers(0, REGISTERS - 1)
    names = [name for name in INSTRUCTIONS if calls or name != "call"]
    program = draw(
        st.lists(st.tuples(st.sampled_from(names), numbers, numbers, numbers), min_size=min_steps, max_size=max_steps)
    )
    starts = [draw(_starts) for _ in range(REGISTERS)]
    shared = draw(st.booleans())

    def make_args() -> list[Any]:
        regs = [make() for make in starts]
        if shared:
            regs[1] = regs[0]
        return [Frame(regs, [Number(5), Number(6)], regs[2]), 10, regs[3]]

    return Guest(program, make_args, record(program, make_args()))
