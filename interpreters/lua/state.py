"""A Lua state: the machine with its libraries."""

from __future__ import annotations

from typing import Any

from interpreters.lua.library.base import open_base
from interpreters.lua.library.coroutines import open_coroutines
from interpreters.lua.library.debugging import open_debugging
from interpreters.lua.library.files import open_files
from interpreters.lua.library.mathematics import open_mathematics
from interpreters.lua.library.modules import DEFAULT_PATH, open_modules, path_of_environment
from interpreters.lua.library.system import open_system
from interpreters.lua.library.tables import open_tables
from interpreters.lua.stringlib import make_string_library, make_string_metamethods
from interpreters.lua.utf8lib import make_utf8_library
from interpreters.lua.values import LuaBuiltin, LuaTable
from interpreters.lua.vm import VM

STRING_CALLBACKS = frozenset(["gsub", "format"])


def table_of(functions: dict[str, Any], callbacks: frozenset[str] = frozenset()) -> LuaTable:
    """Make a library's table."""
    table = LuaTable()
    for name, function in functions.items():
        value = LuaBuiltin(name, function, is_leaf=name not in callbacks) if callable(function) else function
        table.set_field(name.encode(), value)
    return table


def new_state(*, sandbox: bool = False, ignores_environment: bool = False) -> VM:
    """Make a machine with all libraries; a sandbox reaches neither files nor the system."""
    vm = VM()
    package = open_modules(vm, DEFAULT_PATH if ignores_environment or sandbox else path_of_environment())
    libraries = {b"_G": open_base(vm), b"package": package}
    libraries[b"coroutine"] = open_coroutines(vm)
    libraries[b"table"] = open_tables(vm)
    libraries[b"math"] = open_mathematics(vm)
    libraries[b"debug"] = open_debugging(vm)
    libraries[b"utf8"] = table_of(make_utf8_library())
    libraries[b"io"] = open_files(vm)
    libraries[b"os"] = open_system(vm)
    strings = libraries[b"string"] = table_of(make_string_library(), STRING_CALLBACKS)
    vm.string_metatable = LuaTable()
    vm.string_metatable.set_field(b"__index", strings)
    for event, function in make_string_metamethods().items():
        vm.string_metatable.set_field(event.encode(), LuaBuiltin(event, function))
    if sandbox:
        close_off(vm, libraries)
    loaded = package.get(b"loaded")
    for name, library in libraries.items():
        loaded.set_field(name, library)
        vm.globals.set_field(name, library)
    return vm


def close_off(vm: VM, libraries: dict[bytes, LuaTable]) -> None:
    """Take away what reaches out of the machine."""
    del libraries[b"io"], libraries[b"debug"]
    system = libraries[b"os"]
    kept = LuaTable()
    for name in (b"clock", b"time", b"date", b"difftime", b"exit"):
        kept.set_field(name, system.get(name))
    libraries[b"os"] = kept
    for name in (b"dofile", b"loadfile", b"require"):
        vm.globals.set(name, None)
    package = libraries.pop(b"package")
    vm.registry.set(b"_SANDBOXED", package)
