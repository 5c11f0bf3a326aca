"""The basic library."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interpreters.lua import operations
from interpreters.lua.collector import collect, finalize_when_dead, register_weak
from interpreters.lua.errors import LuaError, bad_argument, lua_error
from interpreters.lua.frames import Frame, deliver
from interpreters.lua.protected import PCALL, RUN_AND_RETURN, XPCALL
from interpreters.lua.strings.arguments import check_any, check_integer, check_string, optional_integer, type_error
from interpreters.lua.strings.numbers import parse_integer_base, parse_number
from interpreters.lua.values import FrameBuiltin, LuaBuiltin, LuaTable, is_function, type_name

if TYPE_CHECKING:
    from interpreters.lua.vm import VM


def check_table(args: list[Any], index: int, name: str) -> LuaTable:
    """Return an argument that must be a table."""
    if index < len(args) and type(args[index]) is LuaTable:
        return args[index]  # type: ignore[no-any-return]
    raise type_error(args, index, name, "table")


def lua_assert(vm: VM, args: list[Any]) -> list[Any]:
    value = check_any(args, 0, "assert")
    if value is None or value is False:
        message = args[1] if len(args) > 1 else b"assertion failed!"
        raise LuaError(message, level=1)
    return args


def lua_error_function(vm: VM, args: list[Any]) -> list[Any]:
    value = args[0] if args else None
    level = optional_integer(args, 1, "error", 1)
    raise LuaError(value, level=max(level, 0) if type(value) is bytes else 0)


def lua_type(vm: VM, args: list[Any]) -> list[Any]:
    return [type_name(check_any(args, 0, "type"))]


def lua_tostring(vm: VM, args: list[Any]) -> list[Any]:
    return [vm.tostring(check_any(args, 0, "tostring"))]


def lua_tonumber(vm: VM, args: list[Any]) -> list[Any]:
    if len(args) < 2 or args[1] is None:
        value = check_any(args, 0, "tonumber")
        if type(value) is int or type(value) is float:
            return [value]
        return [parse_number(value) if type(value) is bytes else None]
    base = check_integer(args, 1, "tonumber")
    if type(args[0]) is not bytes:
        raise type_error(args, 0, "tonumber", "string")
    if not 2 <= base <= 36:
        raise bad_argument(2, "tonumber", "base out of range")
    return [parse_integer_base(args[0], base)]


def lua_print(vm: VM, args: list[Any]) -> list[Any]:
    vm.output.write(b"\t".join([vm.tostring(value) for value in args]) + b"\n")
    return []


def lua_rawget(vm: VM, args: list[Any]) -> list[Any]:
    return [check_table(args, 0, "rawget").get(check_any(args, 1, "rawget"))]


def lua_rawset(vm: VM, args: list[Any]) -> list[Any]:
    table = check_table(args, 0, "rawset")
    check_any(args, 2, "rawset")
    try:
        operations.store(table, args[1], args[2])
    except LuaError as error:
        raise error.unplaced() from None
    return [table]


def lua_rawequal(vm: VM, args: list[Any]) -> list[Any]:
    check_any(args, 1, "rawequal")
    return [operations.raw_equal(args[0], args[1])]


def lua_rawlen(vm: VM, args: list[Any]) -> list[Any]:
    value = args[0] if args else None
    if type(value) is LuaTable:
        return [value.length()]
    if type(value) is bytes:
        return [len(value)]
    raise type_error(args, 0, "rawlen", "table or string")


def lua_getmetatable(vm: VM, args: list[Any]) -> list[Any]:
    metatable = operations.metatable_of(vm, check_any(args, 0, "getmetatable"))
    if metatable is None:
        return [None]
    protected = metatable.get_field(b"__metatable")
    return [metatable if protected is None else protected]


def lua_setmetatable(vm: VM, args: list[Any]) -> list[Any]:
    table = check_table(args, 0, "setmetatable")
    metatable = args[1] if len(args) > 1 else None
    if len(args) < 2 or (metatable is not None and type(metatable) is not LuaTable):
        raise type_error(args, 1, "setmetatable", "nil or table")
    if table.metatable is not None and table.metatable.get_field(b"__metatable") is not None:
        raise lua_error(b"cannot change a protected metatable")
    table.metatable = metatable
    if metatable is not None:
        if metatable.get_field(b"__mode") is not None:
            register_weak(vm, table)
        if metatable.get_field(b"__gc") is not None:
            finalize_when_dead(vm, table)
    return [table]


def lua_next(vm: VM, args: list[Any]) -> list[Any]:
    table = check_table(args, 0, "next")
    try:
        entry = table.next(args[1] if len(args) > 1 else None)
    except KeyError:
        raise lua_error(b"invalid key to 'next'", level=0) from None
    return [None] if entry is None else [entry[0], entry[1]]


def ipairs_step(vm: VM, args: list[Any]) -> list[Any]:
    number = check_integer(args, 1, "for iterator") + 1
    value = vm.index(args[0], number)
    return [None] if value is None else [number, value]


def lua_ipairs(vm: VM, args: list[Any]) -> list[Any]:
    return [vm.ipairs_iterator, check_any(args, 0, "ipairs"), 0]


def lua_pairs(vm: VM, frame: Frame, args: list[Any]) -> Frame:
    table = check_any(args, 0, "pairs")
    handler = operations.metamethod(vm, table, b"__pairs")
    if handler is None:
        return deliver(frame, [vm.next_builtin, table, None])
    waiting = Frame(RUN_AND_RETURN_THREE, [None, None], frame, frame.depth + 1)
    return operations.call_frame(vm, waiting, handler, [table])


def lua_select(vm: VM, args: list[Any]) -> list[Any]:
    if args and args[0] == b"#":
        return [len(args) - 1]
    number = check_integer(args, 0, "select")
    if number < 0:
        number = len(args) + number
        if number < 1:
            raise bad_argument(1, "select", "index out of range")
    elif number == 0:
        raise bad_argument(1, "select", "index out of range")
    return args[number:]


def lua_collectgarbage(vm: VM, args: list[Any]) -> list[Any]:
    option = b"collect" if not args or args[0] is None else check_string(args, 0, "collectgarbage")
    if option == b"count":
        # CPython does not tell; the number of objects stands for it.
        return [len(gc.get_objects()) / 10.0]
    if option in (b"collect", b"step"):
        collect(vm)
        return [0 if option == b"collect" else False]
    if option in (b"stop", b"restart"):
        vm.collecting = option == b"restart"
        return [0]
    if option in (b"incremental", b"generational"):
        previous, vm.collector_mode = vm.collector_mode, option
        return [previous]
    if option in (b"setpause", b"setstepmul"):
        return [100]
    if option == b"isrunning":
        return [vm.collecting]
    raise bad_argument(1, "collectgarbage", b"invalid option '%s'" % option)


def lua_pcall(vm: VM, frame: Frame, args: list[Any]) -> Frame:
    check_any(args, 0, "pcall")
    waiting = Frame(PCALL, [vm.pcall_builtin, None], frame, frame.depth + 1)
    return protected_call(vm, waiting, args[0], args[1:])


def lua_xpcall(vm: VM, frame: Frame, args: list[Any]) -> Frame:
    if len(args) < 2 or not is_function(args[1]):
        raise type_error(args, 1, "xpcall", "function")
    waiting = Frame(XPCALL, [vm.xpcall_builtin, None, args[1]], frame, frame.depth + 1)
    return protected_call(vm, waiting, args[0], args[2:])


def protected_call(vm: VM, waiting: Frame, function: Any, args: list[Any]) -> Frame:
    """Call in a frame that catches errors; the call itself may be one."""
    try:
        return operations.call_frame(vm, waiting, function, args)
    except LuaError as error:
        return vm.unwind(waiting, 0, error)
    except (RecursionError, MemoryError) as error:
        return vm.unwind(waiting, 0, vm.host_error(error))


def strip_first_line(source: bytes) -> bytes:
    """Take away a first line that begins with `#`, but not its end."""
    source = source.removeprefix(b"\xef\xbb\xbf")
    if source.startswith(b"#"):
        end = source.find(b"\n")
        return b"" if end < 0 else source[end:]
    return source


def load_source(vm: VM, source: bytes, chunk_name: bytes, mode: bytes, environment: list[Any]) -> list[Any]:
    """Compile a chunk; what `load` returns."""
    if source.startswith(b"\x1b"):
        if b"b" not in mode:
            return [None, b"attempt to load a binary chunk (mode is '%s')" % mode]
        return [None, b"attempt to load a binary chunk (there are none here)"]
    if b"t" not in mode:
        return [None, b"attempt to load a text chunk (mode is '%s')" % mode]
    try:
        function = vm.load(source, chunk_name, environment[0] if environment else vm.globals)
    except LuaError as error:
        return [None, error.value]
    if environment and environment[0] is None:
        function.upvalues[0] = None
    return [function]


def lua_load(vm: VM, args: list[Any]) -> list[Any]:
    chunk = args[0] if args else None
    mode = b"bt" if len(args) < 3 or args[2] is None else check_string(args, 2, "load")
    if type(chunk) in (bytes, int, float):
        source = chunk = check_string(args, 0, "load")
        name = chunk if len(args) < 2 or args[1] is None else check_string(args, 1, "load")
    else:
        name = b"=(load)" if len(args) < 2 or args[1] is None else check_string(args, 1, "load")
        if not is_function(chunk):
            raise type_error(args, 0, "load", "function")
        parts: list[bytes] = []
        while True:
            try:
                results = vm.call(chunk, [])
            except LuaError as error:
                return [None, error.value]
            piece = results[0] if results else None
            if piece is None or piece == b"":
                break
            if type(piece) is not bytes:
                return [None, b"reader function must return a string"]
            parts.append(piece)
        source = b"".join(parts)
    return load_source(vm, source, name, mode, args[3:4])


def read_chunk(vm: VM, args: list[Any], name: str) -> tuple[bytes, bytes]:
    """Return a file's source and chunk name; the standard input without a file name."""
    if not args or args[0] is None:
        return vm.input.read(), b"=stdin"
    path = check_string(args, 0, name)
    return Path(path.decode("utf-8", "surrogateescape")).read_bytes(), b"@" + path


