"""The two kinds of `for`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interpreters.lua import operations
from interpreters.lua.code.moves import Jump, Label
from interpreters.lua.errors import lua_error
from interpreters.lua.frames import Frame, Instruction
from interpreters.lua.values import KeyOfBoolean, LuaTable, StatefulBuiltin, type_name
from metatracer import dont_look_inside, promote, unroll_safe

if TYPE_CHECKING:
    from interpreters.lua.vm import VM

MAX_INTEGER = (1 << 63) - 1
MIN_INTEGER = -(1 << 63)


@dont_look_inside
def for_number(value: Any, what: bytes) -> int | float:
    """Return the number that a loop's start, limit or step is, or stands for."""
    number = operations.arithmetic_operand(value)
    if number is not None:
        return number
    raise lua_error(b"bad 'for' %s (number expected, got %s)" % (what, type_name(value)))


def last_index(start: int, limit: int | float, step: int) -> int | None:
    """Return the last value of an integer loop's variable; None when it does not run at all."""
    if type(limit) is float:
        if limit != limit:
            return None
        if limit >= 2.0**63:
            if step < 0:
                return None
            limit = MAX_INTEGER
        elif limit < -(2.0**63):
            if step > 0:
                return None
            limit = MIN_INTEGER
        else:
            limit = limit // 1.0 if step > 0 else -(-limit // 1.0)
            limit = int(limit)
    if step > 0:
        if start > limit:
            return None
        return start + (int(limit) - start) // step * step
    if start < limit:
        return None
    return start - (start - int(limit)) // -step * -step


class ForPrepare(Jump):
    """Begin a numeric loop.

    Registers from `base`: the value of the loop's variable, its last value (the limit in a loop of floats), the step,
    and the variable that the body sees.
    """

    _immutable_fields_ = ["base"]
    __slots__ = ("base",)

    def __init__(self, base: int, label: Label) -> None:
        super().__init__(label)
        self.base = base

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        base = self.base
        start = registers[base]
        limit = registers[base + 1]
        step = registers[base + 2]
        if type(start) is int and type(step) is int:
            if type(limit) is int and step == 1:
                if start > limit:
                    return self.target
            elif type(limit) is int and step == -1:
                if start < limit:
                    return self.target
            elif type(limit) is int and step > 1:
                if start > limit:
                    return self.target
                registers[base + 1] = start + (limit - start) // step * step
            else:
                limit = self.prepare_integers(start, limit, step)
                if limit is None:
                    return self.target
                registers[base + 1] = limit
            registers[base + 3] = start
            return self.next
        # In the order in which PUC Lua checks them.
        limit = float(for_number(limit, b"limit"))
        step = float(for_number(step, b"step"))
        start = float(for_number(start, b"initial value"))
        if step == 0.0:
            raise lua_error(b"'for' step is zero")
        if (limit < start) if step > 0.0 else (start < limit):
            return self.target
        if limit != limit or start != start:
            return self.target
        registers[base] = registers[base + 3] = start
        registers[base + 1] = limit
        registers[base + 2] = step
        return self.next

    @dont_look_inside
    def prepare_integers(self, start: int, limit: Any, step: int) -> int | None:
        number = for_number(limit, b"limit")
        if step == 0:
            raise lua_error(b"'for' step is zero")
        return last_index(start, number, step)


class ForLoop(ForPrepare):
    """Go on with the next value of a numeric loop's variable."""

    __slots__ = ()

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        base = self.base
        value = registers[base]
        if type(value) is int:
            if value == registers[base + 1]:
                return self.next
            registers[base] = registers[base + 3] = value + registers[base + 2]
            return self.target
        step = registers[base + 2]
        value += step
        limit = registers[base + 1]
        if (value <= limit) if step > 0.0 else (limit <= value):
            registers[base] = registers[base + 3] = value
            return self.target
        return self.next


