"""The table library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interpreters.lua import operations
from interpreters.lua.errors import bad_argument, lua_error
from interpreters.lua.library.sorting import sorted_values
from interpreters.lua.strings.arguments import check_integer, check_string, optional_integer, type_error
from interpreters.lua.strings.numbers import format_number
from interpreters.lua.values import LuaBuiltin, LuaTable, is_function, type_name
from metatracer import dont_look_inside

if TYPE_CHECKING:
    from interpreters.lua.vm import VM

MAX_INTEGER = (1 << 63) - 1


def check_tablelike(vm: VM, args: list[Any], name: str, *events: bytes, index: int = 0) -> Any:
    """Return an argument, a table or something whose metatable lets it stand for one."""
    value = args[index] if len(args) > index else None
    if type(value) is LuaTable:
        return value
    metatable = operations.metatable_of(vm, value)
    if metatable is None or any(metatable.get_field(event) is None for event in events):
        raise type_error(args, index, name, "table")
    return value


def is_plain(value: Any) -> bool:
    return type(value) is LuaTable and value.metatable is None


def size_of(vm: VM, value: Any) -> int:
    if is_plain(value):
        return int(value.length())
    length = vm.length(value)
    if type(length) is not int:
        if type(length) is float and length.is_integer():
            return int(length)
        raise lua_error(b"object length is not an integer")
    return length


def insert(vm: VM, args: list[Any]) -> list[Any]:
    table = check_tablelike(vm, args, "insert", b"__index", b"__newindex", b"__len")
    size = size_of(vm, table)
    if len(args) == 2:
        put(vm, table, size + 1, args[1])
    elif len(args) == 3:
        position = check_integer(args, 1, "insert")
        if not 1 <= position <= size + 1:
            raise bad_argument(2, "insert", "position out of bounds")
        if is_plain(table) and size == len(table.array) - 1 and args[2] is not None:
            if size == 0:
                table.array = [None, args[2]]
            else:
                table.array.insert(position, args[2])
            if table.hash is not None:
                table.migrate()
        else:
            for number in range(size + 1, position, -1):
                put(vm, table, number, get(vm, table, number - 1))
            put(vm, table, position, args[2])
    else:
        raise lua_error(b"wrong number of arguments to 'insert'")
    return []


def get(vm: VM, table: Any, key: int) -> Any:
    return table.get(key) if is_plain(table) else vm.index(table, key)


def put(vm: VM, table: Any, key: int, value: Any) -> None:
    if is_plain(table):
        table.set_integer(key, value)
    else:
        vm.set_index(table, key, value)


def remove(vm: VM, args: list[Any]) -> list[Any]:
    table = check_tablelike(vm, args, "remove", b"__index", b"__newindex", b"__len")
    size = size_of(vm, table)
    position = size
    if len(args) > 1:
        position = check_integer(args, 1, "remove")
        if size + 1 != position and not 1 <= position <= size + 1 and not (size == 0 and position == 0):
            raise bad_argument(1, "remove", "position out of bounds")
    value = get(vm, table, position)
    if is_plain(table) and size == len(table.array) - 1 and 1 <= position <= size:
        table.array.pop(position)
        table.shrink()
        return [value]
    for number in range(position, size):
        put(vm, table, number, get(vm, table, number + 1))
    if size >= position or position == size + 1:
        put(vm, table, max(position, size) if position <= size else position, None)
    return [value]


def concat(vm: VM, args: list[Any]) -> list[Any]:
    table = check_tablelike(vm, args, "concat", b"__index", b"__len")
    separator = b"" if len(args) < 2 or args[1] is None else check_string(args, 1, "concat")
    first = optional_integer(args, 2, "concat", 1)
    last = optional_integer(args, 3, "concat", -1) if len(args) > 3 and args[3] is not None else size_of(vm, table)
    if is_plain(table) and first >= 1 and last < len(table.array):
        array = table.array
        if first > last or type(array[first]) is bytes:
            try:
                return [separator.join(array[first : last + 1])]
            except TypeError:
                pass  # not all are strings
    return [separator.join(texts(vm, table, first, last))]


def texts(vm: VM, table: Any, first: int, last: int) -> list[bytes]:
    """Return the strings to be concatenated, of numbers too."""
    parts: list[bytes] = []
    is_list = is_plain(table) and first >= 1 and last < len(table.array)
    number = first
    while number <= last:
        value = table.array[number] if is_list else get(vm, table, number)
        kind = type(value)
        if kind is bytes:
            parts.append(value)
        elif kind is int or kind is float:
            parts.append(format_number(value))
        else:
            raise lua_error(
                b"invalid value (%s) at index %d in table for 'concat'" % (type_name(value), number)
            )
        number += 1
    return parts


def unpack(vm: VM, args: list[Any]) -> list[Any]:
    table: Any = args[0] if args else None
    first = optional_integer(args, 1, "unpack", 1)
    last = check_integer(args, 2, "unpack") if len(args) > 2 and args[2] is not None else size_of(vm, table)
    if first > last:
        return []
    if last - first >= 1_000_000:
        raise lua_error(b"too many results to unpack")
    if is_plain(table) and first >= 1 and last < len(table.array):
        return table.array[first : last + 1]  # type: ignore[no-any-return]
    return items(vm, table, first, last)


def pack(vm: VM, args: list[Any]) -> list[Any]:
    table = LuaTable()
    table.array = [None, *args]
    table.shrink()
    table.set_field(b"n", len(args))
    return [table]


def move(vm: VM, args: list[Any]) -> list[Any]:
    source = check_tablelike(vm, args, "move", b"__index")
    first, last = check_integer(args, 1, "move"), check_integer(args, 2, "move")
    target = check_integer(args, 3, "move")
    destination = source
    if len(args) > 4 and args[4] is not None:
        destination = check_tablelike(vm, args, "move", b"__newindex", index=4)
    if last >= first:
        if not (first > 0 or last < MAX_INTEGER + first):
            raise bad_argument(3, "move", "too many elements to move")
        if target > MAX_INTEGER - (last - first + 1) + 1:
            raise bad_argument(4, "move", "destination wrap around")
        count = last - first + 1
        if target > last or target <= first or destination is not source:
            for number in range(count):
                put(vm, destination, target + number, get(vm, source, first + number))
        else:
            for number in range(count - 1, -1, -1):
                put(vm, destination, target + number, get(vm, source, first + number))
    return [destination]


def sort(vm: VM, args: list[Any]) -> list[Any]:
    table: Any = check_tablelike(vm, args, "sort", b"__index", b"__newindex", b"__len")
    size = size_of(vm, table)
    if size < 2:
        return []
    if size >= 1 << 31:
        raise bad_argument(1, "sort", "array too big")
    function = args[1] if len(args) > 1 else None
    if function is not None and not is_function(function):
        raise type_error(args, 1, "sort", "function")
    plain = is_plain(table) and size == len(table.array) - 1
    values = sorted_values(vm, table.array[1:] if plain else items(vm, table, 1, size), function)
    if is_plain(table) and size == len(table.array) - 1:
        table.array[1:] = values
    else:
        put_all(vm, table, values)
    return []


@dont_look_inside
def items(vm: VM, table: Any, first: int, last: int) -> list[Any]:
    return [get(vm, table, number) for number in range(first, last + 1)]


@dont_look_inside
def put_all(vm: VM, table: Any, values: list[Any]) -> None:
    for number, value in enumerate(values, 1):
        put(vm, table, number, value)


LEAVES = {"pack": pack}
OTHERS = {
    "insert": insert, "remove": remove, "concat": concat, "unpack": unpack, "move": move, "sort": sort,
}  # fmt: skip


def open_tables(vm: VM) -> LuaTable:
    """Make the library's table."""
    table = LuaTable()
    for name, function in {**LEAVES, **OTHERS}.items():
        table.set_field(name.encode(), LuaBuiltin(name, function, is_leaf=name in ("insert", "remove", "pack")))
    return table

