"""What instructions do when operands are not of the usual kinds: strings as numbers, metamethods, and errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interpreters.lua import arithmetic
from interpreters.lua.errors import LuaError, lua_error
from interpreters.lua.frames import DIRECT, SWITCH, Frame, Values, deliver, frame_for, registers_for
from interpreters.lua.machine import run
from interpreters.lua.strings.numbers import format_number, parse_number
from interpreters.lua.values import (
    FrameBuiltin, LuaBuiltin, LuaFunction, LuaTable, StatefulBuiltin, Userdata, WrappedCoroutine, type_name,
)  # fmt: skip
from metatracer import dont_look_inside, promote

if TYPE_CHECKING:
    from interpreters.lua.vm import VM

Description = tuple[bytes, bytes] | None
MAX_CHAIN = 2000


def described(what: Description) -> bytes:
    return b"" if what is None else b" (%s '%s')" % what


def metatable_of(vm: VM, value: Any) -> LuaTable | None:
    """Return the table that says how a value behaves."""
    kind = type(value)
    if kind is LuaTable or isinstance(value, Userdata):
        table: LuaTable | None = value.metatable
        return table
    if kind is bytes:
        return vm.string_metatable
    return None if not vm.type_metatables else vm.type_metatables.get(type_name(value))


def metamethod(vm: VM, value: Any, event: bytes) -> Any:
    """Return a value's metamethod; None when it has none."""
    metatable = metatable_of(vm, value)
    return None if metatable is None else metatable.get_field(event)


@dont_look_inside
def type_name_of(vm: VM, value: Any) -> bytes:
    """Return a value's type for messages: its metatable's `__name`, if that is a string."""
    if type(value) is LuaTable or isinstance(value, Userdata):
        name = metamethod(vm, value, b"__name")
        if type(name) is bytes:
            return name
    return type_name(value)


@dont_look_inside
def type_error(vm: VM, action: bytes, value: Any, what: Description) -> LuaError:
    return lua_error(b"attempt to %s a %s value%s" % (action, type_name_of(vm, value), described(what)))


# --- calls


def call_frame(vm: VM, frame: Frame, function: Any, arguments: list[Any], what: Description = None) -> Frame:
    """Call a value; `frame` waits for the results. Returns the frame that goes on."""
    chain = 0
    while True:
        kind = type(function)
        if kind is LuaFunction:
            return frame_for(function, arguments, frame)
        if kind is LuaBuiltin:
            vm.frame = frame
            vm.called = function.function
            return deliver(frame, function.function(vm, arguments))
        if kind is StatefulBuiltin:
            vm.frame = frame
            return deliver(frame, promote(function.function)(vm, function.state, arguments))
        if kind is FrameBuiltin:
            vm.frame = frame
            vm.called = function.function
            made: Frame = function.function(vm, frame, arguments)
            return made
        if kind is WrappedCoroutine:
            return vm.resume(vm, frame, function.coroutine, arguments)
        handler = metamethod(vm, function, b"__call")
        chain += 1
        if handler is None or chain > MAX_CHAIN:
            if what is None and frame.proto.is_lua:
                what = frame.proto.code[frame.pc].what
            raise type_error(vm, b"call", function, what)
        arguments = [function, *arguments]
        function = handler


def enter(vm: VM, frame: Frame, function: Any, arguments: list[Any], what: Description = None) -> int:
    """Call a value; the instruction that calls this returns what this returns."""
    if type(function) is LuaFunction:
        depth = frame.depth + 1
        if depth < vm.direct_depth:
            proto = promote(function.proto)
            result = run(vm, Frame(proto, registers_for(function, proto, arguments), DIRECT, depth))
            instruction = promote(frame.proto).code[promote(frame.pc)]
            if type(result) is Values:
                instruction.receive(frame, result.items)
            else:
                instruction.receive_one(frame, result)
            return frame.pc
    frame.next = call_frame(vm, frame, function, arguments, what)
    return SWITCH


# --- indexing


