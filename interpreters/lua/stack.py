"""The stack of frames as messages show it: positions, names of functions, tracebacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interpreters.lua.errors import LuaError
from interpreters.lua.frames import DIRECT, Frame, Slow
from interpreters.lua.hooks import thread_of
from interpreters.lua.protected import HOST, PCALL, RESUME, XPCALL
from interpreters.lua.values import FrameBuiltin, LuaBuiltin, LuaTable, is_function

if TYPE_CHECKING:
    from interpreters.lua.vm import VM

C_NAMES = {PCALL: b"pcall", XPCALL: b"xpcall"}


def position(frame: Frame | None, pc: int) -> bytes:
    """Return `chunk:line: ` for a Lua function, nothing for others."""
    if frame is None or not frame.proto.is_lua:
        return b""
    return b"%s:%d: " % (frame.proto.source, frame.proto.lines[pc])


def add_position(vm: VM, frame: Frame, pc: int, error: LuaError) -> None:
    """Put the position of the caller at the error's level before its message."""
    level = error.level
    if level == 0:
        return
    error.level = 0
    if type(error.value) is not bytes:
        return
    if error.argument is not None:
        reword(vm, frame, pc, error)
    place: Frame | None = frame
    while level > 1 and place is not None:
        if place.parent is DIRECT:
            error.level = level - 1  # for the caller, when the error gets there
            return
        place = caller(place)
        if place is not None and place.proto is HOST and is_interrupted(vm, caller(place)):
            place = caller(place)  # a hook was called by no function
        level -= 1
        if place is not None:
            pc = place.pc
    if level == 1:
        error.value = position(place, pc) + error.value


def caller(frame: Frame) -> Frame | None:
    """Return the frame that called a frame, through calls from Python; None where that is not known (see DIRECT)."""
    if frame.proto is HOST:
        below: Frame | None = frame.registers[2]
        return below
    parent: Any = frame.parent
    return None if parent is DIRECT else parent


def called_as(frame: Frame, pc: int) -> tuple[bytes, bytes] | None:
    """Return under what name the instruction at which a frame waits called a function."""
    return frame.proto.code[pc].what if frame.proto.is_lua else None


def reword(vm: VM, frame: Frame, pc: int, error: LuaError) -> None:
    """Word a complaint about an argument by the name under which the function was called."""
    assert error.argument is not None
    number, name, complaint = error.argument
    what = called_as(frame, pc)
    if what is not None and what[0] == b"method":
        number -= 1
        if number == 0:
            error.value = b"calling '%s' on bad self (%s)" % (what[1], complaint)
            return
        name = what[1]
    elif what is not None:
        name = what[1]
    else:
        builtin = called_builtin(frame)
        name = qualified_name(vm, name, vm.called if builtin is None else builtin.function)
    error.value = b"bad argument #%d to '%s' (%s)" % (number, name, complaint)


def global_name(vm: VM, function: Any) -> bytes | None:
    """Return the name of a function among the loaded modules."""
    loaded = vm.registry.get(b"_LOADED")
    if not isinstance(loaded, LuaTable):
        return None
    entry = loaded.next(None)
    while entry is not None:
        module_name, module = entry
        if type(module) is LuaTable and type(module_name) is bytes:
            for name, value in fields(module):
                if value is function and type(name) is bytes:
                    return name if module_name == b"_G" else b"%s.%s" % (module_name, name)
        entry = loaded.next(module_name)
    return None


def qualified_name(vm: VM, name: bytes, raising: Any) -> bytes:
    """Return the name of a library's function with the library's name before it."""
    loaded = vm.registry.get(b"_LOADED")
    if not isinstance(loaded, LuaTable):
        return name
    found = b"?"
    for module_name in loaded.shape.names:
        module = loaded.get(module_name)
        function: Any = module.get(name) if type(module) is LuaTable else None
        if type(function) in (LuaBuiltin, FrameBuiltin) and function.function is raising:
            if module_name == b"_G":
                return name
            found = b"%s.%s" % (module_name, name)
    return found


