"""A virtual machine for the library's tests, which have no Lua program: functions are builtins."""

from __future__ import annotations

from typing import Any

from interpreters.lua.errors import LuaError
from interpreters.lua.stringlib import make_string_library
from interpreters.lua.strings.numbers import format_number, parse_integer_base, parse_number
from interpreters.lua.utf8lib import make_utf8_library
from interpreters.lua.values import LuaBuiltin, LuaTable, StatefulBuiltin


class FakeMachine:
    """Does what builtins ask for, without the rest of Lua."""

    def call(self, function: Any, args: list[Any]) -> list[Any]:
        if isinstance(function, StatefulBuiltin):
            return function.function(self, function.state, args)
        return function.function(self, args)

    def tostring(self, value: Any) -> bytes:
        if isinstance(value, bytes):
            return value
        if value is None or isinstance(value, bool):
            return {None: b"nil", True: b"true", False: b"false"}[value]
        if isinstance(value, int | float):
            return format_number(value)
        return self.call(self.metamethod(value, b"__tostring"), [value])[0]

    def index(self, value: Any, key: Any) -> Any:
        found = value.get(key)
        if found is None:
            handler = self.metamethod(value, b"__index")
            found = None if handler is None else self.call(handler, [value, key])[0]
        return found

    def metamethod(self, value: Any, event: bytes) -> Any:
        return value.metatable.get(event) if isinstance(value, LuaTable) and value.metatable is not None else None

    def address(self, value: Any) -> bytes:
        return b"0x1234"


MACHINE = FakeMachine()
FUNCTIONS: dict[str, Any] = make_string_library() | {f"utf8.{name}": f for name, f in make_utf8_library().items()}


def builtin(function: Any) -> LuaBuiltin:
    """Make a Lua function of one that takes and returns Python's arguments: a tuple or one result."""

    def called(vm: Any, args: list[Any]) -> list[Any]:
        results = function(*args)
        return list(results) if isinstance(results, tuple) else [results]

    return LuaBuiltin("test", called)


def table(fields: dict[Any, Any], metatable: dict[bytes, Any] | None = None) -> LuaTable:
    """Make a Lua table."""
    made = LuaTable()
    for key, value in fields.items():
        made.set(key, value)
    if metatable is not None:
        made.metatable = table(metatable)
    return made


def answer(name: str, *args: Any) -> Any:
    """Return the results of a function of the library, or its error message as a str."""
    try:
        if name == "tostring":
            return [format_number(args[0])]
        if name == "tonumber":
            return [parse_number(args[0]) if len(args) == 1 else parse_integer_base(*args)]
        return FUNCTIONS[name](MACHINE, list(args))
    except LuaError as error:
        return error.value.decode("latin-1")
