"""Calls, returns, varargs, closures and variables to be closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interpreters.lua import operations
from interpreters.lua.errors import lua_error
from interpreters.lua.frames import (
    DIRECT, LEAVE, MAX_DEPTH, NO_VALUES, SWITCH, Frame, Instruction, Proto, Values, deliver, deliver_one, registers_for,
    stack_overflow,
)  # fmt: skip
from interpreters.lua.machine import run
from interpreters.lua.operations import Description
from interpreters.lua.values import Cell, LuaBuiltin, LuaFunction
from metatracer import promote, unroll_safe

if TYPE_CHECKING:
    from interpreters.lua.vm import VM


class Call(Instruction):
    """Call a function with registers as arguments, and an open list of values after them if `rest` is one.

    What becomes of the results is what the subclasses differ in; this one drops them.
    """

    _immutable_fields_ = ["vm", "function", "arguments[*]", "rest", "target", "count", "n_arguments"]
    __slots__ = ("arguments", "count", "function", "live", "n_arguments", "rest", "target", "vm", "what")

    def __init__(
        self, vm: VM, function: int, arguments: list[int], rest: int, target: int, count: int, what: Description
    ) -> None:
        self.vm, self.function, self.arguments, self.rest = vm, function, arguments, rest
        self.target, self.count, self.what = target, count, what
        self.n_arguments = len(arguments)
        self.live = 0  # registers from here on hold nothing that is still needed

    @unroll_safe
    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        function = registers[self.function]
        frame.pc = self.pc
        if type(function) is LuaFunction:
            proto = promote(function.proto)
            return self.go(frame, proto, self.registers_of(function, proto, registers))
        return self.call_other(frame, function, self.argument_list(registers))

    @unroll_safe
    def registers_of(self, function: LuaFunction, proto: Proto, registers: list[Any]) -> list[Any]:
        """Make the registers of the frame that is called; unless it takes `...`, without a list of the arguments."""
        wanted = proto.fixed
        if wanted < 0:
            return registers_for(function, proto, self.argument_list(registers))
        made: list[Any] = [None] * proto.size
        made[0] = function
        arguments = self.arguments
        given = self.n_arguments
        for number in range(wanted if wanted < given else given):
            made[number + 1] = registers[arguments[number]]
        if self.rest >= 0:
            values = registers[self.rest]
            for number in range(wanted - given):
                if number == len(values):
                    break
                made[given + number + 1] = values[number]
        return made

    @unroll_safe
    def argument_list(self, registers: list[Any]) -> list[Any]:
        arguments = self.arguments
        if not arguments and self.rest >= 0:
            return registers[self.rest]  # type: ignore[no-any-return]  # nobody changes a list of values
        values = []
        for number in range(self.n_arguments):
            values.append(registers[arguments[number]])
        return values + registers[self.rest] if self.rest >= 0 else values

    def go(self, frame: Frame, proto: Proto, made: list[Any]) -> int:
        """Call a Lua function whose registers are made."""
        depth = frame.depth + 1
        if depth < self.vm.direct_depth:
            self.take(frame.registers, run(self.vm, Frame(proto, made, DIRECT, depth)))
            return self.next
        if depth > MAX_DEPTH:
            raise stack_overflow()
        frame.pc = self.pc
        frame.next = Frame(proto, made, frame, depth)
        return SWITCH

    def take(self, registers: list[Any], result: Any) -> None:
        """Keep the result of a call on the host's stack."""

    def call_other(self, frame: Frame, function: Any, arguments: list[Any]) -> int:
        vm = self.vm
        if type(function) is LuaBuiltin:
            if not function.is_leaf:
                vm.frame = frame
            self.receive(frame, promote(function.function)(vm, arguments))
            return self.next
        return operations.enter(vm, frame, function, arguments, self.what)

    def receive(self, frame: Frame, results: list[Any]) -> None:
        frame.pc = self.next

    def receive_one(self, frame: Frame, value: Any) -> None:
        frame.pc = self.next


class CallOne(Call):
    """A call of which one result is kept."""

    __slots__ = ()

    def receive(self, frame: Frame, results: list[Any]) -> None:
        frame.registers[self.target] = results[0] if results else None
        frame.pc = self.next

    def take(self, registers: list[Any], result: Any) -> None:
        if type(result) is Values:
            items = result.items
            result = items[0] if items else None
        registers[self.target] = result

    def receive_one(self, frame: Frame, value: Any) -> None:
        frame.registers[self.target] = value
        frame.pc = self.next


class CallMany(Call):
    """A call of which `count` results are kept."""

    __slots__ = ()

    @unroll_safe
    def receive(self, frame: Frame, results: list[Any]) -> None:
        registers = frame.registers
        given = len(results)
        for number in range(self.count):
            registers[self.target + number] = results[number] if number < given else None
        frame.pc = self.next

    @unroll_safe
    def receive_one(self, frame: Frame, value: Any) -> None:
        registers = frame.registers
        registers[self.target] = value
        for number in range(1, self.count):
            registers[self.target + number] = None
        frame.pc = self.next

    @unroll_safe
    def take(self, registers: list[Any], result: Any) -> None:
        target = self.target
        if type(result) is Values:
            items = result.items
            given = len(items)
            for number in range(self.count):
                registers[target + number] = items[number] if number < given else None
        else:
            registers[target] = result
            for number in range(1, self.count):
                registers[target + number] = None


