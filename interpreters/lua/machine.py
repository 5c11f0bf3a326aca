"""The machine's loop, which is the portal, and calls on the host's stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interpreters.lua.errors import LuaError
from interpreters.lua.frames import SWITCH, Frame, Slow
from interpreters.lua.hooks import HOOKS, run_hooked
from metatracer import JitDriver, promote

if TYPE_CHECKING:
    from interpreters.lua.frames import Proto
    from interpreters.lua.vm import VM


def place(pc: int, proto: Proto) -> str:
    """Where that is in the program."""
    name = proto.name.decode("utf-8", "backslashreplace")
    if not proto.lines:
        return name
    return f"{proto.source.decode('utf-8', 'backslashreplace')}:{proto.lines[pc]}: {name or 'main chunk'}, instruction {pc}"


driver = JitDriver(greens=["pc", "proto"], reds="auto", name="lua", get_printable_location=place)


@driver.portal
def run(vm: VM, frame: Frame) -> Any:
    """Run a frame, and what it calls, until one of them leaves; returns what that left in `next`.

    Raises:
        LuaError: An error that no protected call in here caught.
    """
    proto = frame.proto
    pc = frame.pc
    while True:
        driver.jit_merge_point(pc=pc, proto=proto)
        try:
            following = proto.code[pc].execute(frame)
        except Slow:
            pc = proto.code[pc].slow
            continue
        except LuaError as error:
            frame = vm.unwind(frame, pc, error)
            proto = promote(frame.proto)
            pc = promote(frame.pc)
            continue
        except (RecursionError, MemoryError) as error:
            frame = vm.unwind(frame, pc, vm.host_error(error))
            proto = promote(frame.proto)
            pc = promote(frame.pc)
            continue
        if following >= 0:
            pc = following
        elif following > SWITCH:
            pc = ~following
            if HOOKS.active and vm.hooked_threads:
                frame.pc = pc
                frame = run_hooked(vm, frame)
                if frame.pc < 0:
                    return frame.next
                proto = promote(frame.proto)
                pc = promote(frame.pc)
                continue
            driver.can_enter_jit(pc=pc, proto=proto)
        elif following == SWITCH:
            going_on = frame.next
            frame.next = None
            frame = going_on
            if HOOKS.active and vm.hooked_threads:
                frame = run_hooked(vm, frame)
                if frame.pc < 0:
                    return frame.next
            before = proto
            proto = promote(frame.proto)
            pc = promote(frame.pc)
            if proto is before:
                # A function that calls itself, or returns to itself: a loop of the guest without a jump.
                driver.can_enter_jit(pc=pc, proto=proto)
        else:
            return frame.next