def index(vm: VM, frame: Frame, pc: int, table: Any, key: Any, what: Description) -> int:
    """Get `table[key]` by its metamethods; delivers the value, or calls."""
    for _ in range(MAX_CHAIN):
        if type(table) is LuaTable:
            value = table.get(key)
            if value is not None:
                return give(frame, pc, value)
            handler = None if table.metatable is None else table.metatable.index
            if handler is None:
                return give(frame, pc, None)
        else:
            handler = metamethod(vm, table, b"__index")
            if handler is None:
                raise index_error(vm, table, what)
        if type(handler) in FUNCTIONS:
            frame.pc = pc
            return enter(vm, frame, handler, [table, key])
        table = handler
        what = None
    raise lua_error(b"'__index' chain too long; possible loop")


def give(frame: Frame, pc: int, value: Any) -> int:
    """Deliver a value to the instruction that asked for it."""
    promote(frame.proto).code[pc].receive_one(frame, value)
    return frame.pc


@dont_look_inside
def index_error(vm: VM, table: Any, what: Description) -> LuaError:
    """Make the error about indexing what cannot be indexed."""
    return lua_error(b"attempt to index a %s value%s" % (type_name_of(vm, table), described(what)))


def set_index(vm: VM, frame: Frame, pc: int, table: Any, key: Any, value: Any, what: Description) -> int:
    """Do `table[key] = value` by its metamethods; the instruction's `receive` is told nothing, or what a call gave."""
    for _ in range(MAX_CHAIN):
        if type(table) is LuaTable:
            handler = None
            if table.metatable is not None and table.get(key) is None:
                handler = table.metatable.get_field(b"__newindex")
            if handler is None:
                store(table, key, value)
                return give(frame, pc, None)
        else:
            handler = metamethod(vm, table, b"__newindex")
            if handler is None:
                raise index_error(vm, table, what)
        if type(handler) in FUNCTIONS:
            frame.pc = pc
            return enter(vm, frame, handler, [table, key, value])
        table = handler
        what = None
    raise lua_error(b"'__newindex' chain too long; possible loop")


def store(table: LuaTable, key: Any, value: Any) -> None:
    """Store a value in a table, raw, at any key."""
    if key is None:
        raise lua_error(b"table index is nil")
    if key != key:
        raise lua_error(b"table index is NaN")
    table.set(key, value)


# --- arithmetic


def arithmetic_operand(value: Any) -> int | float | None:
    """Return the number that an operand of arithmetic is or stands for."""
    if type(value) is int or type(value) is float:
        return value
    return parse_number(value) if type(value) is bytes else None


BITWISE = frozenset([b"&", b"|", b"~", b"<<", b">>"])


def binary(
    vm: VM, frame: Frame, pc: int, operator: bytes, a: Any, b: Any, a_what: Description, b_what: Description
) -> int:
    """Do an arithmetic or bitwise operation whatever the operands are; strings become numbers last."""
    if not ((type(a) is int or type(a) is float) and (type(b) is int or type(b) is float)):
        event = arithmetic.EVENTS[operator]
        handler = metamethod(vm, a, event)
        if handler is None:
            handler = metamethod(vm, b, event)
        if handler is not None:
            frame.pc = pc
            return enter(vm, frame, handler, [a, b])
    return give(frame, pc, binary_numbers(vm, operator, a, b, a_what, b_what))


@dont_look_inside
def binary_numbers(vm: VM, operator: bytes, a: Any, b: Any, a_what: Description, b_what: Description) -> Any:
    """Do an operation on numbers and strings that stand for numbers."""
    if operator in BITWISE:
        for value, what in ((a, a_what), (b, b_what)):
            if type(value) is not int and type(value) is not float:  # strings do not stand for numbers here
                raise type_error(vm, b"perform bitwise operation on", value, what)
    x, y = arithmetic_operand(a), arithmetic_operand(b)
    if x is None or y is None:
        value, what = (b, b_what) if type(a) is int or type(a) is float else (a, a_what)
        if type(a) is bytes and x is not None:
            value, what = b, b_what
        raise type_error(vm, b"perform arithmetic on", value, what)
    try:
        return arithmetic.BINARY[operator](x, y)
    except LuaError:
        if operator in BITWISE:
            value, what = (b, b_what) if _has_integer(x) else (a, a_what)
            raise lua_error(b"number%s has no integer representation" % described(what)) from None
        raise


def _has_integer(number: int | float) -> bool:
    try:
        arithmetic.to_bits(number)
    except LuaError:
        return False
    return True


