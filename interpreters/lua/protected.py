"""Frames that are no Lua functions: what calls from Python, protected calls and coroutines leave on the stack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interpreters.lua import operations
from interpreters.lua.errors import LuaError
from interpreters.lua.frames import LEAVE, SWITCH, Frame, Instruction, Proto, deliver
from interpreters.lua.values import Cell

if TYPE_CHECKING:
    from interpreters.lua.vm import VM


class Wait(Instruction):
    """Wait for the results of a call; they are put into register 1."""

    __slots__ = ()

    def receive(self, frame: Frame, results: list[Any]) -> None:
        frame.registers[1] = results
        frame.pc = self.next


class Leave(Instruction):
    """End the machine's loop with the results in register 1."""

    __slots__ = ()

    def execute(self, frame: Frame) -> int:
        frame.next = frame.registers[1]
        return LEAVE


class WaitProtected(Wait):
    """Wait for the results of a protected call."""

    __slots__ = ()

    def receive(self, frame: Frame, results: list[Any]) -> None:
        frame.registers[1] = [True, *results]
        frame.pc = self.next


class PassOn(Instruction):
    """Return the list in register 1."""

    __slots__ = ()

    def execute(self, frame: Frame) -> int:
        frame.next = deliver(frame.parent, frame.registers[1])
        return SWITCH


class WaitCoroutine(Wait):
    """Wait for a coroutine to end. Registers: 2 is the coroutine, 3 whether errors are passed on."""

    __slots__ = ()

    def receive(self, frame: Frame, results: list[Any]) -> None:
        registers = frame.registers
        coroutine = registers[2]
        vm = registers[4]
        coroutine.status = b"dead"
        coroutine.frame = None
        vm.current = coroutine.resumer
        if vm.current is not None:
            vm.current.status = b"running"
        vm.coroutine_level -= 1
        registers[1] = results if registers[3] else [True, *results]
        frame.pc = self.next


class UnwindClose(Instruction):
    """Close, because of an error, what the frame below has to close; then the error goes on.

    Registers: 1 is the error, 2 the VM.
    """

    __slots__ = ()

    def execute(self, frame: Frame) -> int:
        error, vm = frame.registers[1], frame.registers[2]
        below = frame.parent
        pending = below.registers[below.proto.tbc_register]
        if not pending:
            raise error
        value = below.registers[pending.pop()]
        if type(value) is Cell:
            value = value.value
        frame.pc = self.pc
        handler = operations.metamethod(vm, value, b"__close")
        return operations.enter(vm, frame, handler, [value, error.value], (b"metamethod", b"close"))

    def receive(self, frame: Frame, results: list[Any]) -> None:
        frame.pc = self.pc


def special(name: bytes, size: int, *code: Instruction, catches: bool = True) -> Proto:
    proto = Proto(name, b"=[C]", b"=[C]")
    proto.size = size
    proto.is_lua = False
    proto.catches = catches
    for number, instruction in enumerate(code):
        instruction.pc = number
        instruction.next = number + 1
        proto.code.append(instruction)
        proto.lines.append(-1)
    return proto


NO_HANDLER = object()
HOST = special(b"host", 4, Wait(), Leave())  # registers: 2 the frame that called into Python, 3 a message handler
PCALL = special(b"pcall", 2, WaitProtected(), PassOn())
XPCALL = special(b"xpcall", 3, WaitProtected(), PassOn())  # register 2 is the message handler
RESUME = special(b"resume", 5, WaitCoroutine(), PassOn())
UNWIND = special(b"close", 3, UnwindClose(), catches=False)
RUN_AND_RETURN = special(b"dofile", 2, Wait(), PassOn(), catches=False)


def unwinding_frame(vm: VM, below: Frame, error: LuaError) -> Frame:
    """Make the frame that closes what `below` has to close, and then raises the error again."""
    return Frame(UNWIND, [None, error, vm], below, below.depth + 1)
