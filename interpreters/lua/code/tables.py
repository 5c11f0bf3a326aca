"""Making tables, and access to their fields and items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interpreters.lua import operations
from interpreters.lua.code.fused import MAX_INHERITANCE
from interpreters.lua.code.operators import Operator
from interpreters.lua.frames import Frame, Instruction
from interpreters.lua.operations import Description
from interpreters.lua.shapes import Shape, find_field
from interpreters.lua.values import INDEX, NO_ITEMS, LuaTable
from metatracer import unroll_safe

if TYPE_CHECKING:
    from interpreters.lua.vm import VM


class GetField(Operator):
    """`target = table.name`."""

    _immutable_fields_ = ["table", "name", "table_what"]
    __slots__ = ("name", "table", "table_what")
    what = (b"metamethod", b"index")

    def __init__(self, vm: VM, target: int, table: int, name: bytes, table_what: Description) -> None:
        super().__init__(vm, target)
        self.table, self.name, self.table_what = table, name, table_what

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        return self.fetch(frame, registers, registers[self.table])

    @unroll_safe
    def fetch(self, frame: Frame, registers: list[Any], table: Any) -> int:
        holder = table
        for _ in range(MAX_INHERITANCE):
            if type(holder) is not LuaTable:
                break
            value = holder.get_field(self.name)
            metatable = holder.metatable
            if value is not None or metatable is None:
                registers[self.target] = value
                return self.next
            holder = metatable.index
            if holder is None:
                registers[self.target] = None
                return self.next
        return operations.index(self.vm, frame, self.pc, table, self.name, self.table_what)


class GetGlobal(GetField):
    """`target = name`: a field of the upvalue _ENV."""

    __slots__ = ()

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        return self.fetch(frame, registers, registers[0].upvalues[self.table])


class GetIndex(Operator):
    """`target = table[key]`."""

    _immutable_fields_ = ["table", "key", "table_what"]
    __slots__ = ("key", "table", "table_what")
    what = (b"metamethod", b"index")

    def __init__(self, vm: VM, target: int, table: int, key: int, table_what: Description) -> None:
        super().__init__(vm, target)
        self.table, self.key, self.table_what = table, key, table_what

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        table = registers[self.table]
        key = registers[self.key]
        if type(table) is LuaTable:
            if type(key) is int:
                array = table.array
                if 0 < key < len(array):
                    value = array[key]
                else:
                    value = table.get(key)
            else:
                value = table.get(key)
            if value is not None or table.metatable is None:
                registers[self.target] = value
                return self.next
        return operations.index(self.vm, frame, self.pc, table, key, self.table_what)


class Self(GetField):
    """`target, target + 1 = table.name, table`, for a method call."""

    __slots__ = ()

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        table = registers[self.table]
        registers[self.target + 1] = table
        return self.fetch(frame, registers, table)


class Store(Instruction):
    """A store into a table; what its metamethod returns is dropped."""

    _immutable_fields_ = ["vm", "table", "source", "table_what"]
    __slots__ = ("source", "table", "table_what", "vm")
    what = (b"metamethod", b"newindex")

    def __init__(self, vm: VM, table: int, source: int, table_what: Description) -> None:
        self.vm, self.table, self.source, self.table_what = vm, table, source, table_what

    def receive(self, frame: Frame, results: list[Any]) -> None:
        frame.pc = self.next

    def receive_one(self, frame: Frame, value: Any) -> None:
        frame.pc = self.next


class SetField(Store):
    """`table.name = source`."""

    _immutable_fields_ = ["name"]
    __slots__ = ("name",)

    def __init__(self, vm: VM, table: int, name: bytes, source: int, table_what: Description) -> None:
        super().__init__(vm, table, source, table_what)
        self.name = name

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        return self.put(frame, registers[self.table], registers[self.source])

    def put(self, frame: Frame, table: Any, value: Any) -> int:
        if type(table) is LuaTable:
            if table.metatable is None:
                table.set_field(self.name, value)
                return self.next
            place = find_field(table.shape, self.name)
            if (place >= 0 and table.slots[place] is not None) or table.metatable.get_field(b"__newindex") is None:
                table.set_field(self.name, value)
                return self.next
        return operations.set_index(self.vm, frame, self.pc, table, self.name, value, self.table_what)


class SetGlobal(SetField):
    """`name = source`: a field of the upvalue _ENV."""

    __slots__ = ()

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        return self.put(frame, registers[0].upvalues[self.table], registers[self.source])


class SetIndex(Store):
    """`table[key] = source`."""

    _immutable_fields_ = ["key"]
    __slots__ = ("key",)

    def __init__(self, vm: VM, table: int, key: int, source: int, table_what: Description) -> None:
        super().__init__(vm, table, source, table_what)
        self.key = key

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        table = registers[self.table]
        key = registers[self.key]
        value = registers[self.source]
        if type(table) is LuaTable:
            kind = type(key)
            if kind is int and value is not None:
                array = table.array
                size = len(array)
                if 0 < key < size and (table.metatable is None or array[key] is not None):
                    array[key] = value
                    return self.next
            if table.metatable is None:
                if kind is int:
                    table.set_integer(key, value)
                    return self.next
                if kind is bytes:
                    table.set_string(key, value)
                    return self.next
        return operations.set_index(self.vm, frame, self.pc, table, key, value, self.table_what)


class NewTable(Instruction):
    """`target = {}`, to which items may be appended next; an object is likely to get fields alone."""

    _immutable_fields_ = ["target", "is_object"]
    __slots__ = ("is_object", "target")

    def __init__(self, target: int, is_object: bool) -> None:
        self.target, self.is_object = target, is_object

    def execute(self, frame: Frame) -> int:
        table = frame.registers[self.target] = LuaTable()
        if not self.is_object:
            table.array = [None]  # where most of those without fields are filled
        return self.next


class NewRecord(Instruction):
    """A table of fields whose names are known, from registers."""

    _immutable_fields_ = ["target", "shape", "sources[*]", "index"]
    __slots__ = ("index", "shape", "sources", "target")

    def __init__(self, target: int, shape: Shape, sources: list[int]) -> None:
        self.target, self.shape, self.sources = target, shape, sources
        self.index = shape.indices.get(INDEX, -1)

    @unroll_safe
    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        table = LuaTable()
        slots: list[Any] = [None] * self.shape.count
        sources = self.sources
        for number in range(len(sources)):
            slots[number] = registers[sources[number]]
        table.shape = self.shape
        table.slots = slots
        if self.index >= 0:
            table.index = slots[self.index]
        registers[self.target] = table
        return self.next


class SetField0(Instruction):
    """`table[key] = source` in a constructor: raw."""

    _immutable_fields_ = ["table", "key", "source"]
    __slots__ = ("key", "source", "table")

    def __init__(self, table: int, key: int, source: int) -> None:
        self.table, self.key, self.source = table, key, source

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        operations.store(registers[self.table], registers[self.key], registers[self.source])
        return self.next


class AppendItems(Instruction):
    """Put registers at the end of a new table's array, nils and all; and an open list of values after them."""

    _immutable_fields_ = ["table", "first", "sources[*]", "rest"]
    __slots__ = ("first", "rest", "sources", "table")

    def __init__(self, table: int, first: int, sources: list[int], rest: int) -> None:
        self.table, self.first, self.sources, self.rest = table, first, sources, rest

    @unroll_safe
    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        table = registers[self.table]
        array = table.array
        if array is NO_ITEMS:
            array = table.array = [None]
        while len(array) < self.first:
            array.append(None)  # nils at an earlier end
        sources = self.sources
        for number in range(len(sources)):
            array.append(registers[sources[number]])
        if self.rest >= 0:
            array.extend(registers[self.rest])
        if array[-1] is None:
            table.shrink()
        if table.hash is not None:
            table.forget_items()
        return self.next