def lua_loadfile(vm: VM, args: list[Any]) -> list[Any]:
    try:
        source, name = read_chunk(vm, args, "loadfile")
    except OSError as error:
        return [None, b"cannot open %s: %s" % (check_string(args, 0, "loadfile"), str(error.strerror).encode())]
    mode = b"bt" if len(args) < 2 or args[1] is None else check_string(args, 1, "loadfile")
    return load_source(vm, strip_first_line(source), name, mode, args[2:3])


def lua_dofile(vm: VM, frame: Frame, args: list[Any]) -> Frame:
    loaded = lua_loadfile(vm, args[:1])
    if loaded[0] is None:
        raise LuaError(loaded[1])
    waiting = Frame(RUN_AND_RETURN, [None, None], frame, frame.depth + 1)
    return operations.call_frame(vm, waiting, loaded[0], [])


def lua_warn(vm: VM, args: list[Any]) -> list[Any]:
    parts = [check_string(args, number, "warn") for number in range(max(1, len(args)))]
    if len(parts) == 1 and parts[0].startswith(b"@"):
        if parts[0] in (b"@on", b"@off"):
            vm.warnings = parts[0] == b"@on"
    elif vm.warnings:
        vm.output.flush()
        vm.errors.write(b"Lua warning: %s\n" % b"".join(parts))
        vm.errors.flush()
    return []