def unary(vm: VM, frame: Frame, pc: int, operator: bytes, a: Any, what: Description) -> int:
    """Do `-` or `~` whatever the operand is."""
    if type(a) is not int and type(a) is not float:
        handler = metamethod(vm, a, b"__unm" if operator == b"-" else b"__bnot")
        if handler is not None:
            frame.pc = pc
            return enter(vm, frame, handler, [a, a])
    number = arithmetic_operand(a)
    if number is None or (operator == b"~" and type(a) is bytes):
        action = b"perform arithmetic on" if operator == b"-" else b"perform bitwise operation on"
        raise type_error(vm, action, a, what)
    if operator == b"-":
        return give(frame, pc, arithmetic.negate(number))
    try:
        return give(frame, pc, arithmetic.complement(number))
    except LuaError:
        raise lua_error(b"number%s has no integer representation" % described(what)) from None


def length(vm: VM, frame: Frame, pc: int, value: Any, what: Description) -> int:
    """Get `#value`."""
    if type(value) is bytes:
        return give(frame, pc, len(value))
    handler = metamethod(vm, value, b"__len")
    if handler is not None:
        frame.pc = pc
        return enter(vm, frame, handler, [value, value])
    if type(value) is LuaTable:
        return give(frame, pc, value.length())
    raise type_error(vm, b"get length of", value, what)


def concatenate(vm: VM, frame: Frame, pc: int, a: Any, b: Any, a_what: Description, b_what: Description) -> int:
    """Get `a .. b`."""
    left, right = as_string(a), as_string(b)
    if left is not None and right is not None:
        return give(frame, pc, left + right)
    handler = metamethod(vm, a, b"__concat")
    if handler is None:
        handler = metamethod(vm, b, b"__concat")
    if handler is None:
        value, what = (a, a_what) if left is None else (b, b_what)
        raise type_error(vm, b"concatenate", value, what)
    frame.pc = pc
    return enter(vm, frame, handler, [a, b])


def as_string(value: Any) -> bytes | None:
    """Return a string, or the string that a number becomes; None for all else."""
    if type(value) is bytes:
        return value
    if type(value) is int or type(value) is float:
        return format_number(value)
    return None


# --- comparisons


def raw_equal(a: Any, b: Any) -> bool:
    """Tell whether two values are the same without metamethods."""
    if a is b:
        return type(a) is not float or a == a
    kind = type(a)
    if kind is type(b):
        return bool(kind in (int, float, bytes) and a == b)
    if kind in (int, float) and type(b) in (int, float):
        return bool(a == b)
    return False


def equal(vm: VM, frame: Frame, pc: int, a: Any, b: Any) -> int:
    """Compare by `__eq__` two values that may have it."""
    if raw_equal(a, b):
        return give(frame, pc, True)
    if type(a) is type(b) and (type(a) is LuaTable or isinstance(a, Userdata)):
        handler = metamethod(vm, a, b"__eq")
        if handler is None:
            handler = metamethod(vm, b, b"__eq")
        if handler is not None:
            frame.pc = pc
            return enter(vm, frame, handler, [a, b])
    return give(frame, pc, False)


def less(vm: VM, frame: Frame, pc: int, or_equal: bool, a: Any, b: Any) -> int:
    """Compare `a < b`, or `a <= b`."""
    kind = type(a)
    other = type(b)
    if ((kind is int or kind is float) and (other is int or other is float)) or (kind is bytes and other is bytes):
        return give(frame, pc, a <= b if or_equal else a < b)
    event = b"__le" if or_equal else b"__lt"
    handler = metamethod(vm, a, event)
    if handler is None:
        handler = metamethod(vm, b, event)
    if handler is None:
        raise compare_error(vm, a, b)
    frame.pc = pc
    return enter(vm, frame, handler, [a, b])


@dont_look_inside
def compare_error(vm: VM, a: Any, b: Any) -> LuaError:
    left, right = type_name_of(vm, a), type_name_of(vm, b)
    if left == right:
        return lua_error(b"attempt to compare two %s values" % left)
    return lua_error(b"attempt to compare %s with %s" % (left, right))


FUNCTIONS = frozenset([LuaFunction, LuaBuiltin, StatefulBuiltin, FrameBuiltin, WrappedCoroutine])