class CallOpen(Call):
    """A call of which all results are kept, as a list in one register."""

    __slots__ = ()

    def receive(self, frame: Frame, results: list[Any]) -> None:
        frame.registers[self.target] = results
        frame.pc = self.next

    def receive_one(self, frame: Frame, value: Any) -> None:
        frame.registers[self.target] = [value]
        frame.pc = self.next

    def take(self, registers: list[Any], result: Any) -> None:
        registers[self.target] = result.items if type(result) is Values else [result]


class TailCall(CallOpen):
    """A call in whose stead this frame goes; what is no Lua function is called, and its results returned.

    The instruction after this one returns the list of results.
    """

    __slots__ = ()

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        function = registers[self.function]
        if type(function) is LuaFunction:
            proto = promote(function.proto)
            made = self.registers_of(function, proto, registers)
            following = Frame(proto, made, frame.parent, frame.depth)
            following.is_tail = True
            frame.next = following
            return SWITCH
        frame.pc = self.pc
        return self.call_other(frame, function, self.argument_list(registers))


class Return0(Instruction):
    __slots__ = ()

    def __init__(self) -> None:
        pass

    def execute(self, frame: Frame) -> int:
        if frame.parent is DIRECT:
            frame.next = NO_VALUES
            return LEAVE
        frame.next = deliver(frame.parent, [])
        return SWITCH


class Return1(Instruction):
    _immutable_fields_ = ["source"]
    __slots__ = ("source",)

    def __init__(self, source: int) -> None:
        self.source = source

    def execute(self, frame: Frame) -> int:
        if frame.parent is DIRECT:
            frame.next = frame.registers[self.source]
            return LEAVE
        frame.next = deliver_one(frame.parent, frame.registers[self.source])
        return SWITCH


class ReturnMany(Instruction):
    """Return registers, and an open list of values after them."""

    _immutable_fields_ = ["sources[*]", "rest"]
    __slots__ = ("rest", "sources")

    def __init__(self, sources: list[int], rest: int) -> None:
        self.sources, self.rest = sources, rest

    @unroll_safe
    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        sources = self.sources
        values = []
        for number in range(len(sources)):
            values.append(registers[sources[number]])
        if self.rest >= 0:
            values = values + registers[self.rest] if sources else registers[self.rest]
        if frame.parent is DIRECT:
            frame.next = values[0] if len(values) == 1 else Values(values)
            return LEAVE
        frame.next = deliver(frame.parent, values)
        return SWITCH


class Varargs(Instruction):
    """Put a function's extra arguments into `count` registers; -1 for all of them, as a list."""

    _immutable_fields_ = ["source", "target", "count"]
    __slots__ = ("count", "source", "target")

    def __init__(self, source: int, target: int, count: int) -> None:
        self.source, self.target, self.count = source, target, count

    @unroll_safe
    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        values = registers[self.source]
        if self.count < 0:
            registers[self.target] = values
            return self.next
        given = len(values)
        for number in range(self.count):
            registers[self.target + number] = values[number] if number < given else None
        return self.next


class Closure(Instruction):
    _immutable_fields_ = ["target", "proto"]
    __slots__ = ("proto", "target")

    def __init__(self, target: int, proto: Proto) -> None:
        self.target, self.proto = target, proto

    @unroll_safe
    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        proto = self.proto
        captures = proto.captures
        size = len(captures)
        upvalues: list[Any] = [None] * size
        for number in range(size):
            from_register, place = captures[number]
            upvalues[number] = registers[place] if from_register else registers[0].upvalues[place]
        function = LuaFunction(proto, upvalues)
        itself = proto.itself
        for number in range(len(itself)):
            upvalues[itself[number]] = function
        registers[self.target] = function
        return self.next


class MarkToClose(Instruction):
    """Note that a register holds a value to be closed."""

    _immutable_fields_ = ["vm", "source", "name", "tbc_register"]
    __slots__ = ("name", "source", "tbc_register", "vm")

    def __init__(self, vm: VM, tbc_register: int, source: int, name: bytes) -> None:
        self.vm, self.tbc_register, self.source, self.name = vm, tbc_register, source, name

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        value = registers[self.source]
        if type(value) is Cell:
            value = value.value
        if value is None or value is False:
            return self.next
        if operations.metamethod(self.vm, value, b"__close") is None:
            raise lua_error(b"variable '%s' got a non-closable value" % self.name)
        pending = registers[self.tbc_register]
        if pending is None:
            pending = registers[self.tbc_register] = []
        pending.append(self.source)
        return self.next


class CloseFrom(Instruction):
    """Close the values in registers from `level` on, latest first; done again until none is left."""

    _immutable_fields_ = ["vm", "tbc_register", "level"]
    __slots__ = ("level", "tbc_register", "vm")
    what = (b"metamethod", b"close")

    def __init__(self, vm: VM, tbc_register: int, level: int) -> None:
        self.vm, self.tbc_register, self.level = vm, tbc_register, level

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        pending = registers[self.tbc_register]
        if pending is None or not pending or pending[-1] < self.level:
            return self.next
        value = registers[pending.pop()]
        if type(value) is Cell:
            value = value.value
        frame.pc = self.pc
        handler = operations.metamethod(self.vm, value, b"__close")
        return operations.enter(self.vm, frame, handler, [value, None], self.what)

    def receive(self, frame: Frame, results: list[Any]) -> None:
        frame.pc = self.pc
