"""Operators, in their plain form: register to register, complete with metamethods and errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interpreters.lua import arithmetic, operations
from interpreters.lua.frames import Frame, Instruction
from interpreters.lua.operations import Description
from interpreters.lua.values import LuaTable
from metatracer import intmask

if TYPE_CHECKING:
    from interpreters.lua.vm import VM


class Operator(Instruction):
    """Puts one value into a register, whether it is found at once or returned by a metamethod."""

    _immutable_fields_ = ["vm", "target"]
    __slots__ = ("target", "vm")

    def __init__(self, vm: VM, target: int) -> None:
        self.vm, self.target = vm, target

    def receive(self, frame: Frame, results: list[Any]) -> None:
        frame.registers[self.target] = results[0] if results else None
        frame.pc = self.next

    def receive_one(self, frame: Frame, value: Any) -> None:
        frame.registers[self.target] = value
        frame.pc = self.next


class BinaryOperator(Operator):
    """An arithmetic or bitwise operator; the most frequent ones have classes of their own."""

    _immutable_fields_ = ["operator", "left", "right", "left_what", "right_what", "function", "takes_floats"]
    __slots__ = ("function", "left", "left_what", "operator", "right", "right_what", "takes_floats", "what")

    def __init__(
        self, vm: VM, target: int, operator: bytes, left: int, right: int, left_what: Description,
        right_what: Description,
    ) -> None:  # fmt: skip
        super().__init__(vm, target)
        self.operator, self.left, self.right = operator, left, right
        self.left_what, self.right_what = left_what, right_what
        self.function = arithmetic.BINARY.get(operator)
        self.takes_floats = operator in FLOAT_OPERATORS
        self.what = (b"metamethod", arithmetic.EVENTS[operator][2:])

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        a = registers[self.left]
        b = registers[self.right]
        kind = type(a)
        if kind is type(b) and (kind is float or kind is int):
            if kind is float or b != 0:
                if kind is int or self.takes_floats:
                    registers[self.target] = self.function(a, b)  # type: ignore[misc]
                    return self.next
        return self.in_full(frame, a, b)

    def in_full(self, frame: Frame, a: Any, b: Any) -> int:
        if self.takes_floats and (type(a) is int or type(a) is float) and (type(b) is int or type(b) is float):
            frame.registers[self.target] = self.function(a, b)  # type: ignore[misc]
            return self.next
        return operations.binary(self.vm, frame, self.pc, self.operator, a, b, self.left_what, self.right_what)


FLOAT_OPERATORS = frozenset([b"+", b"-", b"*", b"/", b"//", b"%", b"^"])


class Add(BinaryOperator):
    __slots__ = ()

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        a = registers[self.left]
        b = registers[self.right]
        if type(a) is int and type(b) is int:
            registers[self.target] = intmask(a + b)
            return self.next
        if type(a) is float and type(b) is float:
            registers[self.target] = a + b
            return self.next
        return self.in_full(frame, a, b)


class Subtract(BinaryOperator):
    __slots__ = ()

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        a = registers[self.left]
        b = registers[self.right]
        if type(a) is int and type(b) is int:
            registers[self.target] = intmask(a - b)
            return self.next
        if type(a) is float and type(b) is float:
            registers[self.target] = a - b
            return self.next
        return self.in_full(frame, a, b)


class Multiply(BinaryOperator):
    __slots__ = ()

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        a = registers[self.left]
        b = registers[self.right]
        if type(a) is int and type(b) is int:
            registers[self.target] = intmask(a * b)
            return self.next
        if type(a) is float and type(b) is float:
            registers[self.target] = a * b
            return self.next
        return self.in_full(frame, a, b)


UNARY_EVENTS = {b"-": b"unm", b"~": b"bnot", b"#": b"len"}


class UnaryOperator(Operator):
    _immutable_fields_ = ["operator", "source", "source_what"]
    __slots__ = ("operator", "source", "source_what", "what")

    def __init__(self, vm: VM, target: int, operator: bytes, source: int, source_what: Description) -> None:
        super().__init__(vm, target)
        self.operator, self.source, self.source_what = operator, source, source_what
        self.what = (b"metamethod", UNARY_EVENTS[operator])

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        a = registers[self.source]
        if self.operator == b"-":
            if type(a) is int:
                registers[self.target] = intmask(-a)
                return self.next
            if type(a) is float:
                registers[self.target] = -a
                return self.next
        return operations.unary(self.vm, frame, self.pc, self.operator, a, self.source_what)


class Length(UnaryOperator):
    __slots__ = ()

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        value = registers[self.source]
        if type(value) is LuaTable and value.metatable is None:
            size = len(value.array)
            if size > 1 or value.hash is None:
                registers[self.target] = size - 1
                return self.next
        elif type(value) is bytes:
            registers[self.target] = len(value)
            return self.next
        return operations.length(self.vm, frame, self.pc, value, self.source_what)


class Concatenate(BinaryOperator):
    __slots__ = ()

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        a = registers[self.left]
        b = registers[self.right]
        if type(a) is bytes and type(b) is bytes:
            registers[self.target] = a + b
            return self.next
        return operations.concatenate(self.vm, frame, self.pc, a, b, self.left_what, self.right_what)


class Equal(Operator):
    """`==`, or `~=` when `wanted` is false."""

    _immutable_fields_ = ["left", "right", "wanted"]
    __slots__ = ("left", "right", "wanted")
    what = (b"metamethod", b"eq")

    def __init__(self, vm: VM, target: int, left: int, right: int, wanted: bool) -> None:
        super().__init__(vm, target)
        self.left, self.right, self.wanted = left, right, wanted

    def receive(self, frame: Frame, results: list[Any]) -> None:
        self.receive_one(frame, results[0] if results else None)

    def receive_one(self, frame: Frame, value: Any) -> None:
        frame.registers[self.target] = (value is not None and value is not False) is self.wanted
        frame.pc = self.next

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        a = registers[self.left]
        b = registers[self.right]
        kind = type(a)
        if kind is type(b) and (kind is int or kind is bytes or kind is float):
            registers[self.target] = (a == b) is self.wanted
            return self.next
        return operations.equal(self.vm, frame, self.pc, a, b)


class Less(Equal):
    """`<`."""

    __slots__ = ()
    what = (b"metamethod", b"lt")

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        return operations.less(self.vm, frame, self.pc, False, registers[self.left], registers[self.right])


class LessEqual(Equal):
    """`<=`."""

    __slots__ = ()
    what = (b"metamethod", b"le")

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        return operations.less(self.vm, frame, self.pc, True, registers[self.left], registers[self.right])
