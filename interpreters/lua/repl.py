"""Interactive use: lines are read, completed, run, and what they return is printed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from interpreters.common.prompt import keep_history
from interpreters.lua.errors import LuaError, LuaSyntaxError

if TYPE_CHECKING:
    from interpreters.lua.values import LuaBuiltin
    from interpreters.lua.vm import VM

CHUNK_NAME = b"=stdin"


def read_line(prompt: str) -> bytes | None:
    """Read a line; None at the end of the input."""
    try:
        return os.fsencode(input(prompt))
    except EOFError:
        return None


def prompt_of(vm: VM, name: bytes, default: str) -> str:
    value = vm.globals.get(name)
    return default if value is None else os.fsdecode(vm.tostring(value))


def read_chunk(vm: VM) -> Any:
    """Read a statement or an expression of as many lines as it takes; None at the end of the input."""
    line = read_line(prompt_of(vm, b"_PROMPT", "> "))
    if line is None:
        return None
    if line.startswith(b"="):
        line = b"return " + line[1:]
    try:
        return vm.load(b"return " + line, CHUNK_NAME)
    except LuaSyntaxError:
        pass
    while True:
        try:
            return vm.load(line, CHUNK_NAME)
        except LuaSyntaxError as error:
            if not error.value.endswith(b"near <eof>"):
                raise
            more = read_line(prompt_of(vm, b"_PROMPT2", ">> "))
            if more is None:
                raise
            line += b"\n" + more


def interact(vm: VM, handler: LuaBuiltin) -> None:
    """Read and run until the input ends; the handler makes of an error the text that is shown."""
    keep_history("lua")
    while True:
        vm.output.flush()
        try:
            function = read_chunk(vm)
            if function is None:
                vm.output.write(b"\n")
                return
            results = vm.call(function, [], handler)
            if results:
                vm.call(vm.globals.get(b"print"), results)
        except LuaError as error:
            vm.output.flush()
            vm.errors.write(vm.tostring(error.value) + b"\n")
            vm.errors.flush()
        except KeyboardInterrupt:
            vm.output.flush()
            vm.errors.write(b"interrupted!\n")
            vm.errors.flush()
