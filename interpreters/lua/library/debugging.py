"""The useful part of the debug library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interpreters.lua import operations
from interpreters.lua.errors import bad_argument, lua_error
from interpreters.lua.frames import Frame, deliver
from interpreters.lua.hooks import Hook, set_hook, thread_of
from interpreters.lua.stack import levels, traceback
from interpreters.lua.strings.arguments import check_integer, check_string, optional_integer, type_error
from interpreters.lua.values import (
    Cell, Coroutine, FrameBuiltin, LuaBuiltin, LuaFunction, LuaTable, Userdata, is_function, type_name,
)  # fmt: skip

if TYPE_CHECKING:
    from interpreters.lua.vm import VM


def split_thread(vm: VM, args: list[Any]) -> tuple[Coroutine | None, list[Any]]:
    if args and type(args[0]) is Coroutine:
        return (None if args[0] is vm.current or args[0] is vm.main_coroutine else args[0]), args[1:]
    return None, args


def stack_of(vm: VM, coroutine: Coroutine | None, builtin: Any) -> list[Any]:
    """Return the levels of the stack; level 0 is the builtin that asks."""
    if coroutine is not None:
        return levels(vm, coroutine.frame)
    asked_by_lua = vm.frame is not None and vm.frame.proto.is_lua
    return levels(vm, vm.frame, None if asked_by_lua else builtin)


def lua_traceback(vm: VM, args: list[Any]) -> list[Any]:
    coroutine, args = split_thread(vm, args)
    message = args[0] if args else None
    if message is not None and type(message) not in (bytes, int, float):
        return [message]
    level = optional_integer(args, 1, "traceback", 1 if coroutine is None else 0)
    text = None if message is None else vm.tostring(message)
    if coroutine is not None:
        current, vm.current = vm.current, coroutine
        try:
            return [traceback(vm, text, coroutine.frame, None, level)]
        finally:
            vm.current = current
    return [traceback(vm, text, vm.frame, vm.traceback_builtin, level)]


def getinfo(vm: VM, args: list[Any]) -> list[Any]:
    coroutine, args = split_thread(vm, args)
    options = b"flnSrtu" if len(args) < 2 or args[1] is None else check_string(args, 1, "getinfo")
    if any(option not in b"flnSrtuL" for option in options):
        raise bad_argument(2, "getinfo", "invalid option")
    frame: Frame | None = None
    what: tuple[bytes, bytes] | None = None
    if args and is_function(args[0]):
        function = args[0]
    else:
        level = check_integer(args, 0, "getinfo")
        found = stack_of(vm, coroutine, vm.getinfo_builtin)
        if not 0 <= level < len(found):
            return [None]
        function, frame, what = found[level]
    return [describe(function, frame, what, options)]


def describe(function: Any, frame: Frame | None, what: tuple[bytes, bytes] | None, options: bytes) -> LuaTable:
    info = LuaTable()
    put = info.set_field
    proto = function.proto if type(function) is LuaFunction else None
    if b"S" in options:
        if proto is not None:
            put(b"source", proto.chunk_name)
            put(b"short_src", proto.source)
            put(b"what", b"Lua" if proto.line else b"main")
            put(b"linedefined", proto.line)
            put(b"lastlinedefined", proto.last_line if proto.line else -1)
        else:
            put(b"source", b"=[C]")
            put(b"short_src", b"[C]")
            put(b"what", b"C")
            put(b"linedefined", -1)
            put(b"lastlinedefined", -1)
    if b"l" in options:
        put(b"currentline", frame.proto.lines[frame.pc] if frame is not None else -1)
    if b"n" in options:
        put(b"namewhat", what[0] if what is not None else b"")
        put(b"name", what[1] if what is not None else None)
    if b"u" in options:
        put(b"nups", len(function.upvalues) if proto is not None else 0)
        put(b"nparams", proto.n_parameters if proto is not None else 0)
        put(b"isvararg", proto.is_vararg if proto is not None else True)
    if b"t" in options:
        put(b"istailcall", frame.is_tail if frame is not None else False)
    if b"r" in options:
        put(b"ftransfer", 0)
        put(b"ntransfer", 0)
    if b"L" in options and proto is not None:
        lines = LuaTable()
        for line in proto.lines:
            lines.set(line, True)
        put(b"activelines", lines)
    if b"f" in options:
        put(b"func", function)
    return info


def visible_locals(frame: Frame) -> list[tuple[bytes, int]]:
    """Return the variables in scope where a frame waits, with their registers."""
    return [
        (variable.name, register)
        for variable, register, first, last in frame.proto.locals
        if first <= frame.pc and (last < 0 or frame.pc < last)
    ]


def getlocal(vm: VM, args: list[Any]) -> list[Any]:
    coroutine, args = split_thread(vm, args)
    number = check_integer(args, 1, "getlocal")
    if is_function(args[0]):
        if type(args[0]) is LuaFunction and 0 < number <= args[0].proto.n_parameters:
            return [args[0].proto.locals[number - 1][0].name]
        return [None]
    level = check_integer(args, 0, "getlocal")
    found = stack_of(vm, coroutine, vm.getinfo_builtin)
    if not 0 <= level < len(found):
        raise bad_argument(1, "getlocal", "level out of range")
    frame = found[level][1]
    if frame is None:
        return [None]
    if number < 0:
        extra = frame.registers[frame.proto.n_parameters + 1] if frame.proto.is_vararg else []
        return [b"(vararg)", extra[-number - 1]] if -number <= len(extra) else [None]
    variables = visible_locals(frame)
    if not 0 < number <= len(variables):
        return [None]
    name, register = variables[number - 1]
    value = frame.registers[register]
    return [name, value.value if type(value) is Cell else value]


def setlocal(vm: VM, args: list[Any]) -> list[Any]:
    coroutine, args = split_thread(vm, args)
    level, number = check_integer(args, 0, "setlocal"), check_integer(args, 1, "setlocal")
    found = stack_of(vm, coroutine, vm.getinfo_builtin)
    if not 0 <= level < len(found):
        raise bad_argument(1, "setlocal", "level out of range")
    frame = found[level][1]
    variables = [] if frame is None else visible_locals(frame)
    if frame is None or not 0 < number <= len(variables):
        return [None]
    name, register = variables[number - 1]
    value = args[2] if len(args) > 2 else None
    held = frame.registers[register]
    if type(held) is Cell:
        held.value = value
    else:
        frame.registers[register] = value
    return [name]


def check_upvalue(args: list[Any], name: str) -> tuple[Any, int]:
    if not args or not is_function(args[0]):
        raise type_error(args, 0, name, "function")
    return args[0], check_integer(args, 1, name)


def getupvalue(vm: VM, args: list[Any]) -> list[Any]:
    function, number = check_upvalue(args, "getupvalue")
    if type(function) is not LuaFunction or not 0 < number <= len(function.upvalues):
        return []
    value = function.upvalues[number - 1]
    return [function.proto.upvalue_names[number - 1], value.value if type(value) is Cell else value]


def setupvalue(vm: VM, args: list[Any]) -> list[Any]:
    function, number = check_upvalue(args, "setupvalue")
    if type(function) is not LuaFunction or not 0 < number <= len(function.upvalues):
        return []
    held = function.upvalues[number - 1]
    if type(held) is Cell:
        held.value = args[2]
    else:
        function.upvalues[number - 1] = args[2]
    return [function.proto.upvalue_names[number - 1]]


def upvalueid(vm: VM, args: list[Any]) -> list[Any]:
    function, number = check_upvalue(args, "upvalueid")
    if type(function) is not LuaFunction or not 0 < number <= len(function.upvalues):
        return [None]
    held = function.upvalues[number - 1]
    return [held if type(held) in (LuaTable, Userdata) else id(held)]


def upvaluejoin(vm: VM, args: list[Any]) -> list[Any]:
    raise lua_error(b"debug.upvaluejoin is not supported: variables that never change are not shared")


def debug_getmetatable(vm: VM, args: list[Any]) -> list[Any]:
    return [operations.metatable_of(vm, args[0] if args else None)]


def debug_setmetatable(vm: VM, args: list[Any]) -> list[Any]:
    value, metatable = args[0], args[1]
    if type(value) is LuaTable or isinstance(value, Userdata):
        value.metatable = metatable
    elif type(value) is bytes:
        vm.string_metatable = metatable
    elif metatable is None:
        vm.type_metatables.pop(type_name(value), None)
    else:
        vm.type_metatables[type_name(value)] = metatable
    return [value]


def getregistry(vm: VM, args: list[Any]) -> list[Any]:
    return [vm.registry]


def sethook(vm: VM, frame: Frame, args: list[Any]) -> Frame:
    coroutine, args = split_thread(vm, args)
    hook = None
    if args and args[0] is not None:
        mask = check_string(args, 1, "sethook")
        if not is_function(args[0]):
            raise type_error(args, 0, "sethook", "function")
        count = max(optional_integer(args, 2, "sethook", 0), 0)
        if b"c" in mask or b"r" in mask:
            raise lua_error(b"debug.sethook has no hooks for calls and returns")
        if b"l" in mask or count:
            hook = Hook(args[0], b"l" if b"l" in mask else b"", count)
            if coroutine is None and frame.proto.is_lua:
                hook.frame, hook.line = frame, frame.proto.lines[frame.pc]
    set_hook(vm, coroutine or thread_of(vm), hook)
    return deliver(frame, [])


def gethook(vm: VM, args: list[Any]) -> list[Any]:
    coroutine, args = split_thread(vm, args)
    hook = (coroutine or thread_of(vm)).hook
    return [None] if hook is None else [hook.function, hook.mask, hook.count]


def nothing(vm: VM, args: list[Any]) -> list[Any]:
    return [None]


FUNCTIONS = {
    "traceback": lua_traceback, "getinfo": getinfo, "getlocal": getlocal, "setlocal": setlocal,
    "getupvalue": getupvalue, "setupvalue": setupvalue, "upvalueid": upvalueid, "upvaluejoin": upvaluejoin,
    "getmetatable": debug_getmetatable, "setmetatable": debug_setmetatable, "getregistry": getregistry,
    "gethook": gethook, "getuservalue": nothing, "setuservalue": nothing,
}  # fmt: skip


def open_debugging(vm: VM) -> LuaTable:
    """Make the library's table."""
    table = LuaTable()
    for name, function in FUNCTIONS.items():
        table.set_field(name.encode(), LuaBuiltin(name, function))
    table.set_field(b"sethook", FrameBuiltin("sethook", sethook))
    vm.traceback_builtin = table.get(b"traceback")
    vm.getinfo_builtin = table.get(b"getinfo")
    return table
