"""`require` and the package table."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interpreters.lua import operations
from interpreters.lua.errors import lua_error
from interpreters.lua.library.base import load_source, strip_first_line
from interpreters.lua.strings.arguments import check_string
from interpreters.lua.values import LuaBuiltin, LuaTable

if TYPE_CHECKING:
    from interpreters.lua.vm import VM

DEFAULT_PATH = (
    b"/usr/local/share/lua/5.4/?.lua;/usr/local/share/lua/5.4/?/init.lua;/usr/local/lib/lua/5.4/?.lua;"
    b"/usr/local/lib/lua/5.4/?/init.lua;./?.lua;./?/init.lua"
)


def path_of_environment() -> bytes:
    """Return the path that `LUA_PATH_5_4` or `LUA_PATH` gives, in which `;;` stands for the default path."""
    path = os.environb.get(b"LUA_PATH_5_4", os.environb.get(b"LUA_PATH"))
    if path is None:
        return DEFAULT_PATH
    before, doubled, after = path.partition(b";;")
    return b";".join(part for part in (before, DEFAULT_PATH, after) if part) if doubled else path


def as_path(name: bytes) -> Path:
    return Path(name.decode("utf-8", "surrogateescape"))


def search(name: bytes, path: bytes, separator: bytes = b".", replacement: bytes = b"/") -> tuple[bytes | None, bytes]:
    """Return the first readable file, and the complaints about the others."""
    if separator:
        name = name.replace(separator, replacement)
    tried: list[bytes] = []
    for template in path.split(b";"):
        if not template:
            continue
        candidate = template.replace(b"?", name)
        if as_path(candidate).is_file():
            return candidate, b""
        tried.append(b"no file '%s'" % candidate)
    return None, b"\n\t".join(tried)


def searchpath(vm: VM, args: list[Any]) -> list[Any]:
    name, path = check_string(args, 0, "searchpath"), check_string(args, 1, "searchpath")
    separator = b"." if len(args) < 3 or args[2] is None else check_string(args, 2, "searchpath")
    replacement = b"/" if len(args) < 4 or args[3] is None else check_string(args, 3, "searchpath")
    found, complaint = search(name, path, separator, replacement)
    return [found] if found is not None else [None, complaint]


def open_modules(vm: VM, path: bytes) -> LuaTable:
    """Make the package table with `package.path`, and `require`."""
    package = LuaTable()
    loaded, preload, searchers = LuaTable(), LuaTable(), LuaTable()
    vm.registry.set(b"_LOADED", loaded)
    vm.registry.set(b"_PRELOAD", preload)

    def search_preload(vm: VM, args: list[Any]) -> list[Any]:
        name = check_string(args, 0, "require")
        loader = preload.get(name)
        if loader is None:
            return [b"no field package.preload['%s']" % name]
        return [loader, b":preload:"]

    def search_lua(vm: VM, args: list[Any]) -> list[Any]:
        name = check_string(args, 0, "require")
        path = package.get(b"path")
        if type(path) is not bytes:
            raise lua_error(b"'package.path' must be a string")
        found, complaint = search(name, path)
        if found is None:
            return [complaint]
        function, *problem = load_source(vm, strip_first_line(as_path(found).read_bytes()), b"@" + found, b"bt", [])
        if problem:
            raise lua_error(b"error loading module '%s' from file '%s':\n\t%s" % (name, found, vm.tostring(problem[0])))
        return [function, found]

    def require(vm: VM, args: list[Any]) -> list[Any]:
        name = check_string(args, 0, "require")
        value = loaded.get(name)
        if value is not None and value is not False:
            return [value]
        listed = package.get(b"searchers")
        if type(listed) is not LuaTable:
            raise lua_error(b"'package.searchers' must be a table")
        complaints: list[bytes] = []
        number = 1
        while True:
            searcher = listed.get(number)
            if searcher is None:
                raise lua_error(b"module '%s' not found:%s" % (name, b"".join(b"\n\t" + text for text in complaints)))
            results = vm.call(searcher, [name])
            if results and type(results[0]) in operations.FUNCTIONS:
                break
            if results and type(results[0]) is bytes:
                complaints.append(results[0])
            number += 1
        data = results[1] if len(results) > 1 else None
        returned = vm.call(results[0], [name, data])
        if returned and returned[0] is not None:
            loaded.set(name, returned[0])
        elif loaded.get(name) is None:
            loaded.set(name, True)
        return [loaded.get(name), data]

    for number, searcher in enumerate((search_preload, search_lua)):
        searchers.set(number + 1, LuaBuiltin("searcher", searcher))
    package.set_field(b"loaded", loaded)
    package.set_field(b"preload", preload)
    package.set_field(b"searchers", searchers)
    package.set_field(b"path", path)
    package.set_field(b"cpath", b"")
    package.set_field(b"config", b"/\n;\n?\n!\n-\n")
    package.set_field(b"searchpath", LuaBuiltin("searchpath", searchpath))
    package.set_field(b"loadlib", LuaBuiltin("loadlib", loadlib))
    vm.globals.set_field(b"require", LuaBuiltin("require", require))
    return package


def loadlib(vm: VM, args: list[Any]) -> list[Any]:
    return [None, b"dynamic libraries not enabled; there are no C libraries here", b"absent"]
