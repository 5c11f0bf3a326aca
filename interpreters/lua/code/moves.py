"""Moving values between registers, constants, cells and upvalues; jumps and tests."""

from __future__ import annotations

from typing import Any

from interpreters.lua.frames import Frame, Instruction
from interpreters.lua.values import Cell
from metatracer import unroll_safe


class Label:
    """A place in the code that is known later."""

    __slots__ = ("pc",)

    def __init__(self) -> None:
        self.pc = -1


class Move(Instruction):
    _immutable_fields_ = ["target", "source"]
    __slots__ = ("source", "target")

    def __init__(self, target: int, source: int) -> None:
        self.target, self.source = target, source

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        registers[self.target] = registers[self.source]
        return self.next


class LoadConstant(Instruction):
    _immutable_fields_ = ["target", "value"]
    __slots__ = ("target", "value")

    def __init__(self, target: int, value: Any) -> None:
        self.target, self.value = target, value

    def execute(self, frame: Frame) -> int:
        frame.registers[self.target] = self.value
        return self.next


class LoadNils(Instruction):
    _immutable_fields_ = ["first", "count"]
    __slots__ = ("count", "first")

    def __init__(self, first: int, count: int) -> None:
        self.first, self.count = first, count

    @unroll_safe
    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        for number in range(self.first, self.first + self.count):
            registers[number] = None
        return self.next


class GetUpvalue(Instruction):
    _immutable_fields_ = ["target", "number"]
    __slots__ = ("number", "target")

    def __init__(self, target: int, number: int) -> None:
        self.target, self.number = target, number

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        registers[self.target] = registers[0].upvalues[self.number]
        return self.next


class GetUpvalueCell(GetUpvalue):
    __slots__ = ()

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        registers[self.target] = registers[0].upvalues[self.number].value
        return self.next


class SetUpvalueCell(Instruction):
    _immutable_fields_ = ["number", "source"]
    __slots__ = ("number", "source")

    def __init__(self, number: int, source: int) -> None:
        self.number, self.source = number, source

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        registers[0].upvalues[self.number].value = registers[self.source]
        return self.next


class MakeCell(Instruction):
    """Put a register's value into a new cell."""

    _immutable_fields_ = ["target"]
    __slots__ = ("target",)

    def __init__(self, target: int) -> None:
        self.target = target

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        registers[self.target] = Cell(registers[self.target])
        return self.next


class GetCell(Move):
    __slots__ = ()

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        registers[self.target] = registers[self.source].value
        return self.next


class SetCell(Move):
    __slots__ = ()

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        registers[self.target].value = registers[self.source]
        return self.next


class Not(Move):
    __slots__ = ()

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        value = registers[self.source]
        registers[self.target] = value is None or value is False
        return self.next


class Jump(Instruction):
    _immutable_fields_ = ["target"]
    __slots__ = ("label", "target")

    def __init__(self, label: Label) -> None:
        self.label = label
        self.target = -1

    def link(self) -> None:
        # What execute returns: a jump backwards is told by its sign.
        self.target = self.label.pc if self.label.pc > self.pc else ~self.label.pc

    def execute(self, frame: Frame) -> int:
        return self.target


class JumpIfFalse(Jump):
    _immutable_fields_ = ["source"]
    __slots__ = ("source",)

    def __init__(self, source: int, label: Label) -> None:
        super().__init__(label)
        self.source = source

    def execute(self, frame: Frame) -> int:
        value = frame.registers[self.source]
        if value is None or value is False:
            return self.target
        return self.next


class JumpIfTrue(JumpIfFalse):
    __slots__ = ()

    def execute(self, frame: Frame) -> int:
        value = frame.registers[self.source]
        if value is None or value is False:
            return self.next
        return self.target
