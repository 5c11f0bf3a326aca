"""Fused instructions: expressions without calls, as trees of nodes that are evaluated in one go.

A node handles what is usual. Where something else comes up (a metamethod, a string as a number, an error) it raises
Slow: nothing has had an effect then, and the plain instructions for the same expression, which stand at the end of the
function's code, do it all again from registers. A node is also an instruction that puts its value into a register.
"""

from __future__ import annotations

from typing import Any

from interpreters.lua.arithmetic import float_modulo, floor_divide
from interpreters.lua.code.moves import Label
from interpreters.lua.frames import Frame, Instruction, Slow
from interpreters.lua.shapes import NOWHERE, place_of
from interpreters.lua.values import LuaTable
from metatracer import intmask, unroll_safe, we_are_jitted

MAX_INHERITANCE = 8


class Node(Instruction):
    """An expression."""

    _immutable_fields_ = ["target"]
    __slots__ = ("target",)
    target: int
    is_leaf = False

    def evaluate(self, registers: list[Any]) -> Any:
        raise NotImplementedError

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        registers[self.target] = self.evaluate(registers)
        return self.next


class Local(Node):
    _immutable_fields_ = ["register"]
    __slots__ = ("register",)
    is_leaf = True

    def __init__(self, register: int) -> None:
        self.register = register

    def evaluate(self, registers: list[Any]) -> Any:
        return registers[self.register]


class LocalCell(Local):
    __slots__ = ()

    def evaluate(self, registers: list[Any]) -> Any:
        return registers[self.register].value


class UpvalueNode(Local):
    __slots__ = ()

    def evaluate(self, registers: list[Any]) -> Any:
        return registers[0].upvalues[self.register]


class UpvalueCell(Local):
    __slots__ = ()

    def evaluate(self, registers: list[Any]) -> Any:
        return registers[0].upvalues[self.register].value


class Constant(Node):
    _immutable_fields_ = ["value"]
    __slots__ = ("value",)
    is_leaf = True

    def __init__(self, value: Any) -> None:
        self.value = value

    def evaluate(self, registers: list[Any]) -> Any:
        return self.value


class ConstantOperand(Node):
    """Stands for a right operand that is a constant."""

    __slots__ = ()


CONSTANT = ConstantOperand()


def operand(node: Node) -> tuple[Any, int]:
    """Return a node, or None and its register when it is a local variable, which is then read without a call."""
    return (None, node.register) if type(node) is Local else (node, 0)


class Field(Node):
    """`table.name`: a site remembers the shape that it saw last, and where the name was in it.

    To a trace what a site remembers is constant, though the interpreter changes it: it is as good a guess as any, and true.
    """

    _immutable_fields_ = ["table", "name", "seen"]
    __slots__ = ("name", "seen", "table")

    def __init__(self, table: Node, name: bytes) -> None:
        self.table, self.name = table, name
        self.seen = NOWHERE

    def evaluate(self, registers: list[Any]) -> Any:
        return self.of(self.table.evaluate(registers))

    def of(self, table: Any) -> Any:
        if type(table) is LuaTable:
            seen = self.seen
            if table.shape is seen.shape:
                value = table.slots[seen.index]
            else:
                value = self.look_up(table)
            if value is not None or table.metatable is None:
                return value
            return inherited(table, self.name)
        raise Slow

    def look_up(self, table: LuaTable) -> Any:
        if we_are_jitted():
            return table.get_field(self.name)
        place = place_of(table.shape, self.name)
        if place is None:
            return None if table.hash is None else table.hash.get(self.name)
        self.seen = place
        return table.slots[place.index]


@unroll_safe
def inherited(table: LuaTable, name: bytes) -> Any:
    """Return a field that a table does not have itself, as its metatables' `__index` tables say."""
    for _ in range(MAX_INHERITANCE):
        metatable = table.metatable
        if type(metatable) is not LuaTable:  # in a trace, asking for None first would be one more guard
            return None
        handler = metatable.index
        if type(handler) is not LuaTable:
            if handler is None:
                return None
            raise Slow
        value = handler.get_field(name)
        if value is not None:
            return value
        table = handler
    raise Slow