def fields(table: LuaTable) -> list[tuple[Any, Any]]:
    """Return a table's entries that are no items."""
    found = list(zip(table.shape.names, table.slots))
    if table.hash is not None:
        found.extend(table.hash.items())
    return found


def function_description(vm: VM, function: Any, what: tuple[bytes, bytes] | None) -> bytes:
    """Return how a traceback calls a function."""
    if is_function(function):
        name = global_name(vm, function)
        if name is not None:
            return b"function '%s'" % name
    if what is not None:
        if what[0] == b"for iterator":
            return b"for iterator 'for iterator'"
        return b"%s '%s'" % what
    proto = getattr(function, "proto", None)
    if proto is None:
        return b"?"
    if proto.line == 0:
        return b"main chunk"
    return b"function <%s:%d>" % (proto.source, proto.line)


def called_builtin(frame: Frame | None) -> Any:
    """Return the builtin that the instruction at which a frame waits calls; None for all else."""
    if frame is None or not frame.proto.is_lua:
        return None
    number = getattr(frame.proto.code[frame.pc], "function", None)
    if type(number) is not int:
        return None
    if number >= 0:
        function = frame.registers[number]
    else:
        try:
            function = frame.proto.code[frame.pc].callee(frame.registers)  # type: ignore[attr-defined]
        except Slow:
            return None
    return function if type(function) in (LuaBuiltin, FrameBuiltin) else None


def levels(vm: VM, frame: Frame | None, builtin: Any = None) -> list[tuple[Any, Frame | None, tuple[bytes, bytes] | None]]:
    """Return the functions on the stack, innermost first, each with its frame and the name it was called by.

    A builtin has no frame.
    """
    found: list[tuple[Any, Frame | None, tuple[bytes, bytes] | None]] = []
    if builtin is not None and frame is not None:
        found.append((builtin, None, called_as(frame, frame.pc)))
    raising = called_builtin(frame)
    if raising is not None and raising is not builtin and frame is not None:
        found.append((raising, None, called_as(frame, frame.pc)))
    while frame is not None:
        proto = frame.proto
        parent = caller(frame)
        if proto.is_lua:
            what = None if frame.is_tail or parent is None else called_as(parent, parent.pc)
            found.append((frame.registers[0], frame, what))
        elif proto in C_NAMES and parent is not None:
            found.append((frame.registers[0], None, called_as(parent, parent.pc)))
        elif proto is HOST and is_interrupted(vm, parent):
            pass  # a hook was called, by no builtin
        elif proto is HOST and parent is not None and called_builtin(parent) is not None:
            # The builtin that called back: what the instruction below calls.
            found.append((called_builtin(parent), None, called_as(parent, parent.pc)))
        elif proto is RESUME:
            break
        frame = parent
    return found


def is_interrupted(vm: VM, frame: Frame | None) -> bool:
    """Tell whether a frame waits for a hook."""
    hook = thread_of(vm).hook
    return hook is not None and frame is not None and hook.interrupted is frame


def traceback(vm: VM, message: bytes | None, frame: Frame | None, builtin: Any = None, skip: int = 0) -> bytes:
    """Return the text of a traceback."""
    lines = [] if message is None else [message]
    lines.append(b"stack traceback:")
    found = levels(vm, frame, builtin)[skip:]
    entries: list[bytes] = []
    for function, place, what in found:
        if place is None:
            entries.append(b"\t[C]: in " + function_description(vm, function, what))
        else:
            line = place.proto.lines[place.pc]
            described = function_description(vm, function, what)
            entries.append(b"\t%s:%d: in %s" % (place.proto.source, line, described))
            if place.is_tail:
                entries.append(b"\t(...tail calls...)")
    if vm.current is None:
        entries.append(b"\t[C]: in ?")
    if len(entries) > 22:
        skipped = len(entries) - 21
        entries[10:-11] = [b"\t...\t(skipping %d levels)" % skipped]
    return b"\n".join(lines + entries)

