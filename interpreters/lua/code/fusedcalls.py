"""Fused calls: the function and its arguments are nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interpreters.lua.code.calls import Call, CallMany, CallOne, CallOpen
from interpreters.lua.code.fused import Node, inherited, operand
from interpreters.lua.frames import DIRECT, LEAVE, SWITCH, Frame, Instruction, Slow, deliver_one, registers_for
from interpreters.lua.operations import Description
from interpreters.lua.values import LuaBuiltin, LuaFunction, LuaTable
from metatracer import promote, unroll_safe

if TYPE_CHECKING:
    from interpreters.lua.vm import VM


class NodeCall(Call):
    """A call of any number of arguments."""

    _immutable_fields_ = ["called", "nodes[*]", "first", "first_register", "second", "second_register"]
    __slots__ = ("called", "first", "first_register", "nodes", "second", "second_register")

    def __init__(
        self, vm: VM, called: Node, nodes: list[Node], target: int, count: int, what: Description
    ) -> None:
        super().__init__(vm, -1, [], -1, target, count, what)
        self.called, self.nodes = called, nodes
        self.n_arguments = len(nodes)
        self.first, self.first_register = operand(nodes[0] if nodes else called)
        self.second, self.second_register = operand(nodes[1] if len(nodes) > 1 else called)

    @unroll_safe
    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        function = self.called.evaluate(registers)
        arguments = []
        nodes = self.nodes
        for number in range(self.n_arguments):
            arguments.append(nodes[number].evaluate(registers))
        return self.enter(frame, function, arguments)

    def callee(self, registers: list[Any]) -> Any:
        """Return the function that this calls, for tracebacks."""
        return self.called.evaluate(registers)

    def enter(self, frame: Frame, function: Any, arguments: list[Any]) -> int:
        if type(function) is LuaFunction:
            proto = promote(function.proto)
            return self.go(frame, proto, registers_for(function, proto, arguments))
        frame.pc = self.pc
        if type(function) is LuaBuiltin and function.is_leaf:
            self.receive(frame, promote(function.function)(self.vm, arguments))
            return self.next
        return self.call_other(frame, function, arguments)


class NodeCall1(NodeCall):
    __slots__ = ()

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        function = self.called.evaluate(registers)
        node = self.first
        value = registers[self.first_register] if node is None else node.evaluate(registers)
        if type(function) is LuaFunction:
            proto = promote(function.proto)
            if proto.fixed > 0:
                made: list[Any] = [None] * proto.size
                made[0] = function
                made[1] = value
                return self.go(frame, proto, made)
        return self.enter(frame, function, [value])


class NodeCall2(NodeCall):
    __slots__ = ()

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        function = self.called.evaluate(registers)
        node = self.first
        value = registers[self.first_register] if node is None else node.evaluate(registers)
        node = self.second
        other = registers[self.second_register] if node is None else node.evaluate(registers)
        if type(function) is LuaFunction:
            proto = promote(function.proto)
            if proto.fixed > 1:
                made: list[Any] = [None] * proto.size
                made[0] = function
                made[1] = value
                made[2] = other
                return self.go(frame, proto, made)
        return self.enter(frame, function, [value, other])


class MethodCall(NodeCall):
    """`object:name(...)`; `called` is the object."""

    _immutable_fields_ = ["name"]
    __slots__ = ("name",)

    def __init__(
        self, vm: VM, called: Node, name: bytes, nodes: list[Node], target: int, count: int, what: Description
    ) -> None:
        super().__init__(vm, called, nodes, target, count, what)
        self.name = name

    def callee(self, registers: list[Any]) -> Any:
        return self.method(self.called.evaluate(registers))

    def method(self, receiver: Any) -> Any:
        if type(receiver) is LuaTable:
            function = receiver.get_field(self.name)
            if function is None:
                function = inherited(receiver, self.name)
            return function
        if type(receiver) is bytes:
            metatable = self.vm.string_metatable
            if metatable is not None:
                library = metatable.index
                if type(library) is LuaTable:
                    return library.get_field(self.name)
        raise Slow

    @unroll_safe
    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        receiver = self.called.evaluate(registers)
        function = self.method(receiver)
        nodes = self.nodes
        arguments = [receiver]
        for number in range(self.n_arguments):
            arguments.append(nodes[number].evaluate(registers))
        return self.enter(frame, function, arguments)


class NodeCallOne(NodeCall, CallOne):
    __slots__ = ()


class NodeCallMany(NodeCall, CallMany):
    __slots__ = ()


class NodeCallOpen(NodeCall, CallOpen):
    __slots__ = ()


class NodeCall1One(NodeCall1, CallOne):
    __slots__ = ()


class NodeCall2One(NodeCall2, CallOne):
    __slots__ = ()


class MethodCallOne(MethodCall, CallOne):
    __slots__ = ()


class MethodCallMany(MethodCall, CallMany):
    __slots__ = ()


class MethodCallOpen(MethodCall, CallOpen):
    __slots__ = ()


class ReturnNode(Instruction):
    """Return the value of a node."""

    _immutable_fields_ = ["value"]
    __slots__ = ("value",)

    def __init__(self, value: Node) -> None:
        self.value = value

    def execute(self, frame: Frame) -> int:
        value = self.value.evaluate(frame.registers)
        if frame.parent is DIRECT:
            frame.next = value
            return LEAVE
        frame.next = deliver_one(frame.parent, value)
        return SWITCH


def call_class(n_arguments: int, count: int) -> type[NodeCall]:
    """Return the class for a call with so many arguments and results."""
    if count == 1:
        return {1: NodeCall1One, 2: NodeCall2One}.get(n_arguments, NodeCallOne)
    if count == 0:
        return {1: NodeCall1, 2: NodeCall2}.get(n_arguments, NodeCall)
    return NodeCallOpen if count < 0 else NodeCallMany


def method_class(count: int) -> type[MethodCall]:
    """Return the class for a method call of which so many results are wanted."""
    if count == 1:
        return MethodCallOne
    if count == 0:
        return MethodCall
    return MethodCallOpen if count < 0 else MethodCallMany