class IteratorCall(Instruction):
    """Call a generic loop's iterator.

    Registers from `base`: the iterator, its state, the control value, what is to be closed, then the variables, and
    then, for a table's entries, the place of the last one. The instruction after this one is the loop's IteratorTest.
    """

    _immutable_fields_ = ["vm", "base", "count", "place"]
    __slots__ = ("base", "count", "place", "vm")
    what = (b"for iterator", b"for iterator")

    def __init__(self, vm: VM, base: int, count: int) -> None:
        self.vm, self.base, self.count = vm, base, count
        self.place = base + 4 + count

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        base = self.base
        function = registers[base]
        vm = self.vm
        if function is vm.next_builtin:
            table = registers[base + 1]
            if type(table) is LuaTable:
                return self.step(registers, base, table, registers[base + 2])
        elif function is vm.ipairs_iterator:
            table = registers[base + 1]
            number = registers[base + 2]
            if type(table) is LuaTable and type(number) is int:
                number += 1
                array = table.array
                if 0 < number < len(array):
                    value = array[number]
                    if value is not None:
                        return self.give_two(registers, base, number, value)
                if table.metatable is None:
                    value = table.get(number)
                    if value is None:
                        return self.give_two(registers, base, None, None)
                    return self.give_two(registers, base, number, value)
        elif type(function) is StatefulBuiltin:
            arguments = [registers[base + 1], registers[base + 2]]
            self.receive(frame, promote(function.function)(vm, function.state, arguments))
            return self.next
        frame.pc = self.pc
        return operations.enter(vm, frame, function, [registers[base + 1], registers[base + 2]], self.what)

    def step(self, registers: list[Any], base: int, table: LuaTable, key: Any) -> int:
        """Go to the next entry of a table, without a call."""
        if type(key) is int or key is None:
            # Within the array, which is the most frequent.
            number = 1 if key is None else key + 1
            array = table.array
            if 0 < number < len(array) and key != 0:
                value = array[number]
                if value is not None:
                    return self.give_two(registers, base, number, value)
        # The place is that of the key only if it says so: the register may hold anything at first.
        place = registers[self.place]
        if type(place) is not int:
            place = 0
        elif place < 0:
            names = table.shape.names
            slots = table.slots
            following = -place
            if following < len(slots) and names[following - 1] is key:
                value = slots[following]
                if value is not None:
                    registers[self.place] = ~following
                    return self.give_two(registers, base, names[following], value)
        elif table.hash is not None:
            keys = table.keys
            following = place + 1
            if keys is not None and following < len(keys) and keys[place] is key:
                after = keys[following]
                value = table.hash.get(after)
                if value is not None and type(after) is not KeyOfBoolean:
                    registers[self.place] = following
                    return self.give_two(registers, base, after, value)
        try:
            entry = table.next_entry(key, place)
        except KeyError:
            raise lua_error(b"invalid key to 'next'", level=0) from None
        if entry is None:
            return self.give_two(registers, base, None, None)
        registers[self.place] = entry[2]
        return self.give_two(registers, base, entry[0], entry[1])

    @unroll_safe
    def give_two(self, registers: list[Any], base: int, key: Any, value: Any) -> int:
        registers[base + 4] = key
        if self.count > 1:
            registers[base + 5] = value
            for number in range(2, self.count):
                registers[base + 4 + number] = None
        return self.next

    @unroll_safe
    def receive(self, frame: Frame, results: list[Any]) -> None:
        registers = frame.registers
        first = self.base + 4
        given = len(results)
        for number in range(self.count):
            registers[first + number] = results[number] if number < given else None
        frame.pc = self.next

    @unroll_safe
    def receive_one(self, frame: Frame, value: Any) -> None:
        registers = frame.registers
        first = self.base + 4
        registers[first] = value
        for number in range(1, self.count):
            registers[first + number] = None
        frame.pc = self.next


class IteratorTest(Jump):
    """Go on with a generic loop unless its iterator returned nil."""

    _immutable_fields_ = ["base"]
    __slots__ = ("base",)

    def __init__(self, base: int, label: Label) -> None:
        super().__init__(label)
        self.base = base

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        value = registers[self.base + 4]
        if value is None:
            return self.next
        registers[self.base + 2] = value
        return self.target