class FieldOfLocal(Field):
    _immutable_fields_ = ["register"]
    __slots__ = ("register",)

    def __init__(self, register: int, name: bytes) -> None:
        super().__init__(Local(register), name)
        self.register = register

    def evaluate(self, registers: list[Any]) -> Any:
        table = registers[self.register]
        if type(table) is LuaTable:
            seen = self.seen
            if table.shape is seen.shape:
                value = table.slots[seen.index]
                if value is not None:
                    return value
        return self.of(table)


class FieldOfUpvalue(FieldOfLocal):
    """A field of an upvalue that is no cell: a global name, above all."""

    __slots__ = ()

    def evaluate(self, registers: list[Any]) -> Any:
        table = registers[0].upvalues[self.register]
        if type(table) is LuaTable:
            seen = self.seen
            if table.shape is seen.shape:
                value = table.slots[seen.index]
                if value is not None:
                    return value
        return self.of(table)


def item(table: Any, key: Any) -> Any:
    """Return `table[key]`."""
    if type(table) is not LuaTable:
        raise Slow
    if type(key) is int:
        array = table.array
        if 0 < key < len(array):
            value = array[key]
        else:
            value = None if table.hash is None else table.hash.get(key)
    elif type(key) is bytes:
        value = table.get_string(key)
    else:
        value = table.get(key)
    if value is None and table.metatable is not None:
        raise Slow
    return value


class Item(Node):
    """`table[key]`."""

    _immutable_fields_ = ["table", "key", "table_register", "key_register"]
    __slots__ = ("key", "key_register", "table", "table_register")

    def __init__(self, table: Node, key: Node) -> None:
        self.table, self.table_register = operand(table)
        self.key, self.key_register = operand(key)

    def evaluate(self, registers: list[Any]) -> Any:
        holder = self.table
        table = registers[self.table_register] if holder is None else holder.evaluate(registers)
        index = self.key
        key = registers[self.key_register] if index is None else index.evaluate(registers)
        if type(table) is LuaTable and type(key) is int:
            array = table.array
            if 0 < key < len(array):
                value = array[key]
                if value is not None:
                    return value
        return item(table, key)


class ItemOfLocals(Node):
    _immutable_fields_ = ["table", "key"]
    __slots__ = ("key", "table")

    def __init__(self, table: int, key: int) -> None:
        self.table, self.key = table, key

    def evaluate(self, registers: list[Any]) -> Any:
        table = registers[self.table]
        key = registers[self.key]
        if type(table) is LuaTable and type(key) is int:
            array = table.array
            if 0 < key < len(array):
                value = array[key]
                if value is not None:
                    return value
        return item(table, key)


class Length(Node):
    _immutable_fields_ = ["operand", "register"]
    __slots__ = ("operand", "register")

    def __init__(self, node: Node) -> None:
        self.operand, self.register = operand(node)

    def evaluate(self, registers: list[Any]) -> Any:
        node = self.operand
        value = registers[self.register] if node is None else node.evaluate(registers)
        if type(value) is LuaTable and value.metatable is None:
            size = len(value.array)
            return size - 1 if size > 1 or value.hash is None else value.hash_border()
        if type(value) is bytes:
            return len(value)
        raise Slow


class Negate(Length):
    __slots__ = ()

    def evaluate(self, registers: list[Any]) -> Any:
        node = self.operand
        value = registers[self.register] if node is None else node.evaluate(registers)
        if type(value) is float:
            return -value
        if type(value) is int:
            return intmask(-value)
        raise Slow


class Not(Length):
    __slots__ = ()

    def evaluate(self, registers: list[Any]) -> Any:
        node = self.operand
        value = registers[self.register] if node is None else node.evaluate(registers)
        return value is None or value is False


