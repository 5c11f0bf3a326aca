"""The library `string`, and the metatable of strings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from interpreters.lua import arithmetic
from interpreters.lua.errors import LuaError, bad_argument, lua_error
from interpreters.lua.strings.arguments import (
    check_integer,
    check_string,
    optional_integer,
    type_error,
)
from interpreters.lua.strings.formatting import format_values
from interpreters.lua.strings.machine import Builtin, Machine
from interpreters.lua.strings.numbers import format_number, tonumber
from interpreters.lua.strings.packing import pack, packed_size, unpack
from interpreters.lua.strings.patterns import (
    Match,
    Pattern,
    PatternError,
    compile_iterating_pattern,
    compile_pattern,
    has_specials,
)
from interpreters.lua.strings.substitution import MatchIterator, substitute, substitute_text
from interpreters.lua.values import LuaTable, StatefulBuiltin, type_name
from metatracer import promote, we_are_jitted

LONGEST_STRING = 2**31 - 1  # what PUC Lua's library makes at most


def start_position(position: int, length: int) -> int:
    """Return where a slice begins, counted from 1, of a position that counts from the end when negative."""
    if position > 0:
        return position
    if position == 0 or position < -length:
        return 1
    return length + position + 1


def end_position(position: int, length: int) -> int:
    """Return where a slice ends, counted from 1 and included."""
    if position > length:
        return length
    if position >= 0:
        return position
    return 0 if position < -length else length + position + 1


def string_byte(vm: Machine, args: list[Any]) -> list[Any]:
    text = check_string(args, 0, "byte")
    first = optional_integer(args, 1, "byte", 1)
    start = start_position(first, len(text))
    end = end_position(optional_integer(args, 2, "byte", first), len(text))
    if start == end:
        return [text[start - 1]]
    return list(text[start - 1 : end])


def string_char(vm: Machine, args: list[Any]) -> list[Any]:
    if len(args) == 1:
        return [b"%c" % _check_byte(args, 0)]
    return [bytes([_check_byte(args, index) for index in range(len(args))])]


def _check_byte(args: list[Any], index: int) -> int:
    value = check_integer(args, index, "char")
    if not 0 <= value <= 255:
        raise bad_argument(index + 1, "char", "value out of range")
    return value


def string_dump(vm: Machine, args: list[Any]) -> list[Any]:
    if not args or type_name(args[0]) != b"function":
        raise type_error(args, 0, "dump", "function")
    raise lua_error("unable to dump given function")


def string_find(vm: Machine, args: list[Any]) -> list[Any]:
    text, source = check_string(args, 0, "find"), check_string(args, 1, "find")
    start = 0
    plain = False
    if len(args) > 2:
        start = start_position(optional_integer(args, 2, "find", 1), len(text)) - 1
        if start > len(text):
            return [None]
        plain = len(args) > 3 and args[3] is not None and args[3] is not False
    if plain or not has_specials(source):
        index = text.find(source, start)
        return [None] if index < 0 else [index + 1, index + len(source)]
    try:
        pattern = compile_pattern(source)
        found = pattern.search(text, start)
        if found is None:
            return [None]
        if pattern.captures:
            return [found.start() + 1, found.end(), *pattern.values(found)]
        return [found.start() + 1, found.end()]
    except PatternError as error:
        raise lua_error(str(error)) from None


def string_match(vm: Machine, args: list[Any]) -> list[Any]:
    text, source = check_string(args, 0, "match"), check_string(args, 1, "match")
    start = 0
    if len(args) > 2:
        start = start_position(optional_integer(args, 2, "match", 1), len(text)) - 1
        if start > len(text):
            return [None]
    try:
        pattern = compile_pattern(source)
        found = pattern.search(text, start)
        return [None] if found is None else pattern.values(found)
    except PatternError as error:
        raise lua_error(str(error)) from None


def string_gmatch(vm: Machine, args: list[Any]) -> list[Any]:
    text, source = check_string(args, 0, "gmatch"), check_string(args, 1, "gmatch")
    start = start_position(optional_integer(args, 2, "gmatch", 1), len(text)) - 1
    matches = MatchIterator(compile_iterating_pattern(source), text, min(start, len(text) + 1))
    return [StatefulBuiltin("gmatch_iterator", gmatch_step, matches)]


def gmatch_step(vm: Machine, matches: MatchIterator, args: list[Any]) -> list[Any]:
    try:
        found = matches.next()
        return [None] if found is None else matches.pattern.values(found)
    except PatternError as error:
        raise lua_error(str(error)) from None


def string_gsub(vm: Machine, args: list[Any]) -> list[Any]:
    text, source = check_string(args, 0, "gsub"), check_string(args, 1, "gsub")
    limit = optional_integer(args, 3, "gsub", -1) if len(args) > 3 and args[3] is not None else None
    replacement = args[2] if len(args) > 2 else None
    if isinstance(replacement, (int, float)) and not isinstance(replacement, bool):
        replacement = format_number(replacement)
    pattern = compile_pattern(source)
    try:
        if isinstance(replacement, bytes):
            result, count = substitute_text(vm, pattern, text, replacement, limit)
            return [result, count]
        if isinstance(replacement, LuaTable):
            result, count = substitute(vm, pattern, text, replace_by_field, replacement, limit)
            return [result, count]
        if type_name(replacement) == b"function":
            result, count = substitute(vm, pattern, text, replace_by_call, replacement, limit)
            return [result, count]
    except PatternError as error:
        raise lua_error(str(error)) from None
    raise type_error(args, 2, "gsub", "string/function/table")


def replace_by_field(vm: Machine, table: LuaTable, pattern: Pattern, match: Match) -> bytes | None:
    return _replacement_text(vm.index(table, pattern.value(match, 0)))


def replace_by_call(vm: Machine, function: Any, pattern: Pattern, match: Match) -> bytes | None:
    results = vm.call(function, pattern.values(match))
    return _replacement_text(results[0]) if results else None


def _replacement_text(value: Any) -> bytes | None:
    """Return the text that a table's field or a function's result stands for; None where the match stays."""
    if value is None or value is False:
        return None
    if type(value) is bytes:
        return value
    if type(value) is int or type(value) is float:
        return format_number(value)
    raise lua_error(b"invalid replacement value (a " + type_name(value) + b")")


def string_format(vm: Machine, args: list[Any]) -> list[Any]:
    source = check_string(args, 0, "format")
    if we_are_jitted():
        promote(source)
    return [format_values(vm, source, args)]


def string_len(vm: Machine, args: list[Any]) -> list[Any]:
    return [len(check_string(args, 0, "len"))]


def string_lower(vm: Machine, args: list[Any]) -> list[Any]:
    return [check_string(args, 0, "lower").lower()]


def string_upper(vm: Machine, args: list[Any]) -> list[Any]:
    return [check_string(args, 0, "upper").upper()]


def string_reverse(vm: Machine, args: list[Any]) -> list[Any]:
    return [check_string(args, 0, "reverse")[::-1]]


def string_rep(vm: Machine, args: list[Any]) -> list[Any]:
    text, count = check_string(args, 0, "rep"), check_integer(args, 1, "rep")
    separator = check_string(args, 2, "rep") if len(args) > 2 and args[2] is not None else b""
    if count <= 0:
        return [b""]
    if len(text) + len(separator) > LONGEST_STRING // count:
        raise lua_error("resulting string too large")
    if not separator:
        return [text * count]
    return [(text + separator) * (count - 1) + text]


def string_sub(vm: Machine, args: list[Any]) -> list[Any]:
    text = check_string(args, 0, "sub")
    start = start_position(check_integer(args, 1, "sub"), len(text))
    end = end_position(optional_integer(args, 2, "sub", -1), len(text))
    return [text[start - 1 : end]]


def string_pack(vm: Machine, args: list[Any]) -> list[Any]:
    return [pack(check_string(args, 0, "pack"), args)]


def string_packsize(vm: Machine, args: list[Any]) -> list[Any]:
    return [packed_size(check_string(args, 0, "packsize"))]


def string_unpack(vm: Machine, args: list[Any]) -> list[Any]:
    source, data = check_string(args, 0, "unpack"), check_string(args, 1, "unpack")
    position = start_position(optional_integer(args, 2, "unpack", 1), len(data)) - 1
    if position > len(data):
        raise bad_argument(3, "unpack", "initial position out of string")
    return unpack(source, data, position)


def make_string_library() -> dict[str, Builtin]:
    """Return the functions of `string` by name."""
    return {
        "byte": string_byte,
        "char": string_char,
        "dump": string_dump,
        "find": string_find,
        "format": string_format,
        "gmatch": string_gmatch,
        "gsub": string_gsub,
        "len": string_len,
        "lower": string_lower,
        "match": string_match,
        "pack": string_pack,
        "packsize": string_packsize,
        "rep": string_rep,
        "reverse": string_reverse,
        "sub": string_sub,
        "unpack": string_unpack,
        "upper": string_upper,
    }


def _arithmetic_metamethod(event: str, operation: Callable[..., Any]) -> Builtin:
    """Return the metamethod that does arithmetic with strings that stand for numbers."""
    name = b"__" + event.encode("ascii")

    def metamethod(vm: Machine, args: list[Any]) -> list[Any]:
        first = args[0] if args else None
        second = args[1] if len(args) > 1 else None
        left, right = tonumber(first), tonumber(second)
        if left is not None and right is not None:
            try:
                return [operation(left) if event == "unm" else operation(left, right)]
            except LuaError as error:
                raise error.unplaced() from None
        # The second operand may know what to do; a string would only come back to here.
        handler = None if type(second) is bytes else vm.metamethod(second, name)
        if handler is None:
            types = type_name(first).decode("ascii"), type_name(second).decode("ascii")
            raise lua_error(f"attempt to {event} a '{types[0]}' with a '{types[1]}'")
        return vm.call(handler, [first, second])[:1]

    return metamethod


def make_string_metamethods() -> dict[str, Builtin]:
    """Return the metamethods of strings by name; `__index`, the library, is up to who makes the table of that."""
    operations: dict[str, Callable[..., Any]] = {
        "add": arithmetic.add,
        "sub": arithmetic.subtract,
        "mul": arithmetic.multiply,
        "mod": arithmetic.modulo,
        "pow": arithmetic.power,
        "div": arithmetic.divide,
        "idiv": arithmetic.floor_divide,
        "unm": arithmetic.negate,
    }
    return {f"__{event}": _arithmetic_metamethod(event, operation) for event, operation in operations.items()}
