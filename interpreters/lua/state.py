"""A Lua state: the machine with its libraries."""

from __future__ import annotations

from typing import Any

from interpreters.lua.library.base import open_base
from interpreters.lua.library.coroutines import open_coroutines
from interpreters.lua.library.debugging import open_debugging
from interpreters.lua.library.mathematics import open_mathematics
from interpreters.lua.library.modules import open_modules
from interpreters.lua.library.tables import open_tables
from interpreters.lua.values import LuaBuiltin, LuaTable
from interpreters.lua.vm import VM

try:
    from interpreters.lua.stringlib import make_string_library
except ImportError:
    make_string_library = None  # type: ignore[assignment]

STRING_CALLBACKS = frozenset(["gsub", "format", "gmatch", "rep"])


def table_of(functions: dict[str, Any], callbacks: frozenset[str] = frozenset()) -> LuaTable:
    """Make a library's table."""
    table = LuaTable()
    for name, function in functions.items():
        value = LuaBuiltin(name, function, is_leaf=name not in callbacks) if callable(function) else function
        table.set_field(name.encode(), value)
    return table


def new_state() -> VM:
    """Make a machine with all libraries."""
    vm = VM()
    package = open_modules(vm)
    libraries = {b"_G": open_base(vm), b"package": package}
    libraries[b"coroutine"] = open_coroutines(vm)
    libraries[b"table"] = open_tables(vm)
    libraries[b"math"] = open_mathematics(vm)
    libraries[b"debug"] = open_debugging(vm)
    if make_string_library is not None:
        strings = table_of(make_string_library(), STRING_CALLBACKS)
        libraries[b"string"] = strings
        vm.string_metatable = LuaTable()
        vm.string_metatable.set_field(b"__index", strings)
    loaded = package.get(b"loaded")
    for name, library in libraries.items():
        loaded.set(name, library)
        vm.globals.set_field(name, library)
    return vm