class Binary(Node):
    """An operator on two nodes; local variables and a constant to the right are read without a call."""

    _immutable_fields_ = ["left", "right", "left_register", "right_register", "constant"]
    __slots__ = ("constant", "left", "left_register", "right", "right_register")

    def __init__(self, left: Node, right: Node) -> None:
        self.left, self.left_register = operand(left)
        self.right, self.right_register = operand(right)
        self.constant: Any = None
        if type(right) is Constant:
            self.right = CONSTANT
            self.constant = right.value


class BinaryOfLocals(Node):
    """An operator on a local variable and another one, or a constant."""

    _immutable_fields_ = ["left", "right"]
    __slots__ = ("left", "right")

    def __init__(self, left: int, right: int) -> None:
        self.left, self.right = left, right


def add(a: Any, b: Any) -> Any:
    """Add a float and something, or integers that overflow."""
    if type(a) is float:
        if type(b) is float or type(b) is int:
            return a + b
    elif type(a) is int:
        if type(b) is int:
            return intmask(a + b)
        if type(b) is float:
            return a + b
    raise Slow


def subtract(a: Any, b: Any) -> Any:
    if type(a) is float:
        if type(b) is float or type(b) is int:
            return a - b
    elif type(a) is int:
        if type(b) is int:
            return intmask(a - b)
        if type(b) is float:
            return a - b
    raise Slow


def multiply(a: Any, b: Any) -> Any:
    if type(a) is float:
        if type(b) is float or type(b) is int:
            return a * b
    elif type(a) is int:
        if type(b) is int:
            return intmask(a * b)
        if type(b) is float:
            return a * b
    raise Slow


class Add(Binary):
    __slots__ = ()

    def evaluate(self, registers: list[Any]) -> Any:
        left = self.left
        a = registers[self.left_register] if left is None else left.evaluate(registers)
        right = self.right
        if right is None:
            b = registers[self.right_register]
        elif right is CONSTANT:
            b = self.constant
        else:
            b = right.evaluate(registers)
        if type(a) is int and type(b) is int:
            value = a + b
            if -0x8000000000000000 <= value <= 0x7FFFFFFFFFFFFFFF:
                return value
            return intmask(value)
        if type(a) is float and type(b) is float:
            return a + b
        return add(a, b)


class AddLocals(BinaryOfLocals):
    __slots__ = ()

    def evaluate(self, registers: list[Any]) -> Any:
        a = registers[self.left]
        b = registers[self.right]
        if type(a) is int and type(b) is int:
            value = a + b
            if -0x8000000000000000 <= value <= 0x7FFFFFFFFFFFFFFF:
                return value
            return intmask(value)
        if type(a) is float and type(b) is float:
            return a + b
        return add(a, b)

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        a = registers[self.left]
        b = registers[self.right]
        if type(a) is int and type(b) is int:
            value = a + b
            if -0x8000000000000000 <= value <= 0x7FFFFFFFFFFFFFFF:
                registers[self.target] = value
            else:
                registers[self.target] = intmask(value)
        elif type(a) is float and type(b) is float:
            registers[self.target] = a + b
        else:
            registers[self.target] = add(a, b)
        return self.next


class AddInteger(BinaryOfLocals):
    """A local variable plus a small integer."""

    __slots__ = ()

    def evaluate(self, registers: list[Any]) -> Any:
        a = registers[self.left]
        if type(a) is int:
            value = a + self.right
            if -0x8000000000000000 <= value <= 0x7FFFFFFFFFFFFFFF:
                return value
            return intmask(value)
        if type(a) is float:
            return a + self.right
        raise Slow

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        a = registers[self.left]
        if type(a) is int:
            value = a + self.right
            if -0x8000000000000000 <= value <= 0x7FFFFFFFFFFFFFFF:
                registers[self.target] = value
            else:
                registers[self.target] = intmask(value)
            return self.next
        if type(a) is float:
            registers[self.target] = a + self.right
            return self.next
        raise Slow


