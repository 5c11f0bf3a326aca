"""Lua from Python: a state, its globals, and values that go both ways.

Numbers, booleans and nil are Python's own. Lua strings become `str` (bytes where they are no UTF-8). Tables and functions
become wrappers that can be indexed, iterated and called; Python callables become Lua functions, lists and mappings tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any

from interpreters.lua.errors import LuaError, lua_error
from interpreters.lua.state import new_state
from interpreters.lua.strings.numbers import wrap
from interpreters.lua.values import LuaBuiltin, LuaTable, is_function
from interpreters.lua.vm import VM


class Table(MutableMapping[Any, Any]):
    """A Lua table as a mapping; metamethods apply."""

    def __init__(self, runtime: Runtime, table: LuaTable) -> None:
        self.runtime = runtime
        self.table = table

    def __getitem__(self, key: Any) -> Any:
        return self.runtime.to_python(self.runtime.vm.index(self.table, self.runtime.to_lua(key)))

    def __setitem__(self, key: Any, value: Any) -> None:
        self.runtime.vm.set_index(self.table, self.runtime.to_lua(key), self.runtime.to_lua(value))

    def __delitem__(self, key: Any) -> None:
        self[key] = None

    def __iter__(self) -> Iterator[Any]:
        entry = self.table.next(None)
        while entry is not None:
            yield self.runtime.to_python(entry[0])
            entry = self.table.next(entry[0])

    def __len__(self) -> int:
        length = self.runtime.vm.length(self.table)
        return int(length)


class Function:
    """A Lua function; several results become a tuple."""

    def __init__(self, runtime: Runtime, function: Any) -> None:
        self.runtime = runtime
        self.function = function

    def __call__(self, *arguments: Any) -> Any:
        runtime = self.runtime
        return runtime.results(runtime.vm.call(self.function, [runtime.to_lua(value) for value in arguments]))


class Runtime:
    """A Lua state.

    Attributes:
        globals: the table of global variables.
    """

    def __init__(self, *, sandbox: bool = False) -> None:
        self.vm: VM = new_state(sandbox=sandbox)
        self.globals = Table(self, self.vm.globals)

    def execute(self, source: str | bytes, *arguments: Any, name: str = "=(python)") -> Any:
        """Run a chunk, and return what it returns.

        Raises:
            LuaError: It is no Lua, or raised an error.
        """
        text = source if isinstance(source, bytes) else source.encode("utf-8", "surrogateescape")
        function = self.vm.load(text, name.encode())
        results = self.vm.call(function, [self.to_lua(value) for value in arguments])
        self.vm.output.flush()
        return self.results(results)

    def eval(self, expression: str | bytes, *arguments: Any) -> Any:
        """Return the value of an expression."""
        text = expression if isinstance(expression, bytes) else expression.encode("utf-8", "surrogateescape")
        return self.execute(b"return " + text, *arguments)

    def results(self, values: list[Any]) -> Any:
        """Return no result as None, one as it is, and several as a tuple."""
        converted = [self.to_python(value) for value in values]
        if len(converted) < 2:
            return converted[0] if converted else None
        return tuple(converted)

    def to_python(self, value: Any) -> Any:
        """Return a Lua value as Python sees it."""
        if type(value) is bytes:
            try:
                return value.decode("utf-8")
            except UnicodeDecodeError:
                return value
        if type(value) is LuaTable:
            return Table(self, value)
        return Function(self, value) if is_function(value) else value

    def to_lua(self, value: Any) -> Any:
        """Return a Python value as Lua sees it.

        Raises:
            TypeError: There is nothing like it in Lua.
        """
        if value is None or type(value) in (bool, float, bytes):
            return value
        if isinstance(value, int):
            if wrap(value) != value:
                raise TypeError(f"{value} is no 64-bit integer")
            return value
        if isinstance(value, str):
            return value.encode("utf-8", "surrogateescape")
        if isinstance(value, Table):
            return value.table
        if isinstance(value, Function):
            return value.function
        if isinstance(value, Mapping):
            table = LuaTable()
            for key, item in value.items():
                table.set(self.to_lua(key), self.to_lua(item))
            return table
        if isinstance(value, (list, tuple)):
            table = LuaTable()
            for number, item in enumerate(value):
                table.set(number + 1, self.to_lua(item))
            return table
        if callable(value):
            return LuaBuiltin(getattr(value, "__name__", "python"), self.wrap_callable(value))
        raise TypeError(f"a {type(value).__name__} has no Lua value")

    def wrap_callable(self, function: Callable[..., Any]) -> Callable[[VM, list[Any]], list[Any]]:
        """Make a Lua function of a Python callable; a tuple that it returns is several results."""

        def call(vm: VM, args: list[Any]) -> list[Any]:
            try:
                result = function(*[self.to_python(value) for value in args])
                return [self.to_lua(value) for value in (result if isinstance(result, tuple) else (result,))]
            except LuaError:
                raise
            except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError, OSError) as error:
                raise lua_error(f"{type(error).__name__}: {error}") from error

        return call