RUN_AND_RETURN_THREE = RUN_AND_RETURN

LEAVES = {
    "type": lua_type, "tonumber": lua_tonumber, "rawget": lua_rawget, "rawset": lua_rawset, "rawequal": lua_rawequal,
    "rawlen": lua_rawlen, "getmetatable": lua_getmetatable, "next": lua_next, "ipairs": lua_ipairs,
    "select": lua_select, "setmetatable": lua_setmetatable, "assert": lua_assert,
}  # fmt: skip
OTHERS = {
    "error": lua_error_function, "tostring": lua_tostring, "print": lua_print, "collectgarbage": lua_collectgarbage,
    "load": lua_load, "loadfile": lua_loadfile, "warn": lua_warn,
}  # fmt: skip
FRAME_FUNCTIONS = {"pcall": lua_pcall, "xpcall": lua_xpcall, "dofile": lua_dofile, "pairs": lua_pairs}


def open_base(vm: VM) -> LuaTable:
    """Put the basic functions into the globals."""
    table = vm.globals
    for name, function in LEAVES.items():
        table.set_field(name.encode(), LuaBuiltin(name, function, is_leaf=True))
    for name, function in OTHERS.items():
        table.set_field(name.encode(), LuaBuiltin(name, function))
    for name, frame_function in FRAME_FUNCTIONS.items():
        table.set_field(name.encode(), FrameBuiltin(name, frame_function))
    vm.next_builtin = table.get(b"next")
    vm.pcall_builtin = table.get(b"pcall")
    vm.xpcall_builtin = table.get(b"xpcall")
    vm.ipairs_iterator = LuaBuiltin("ipairs_iterator", ipairs_step)
    table.set_field(b"_G", table)
    table.set_field(b"_VERSION", b"Lua 5.4")
    return table