class Subtract(Binary):
    __slots__ = ()

    def evaluate(self, registers: list[Any]) -> Any:
        left = self.left
        a = registers[self.left_register] if left is None else left.evaluate(registers)
        right = self.right
        if right is None:
            b = registers[self.right_register]
        elif right is CONSTANT:
            b = self.constant
        else:
            b = right.evaluate(registers)
        if type(a) is int and type(b) is int:
            value = a - b
            if -0x8000000000000000 <= value <= 0x7FFFFFFFFFFFFFFF:
                return value
            return intmask(value)
        if type(a) is float and type(b) is float:
            return a - b
        return subtract(a, b)


class Multiply(Binary):
    __slots__ = ()

    def evaluate(self, registers: list[Any]) -> Any:
        left = self.left
        a = registers[self.left_register] if left is None else left.evaluate(registers)
        right = self.right
        if right is None:
            b = registers[self.right_register]
        elif right is CONSTANT:
            b = self.constant
        else:
            b = right.evaluate(registers)
        if type(a) is int and type(b) is int:
            value = a * b
            if -0x8000000000000000 <= value <= 0x7FFFFFFFFFFFFFFF:
                return value
            return intmask(value)
        if type(a) is float and type(b) is float:
            return a * b
        return multiply(a, b)


class Divide(Binary):
    __slots__ = ()

    def evaluate(self, registers: list[Any]) -> Any:
        left = self.left
        a = registers[self.left_register] if left is None else left.evaluate(registers)
        right = self.right
        if right is None:
            b = registers[self.right_register]
        elif right is CONSTANT:
            b = self.constant
        else:
            b = right.evaluate(registers)
        if (type(a) is float or type(a) is int) and (type(b) is float or type(b) is int) and b != 0:
            return float(a) / float(b)
        raise Slow


class Modulo(Binary):
    __slots__ = ()

    def evaluate(self, registers: list[Any]) -> Any:
        left = self.left
        a = registers[self.left_register] if left is None else left.evaluate(registers)
        right = self.right
        if right is None:
            b = registers[self.right_register]
        elif right is CONSTANT:
            b = self.constant
        else:
            b = right.evaluate(registers)
        if type(a) is int and type(b) is int:
            if b != 0:
                return a % b
        elif (type(a) is float or type(a) is int) and (type(b) is float or type(b) is int):
            return float_modulo(float(a), float(b))
        raise Slow


class ModuloInteger(Binary):
    """A node modulo a positive constant."""

    __slots__ = ()

    def evaluate(self, registers: list[Any]) -> Any:
        left = self.left
        a = registers[self.left_register] if left is None else left.evaluate(registers)
        if type(a) is int:
            return a % self.constant
        if type(a) is float:
            return float_modulo(a, float(self.constant))
        raise Slow


class FloorDivide(Binary):
    __slots__ = ()

    def evaluate(self, registers: list[Any]) -> Any:
        left = self.left
        a = registers[self.left_register] if left is None else left.evaluate(registers)
        right = self.right
        if right is None:
            b = registers[self.right_register]
        elif right is CONSTANT:
            b = self.constant
        else:
            b = right.evaluate(registers)
        if type(a) is int and type(b) is int:
            if b > 0:
                return a // b
            if b == 0:
                raise Slow
            return floor_divide(a, b)
        if (type(a) is float or type(a) is int) and (type(b) is float or type(b) is int):
            return floor_divide(a, b)
        raise Slow


class BitAnd(Binary):
    __slots__ = ()

    def evaluate(self, registers: list[Any]) -> Any:
        left = self.left
        a = registers[self.left_register] if left is None else left.evaluate(registers)
        right = self.right
        if right is None:
            b = registers[self.right_register]
        elif right is CONSTANT:
            b = self.constant
        else:
            b = right.evaluate(registers)
        if type(a) is int and type(b) is int:
            return a & b
        raise Slow


class BitOr(Binary):
    __slots__ = ()

    def evaluate(self, registers: list[Any]) -> Any:
        left = self.left
        a = registers[self.left_register] if left is None else left.evaluate(registers)
        right = self.right
        if right is None:
            b = registers[self.right_register]
        elif right is CONSTANT:
            b = self.constant
        else:
            b = right.evaluate(registers)
        if type(a) is int and type(b) is int:
            return a | b
        raise Slow


