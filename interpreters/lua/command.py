"""The command line."""
from __future__ import annotations
import sys
from pathlib import Path
from interpreters.lua.errors import LuaError
from interpreters.lua.library.base import strip_first_line
from interpreters.lua.state import new_state
from interpreters.lua.values import LuaBuiltin
from interpreters.lua.stack import traceback

def handler(vm, args):
    text = vm.tostring(args[0]) if type(args[0]) is not bytes else args[0]
    return [traceback(vm, text, vm.frame, None)]

def main(argv):
    vm = new_state()
    try:
        f = vm.load(strip_first_line(Path(argv[0]).read_bytes()), b"@"+argv[0].encode())
        vm.call(f, [a.encode() for a in argv[1:]], LuaBuiltin("h", handler))
    except LuaError as error:
        vm.output.flush()
        print("lua:", error.value.decode(errors="replace"), file=sys.stderr)
        return 1
    vm.output.flush()
    return 0

def prepare(argv):
    vm = new_state()
    f = vm.load(strip_first_line(Path(argv[0]).read_bytes()), b"@"+argv[0].encode())
    return lambda: vm.call(f, [a.encode() for a in argv[1:]])
