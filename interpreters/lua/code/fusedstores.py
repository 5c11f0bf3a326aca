"""Fused stores: tables, keys and values are nodes."""

from __future__ import annotations

from typing import Any

from interpreters.lua.code.fused import Node, operand
from interpreters.lua.frames import Frame, Instruction, Slow
from interpreters.lua.shapes import NOWHERE, find_field, place_of
from interpreters.lua.values import NO_ITEMS, LuaTable
from metatracer import we_are_jitted


class StoreField(Instruction):
    """`table.name = value`."""

    _immutable_fields_ = ["table", "table_register", "name", "value", "value_register", "seen"]
    __slots__ = ("name", "seen", "table", "table_register", "value", "value_register")

    def __init__(self, table: Node, name: bytes, value: Node) -> None:
        self.table, self.table_register = operand(table)
        self.value, self.value_register = operand(value)
        self.name = name
        self.seen = NOWHERE

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        holder = self.table
        table = registers[self.table_register] if holder is None else holder.evaluate(registers)
        if type(table) is not LuaTable:
            raise Slow
        node = self.value
        value = registers[self.value_register] if node is None else node.evaluate(registers)
        seen = self.seen
        if table.shape is seen.shape:
            slots = table.slots
            if table.metatable is None or slots[seen.index] is not None:
                slots[seen.index] = value
                return self.next
        self.store(table, value)
        return self.next

    def store(self, table: LuaTable, value: Any) -> None:
        if we_are_jitted():
            place = find_field(table.shape, self.name)
        else:
            found = place_of(table.shape, self.name)
            place = -1
            if found is not None:
                self.seen = found
                place = found.index
        metatable = table.metatable
        if metatable is not None and (place < 0 or table.slots[place] is None):
            if metatable.get_field(b"__newindex") is not None:
                raise Slow
        if place >= 0:
            table.slots[place] = value
        else:
            table.set_field(self.name, value)


class StoreItem(Instruction):
    """`table[key] = value`."""

    _immutable_fields_ = ["table", "table_register", "key", "key_register", "value", "value_register"]
    __slots__ = ("key", "key_register", "table", "table_register", "value", "value_register")

    def __init__(self, table: Node, key: Node, value: Node) -> None:
        self.table, self.table_register = operand(table)
        self.key, self.key_register = operand(key)
        self.value, self.value_register = operand(value)

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        holder = self.table
        table = registers[self.table_register] if holder is None else holder.evaluate(registers)
        index = self.key
        key = registers[self.key_register] if index is None else index.evaluate(registers)
        node = self.value
        value = registers[self.value_register] if node is None else node.evaluate(registers)
        if type(table) is LuaTable and table.metatable is None:
            if type(key) is int:
                array = table.array
                size = len(array)
                if value is not None:
                    if 0 < key < size:
                        array[key] = value
                        return self.next
                    if key == size and table.hash is None:
                        if array is NO_ITEMS:
                            table.array = [None, value]
                        else:
                            array.append(value)
                        return self.next
                table.set_integer(key, value)
                return self.next
            if type(key) is bytes:
                table.set_string(key, value)
                return self.next
        raise Slow


class StoreUpvalue(Instruction):
    """Assign to a variable of an enclosing function."""

    _immutable_fields_ = ["number", "value"]
    __slots__ = ("number", "value")

    def __init__(self, number: int, value: Node) -> None:
        self.number, self.value = number, value

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        registers[0].upvalues[self.number].value = self.value.evaluate(registers)
        return self.next


class StoreCell(StoreUpvalue):
    """Assign to a variable that closures share."""

    __slots__ = ()

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        registers[self.number].value = self.value.evaluate(registers)
        return self.next