class BitXor(Binary):
    __slots__ = ()

    def evaluate(self, registers: list[Any]) -> Any:
        left = self.left
        a = registers[self.left_register] if left is None else left.evaluate(registers)
        right = self.right
        if right is None:
            b = registers[self.right_register]
        elif right is CONSTANT:
            b = self.constant
        else:
            b = right.evaluate(registers)
        if type(a) is int and type(b) is int:
            return a ^ b
        raise Slow


class ShiftLeft(Binary):
    __slots__ = ()

    def evaluate(self, registers: list[Any]) -> Any:
        left = self.left
        a = registers[self.left_register] if left is None else left.evaluate(registers)
        right = self.right
        if right is None:
            b = registers[self.right_register]
        elif right is CONSTANT:
            b = self.constant
        else:
            b = right.evaluate(registers)
        if type(a) is int and type(b) is int and 0 <= b < 64:
            return intmask(a << b)
        raise Slow


class ShiftRight(Binary):
    __slots__ = ()

    def evaluate(self, registers: list[Any]) -> Any:
        left = self.left
        a = registers[self.left_register] if left is None else left.evaluate(registers)
        right = self.right
        if right is None:
            b = registers[self.right_register]
        elif right is CONSTANT:
            b = self.constant
        else:
            b = right.evaluate(registers)
        if type(a) is int and type(b) is int and 0 <= b < 64:
            # What is shifted in are zeros: the sign's copies are masked away.
            return a >> b if a >= 0 or b == 0 else (a >> b) & ((1 << (64 - b)) - 1)
        raise Slow


class Power(Binary):
    __slots__ = ()

    def evaluate(self, registers: list[Any]) -> Any:
        left = self.left
        a = registers[self.left_register] if left is None else left.evaluate(registers)
        right = self.right
        if right is None:
            b = registers[self.right_register]
        elif right is CONSTANT:
            b = self.constant
        else:
            b = right.evaluate(registers)
        if b == 2 and (type(b) is int or type(b) is float):
            if type(a) is float:
                return a * a
            if type(a) is int:
                return float(a) * float(a)
        raise Slow


class Concatenation(Node):
    """Several operands of `..`."""

    _immutable_fields_ = ["operands[*]"]
    __slots__ = ("operands",)

    def __init__(self, operands: list[Node]) -> None:
        self.operands = operands

    @unroll_safe
    def evaluate(self, registers: list[Any]) -> Any:
        operands = self.operands
        parts = []
        for number in range(len(operands)):
            value = operands[number].evaluate(registers)
            if type(value) is not bytes:
                if type(value) is not int:
                    raise Slow
                value = b"%d" % value
            parts.append(value)
        if len(parts) == 2:
            return parts[0] + parts[1]
        return b"".join(parts)


class Branch(Instruction):
    """Go somewhere else unless a comparison of two nodes holds."""

    _immutable_fields_ = ["left", "right", "left_register", "right_register", "constant", "target"]
    __slots__ = ("constant", "label", "left", "left_register", "right", "right_register", "target")

    def __init__(self, left: Node, right: Node, label: Label) -> None:
        self.left, self.left_register = operand(left)
        self.right, self.right_register = operand(right)
        self.constant: Any = None
        if type(right) is Constant:
            self.right = CONSTANT
            self.constant = right.value
        self.label = label
        self.target = -1

    def link(self) -> None:
        self.target = self.label.pc if self.label.pc > self.pc else ~self.label.pc


def less(a: Any, b: Any) -> bool:
    kind = type(a)
    other = type(b)
    if ((kind is int or kind is float) and (other is int or other is float)) or (kind is bytes and other is bytes):
        return a < b  # type: ignore[no-any-return]
    raise Slow


def less_equal(a: Any, b: Any) -> bool:
    kind = type(a)
    other = type(b)
    if ((kind is int or kind is float) and (other is int or other is float)) or (kind is bytes and other is bytes):
        return a <= b  # type: ignore[no-any-return]
    raise Slow


