"""The coroutine library: it moves frames about, and calls nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interpreters.lua import operations
from interpreters.lua.errors import LuaError, lua_error
from interpreters.lua.frames import DIRECT_DEPTH, Frame, deliver
from interpreters.lua.protected import RESUME
from interpreters.lua.strings.arguments import type_error
from interpreters.lua.values import Coroutine, FrameBuiltin, LuaBuiltin, LuaTable, WrappedCoroutine, is_function

if TYPE_CHECKING:
    from interpreters.lua.vm import VM

MAX_NESTED = 190


def check_coroutine(args: list[Any], index: int, name: str) -> Coroutine:
    if index < len(args) and type(args[index]) is Coroutine:
        return args[index]  # type: ignore[no-any-return]
    raise type_error(args, index, name, "thread")


def check_function(args: list[Any], index: int, name: str) -> Any:
    if index < len(args) and is_function(args[index]):
        return args[index]
    raise type_error(args, index, name, "function")


def create(vm: VM, args: list[Any]) -> list[Any]:
    return [Coroutine(check_function(args, 0, "create"))]


def wrap(vm: VM, args: list[Any]) -> list[Any]:
    return [WrappedCoroutine(Coroutine(check_function(args, 0, "wrap")))]


def resume_wrapped(vm: VM, frame: Frame, coroutine: Coroutine, args: list[Any]) -> Frame:
    """Go on with a coroutine whose errors are passed on."""
    message = not_resumable(vm, coroutine)
    if message is not None:
        raise lua_error(message)
    return switch_to(vm, frame, coroutine, args, passes_on=True)


def resume(vm: VM, frame: Frame, args: list[Any]) -> Frame:
    coroutine = check_coroutine(args, 0, "resume")
    message = not_resumable(vm, coroutine)
    if message is not None:
        return deliver(frame, [False, message])
    return switch_to(vm, frame, coroutine, args[1:], passes_on=False)


def not_resumable(vm: VM, coroutine: Coroutine) -> bytes | None:
    if coroutine.status == b"suspended":
        return b"C stack overflow" if vm.coroutine_level >= MAX_NESTED else None
    if coroutine.status == b"dead":
        return b"cannot resume dead coroutine"
    return b"cannot resume non-suspended coroutine"


def switch_to(vm: VM, frame: Frame, coroutine: Coroutine, args: list[Any], passes_on: bool) -> Frame:
    """Go on with a suspended coroutine; `frame` waits for what it yields or returns."""
    coroutine.status = b"running"
    coroutine.resumer = vm.current
    if vm.current is not None:
        vm.current.status = b"normal"
    coroutine.host_level = vm.host_level
    vm.current = coroutine
    vm.coroutine_level += 1
    if coroutine.root is None:
        # No frame of a coroutine calls on the host's stack, which could not be left at a yield.
        root = coroutine.root = Frame(RESUME, [None, None, coroutine, passes_on, vm], frame, DIRECT_DEPTH)
        try:
            return operations.call_frame(vm, root, coroutine.function, args)
        except LuaError as error:
            return vm.unwind(root, 0, error)
    root = coroutine.root
    root.parent = frame
    root.registers[3] = passes_on
    suspended = coroutine.frame
    assert suspended is not None
    coroutine.frame = None
    return deliver(suspended, args)


def lua_yield(vm: VM, frame: Frame, args: list[Any]) -> Frame:
    coroutine = vm.current
    if coroutine is None:
        raise lua_error(b"attempt to yield from outside a coroutine", level=0)
    if vm.host_level != coroutine.host_level:
        raise lua_error(b"attempt to yield across a C-call boundary", level=0)
    root = coroutine.root
    assert root is not None
    resumer: Frame = root.parent
    root.parent = None
    coroutine.frame = frame
    coroutine.status = b"suspended"
    vm.current = coroutine.resumer
    if vm.current is not None:
        vm.current.status = b"running"
    vm.coroutine_level -= 1
    return deliver(resumer, args if root.registers[3] else [True, *args])


def status(vm: VM, args: list[Any]) -> list[Any]:
    return [check_coroutine(args, 0, "status").status]


def running(vm: VM, args: list[Any]) -> list[Any]:
    if vm.current is None:
        return [vm.main_coroutine, True]
    return [vm.current, False]


def isyieldable(vm: VM, args: list[Any]) -> list[Any]:
    coroutine = check_coroutine(args, 0, "isyieldable") if args else vm.current
    return [coroutine is not None and coroutine is not vm.main_coroutine and coroutine.host_level == vm.host_level]


def close(vm: VM, args: list[Any]) -> list[Any]:
    coroutine = check_coroutine(args, 0, "close")
    if coroutine.status not in (b"suspended", b"dead"):
        raise lua_error(b"cannot close a %s coroutine" % coroutine.status)
    coroutine.status = b"dead"
    value = vm.close_coroutine(coroutine, coroutine.error_value)
    if not coroutine.failed:
        return [True]
    coroutine.failed = False
    coroutine.error_value = None
    return [False, value]


FUNCTIONS = {
    "create": create, "wrap": wrap, "status": status, "running": running, "isyieldable": isyieldable, "close": close,
}  # fmt: skip


def open_coroutines(vm: VM) -> LuaTable:
    """Make the library's table."""
    table = LuaTable()
    for name, function in FUNCTIONS.items():
        table.set_field(name.encode(), LuaBuiltin(name, function, is_leaf=name != "close"))
    table.set_field(b"resume", FrameBuiltin("resume", resume))
    table.set_field(b"yield", FrameBuiltin("yield", lua_yield))
    vm.resume = resume_wrapped
    return table