def equal(a: Any, b: Any) -> bool:
    """Compare for equality what can have no `__eq__`, or is the same."""
    kind = type(a)
    if kind is type(b):
        if kind is int or kind is bytes or kind is float:
            return a == b  # type: ignore[no-any-return]
        if a is b:
            return True
        if kind is LuaTable and (a.metatable is not None or b.metatable is not None):
            raise Slow
        if kind is LuaTable or kind is bool:
            return False
        raise Slow
    if (kind is int or kind is float) and (type(b) is int or type(b) is float):
        return a == b  # type: ignore[no-any-return]
    return False


class IfLess(Branch):
    __slots__ = ()

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        left = self.left
        a = registers[self.left_register] if left is None else left.evaluate(registers)
        right = self.right
        if right is None:
            b = registers[self.right_register]
        elif right is CONSTANT:
            b = self.constant
        else:
            b = right.evaluate(registers)
        if type(a) is int and type(b) is int:
            return self.next if a < b else self.target
        return self.next if less(a, b) else self.target


class UnlessLess(Branch):
    __slots__ = ()

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        left = self.left
        a = registers[self.left_register] if left is None else left.evaluate(registers)
        right = self.right
        if right is None:
            b = registers[self.right_register]
        elif right is CONSTANT:
            b = self.constant
        else:
            b = right.evaluate(registers)
        return self.target if less(a, b) else self.next


class IfLessEqual(Branch):
    __slots__ = ()

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        left = self.left
        a = registers[self.left_register] if left is None else left.evaluate(registers)
        right = self.right
        if right is None:
            b = registers[self.right_register]
        elif right is CONSTANT:
            b = self.constant
        else:
            b = right.evaluate(registers)
        if type(a) is int and type(b) is int:
            return self.next if a <= b else self.target
        return self.next if less_equal(a, b) else self.target


class UnlessLessEqual(Branch):
    __slots__ = ()

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        left = self.left
        a = registers[self.left_register] if left is None else left.evaluate(registers)
        right = self.right
        if right is None:
            b = registers[self.right_register]
        elif right is CONSTANT:
            b = self.constant
        else:
            b = right.evaluate(registers)
        return self.target if less_equal(a, b) else self.next


class IfEqual(Branch):
    __slots__ = ()

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        left = self.left
        a = registers[self.left_register] if left is None else left.evaluate(registers)
        right = self.right
        if right is None:
            b = registers[self.right_register]
        elif right is CONSTANT:
            b = self.constant
        else:
            b = right.evaluate(registers)
        return self.next if equal(a, b) else self.target


class UnlessEqual(Branch):
    __slots__ = ()

    def execute(self, frame: Frame) -> int:
        registers = frame.registers
        left = self.left
        a = registers[self.left_register] if left is None else left.evaluate(registers)
        right = self.right
        if right is None:
            b = registers[self.right_register]
        elif right is CONSTANT:
            b = self.constant
        else:
            b = right.evaluate(registers)
        return self.target if equal(a, b) else self.next


class IfTrue(Branch):
    """Go somewhere else unless a node's value is true."""

    __slots__ = ()

    def execute(self, frame: Frame) -> int:
        left = self.left
        value = frame.registers[self.left_register] if left is None else left.evaluate(frame.registers)
        return self.target if value is None or value is False else self.next


class UnlessTrue(Branch):
    __slots__ = ()

    def execute(self, frame: Frame) -> int:
        left = self.left
        value = frame.registers[self.left_register] if left is None else left.evaluate(frame.registers)
        return self.next if value is None or value is False else self.target


class GoOn(Instruction):
    """Go back from the plain form of a fused instruction to what follows it; no loop of the guest."""

    _immutable_fields_ = ["target"]
    __slots__ = ("target",)

    def __init__(self, target: int) -> None:
        self.target = target

    def execute(self, frame: Frame) -> int:
        return self.target


