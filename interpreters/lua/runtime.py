"""Lua from Python: a state, its globals, and values that go both ways, as lupa has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from interpreters.lua.collector import collect
from interpreters.lua.embedding.converter import Converter, as_attrgetter, as_itemgetter
from interpreters.lua.embedding.objects import open_python
from interpreters.lua.embedding.wrappers import (
    Function, Globals, Table, Thread, entries, lua_type, unpacks_lua_table, unpacks_lua_table_method,
)  # fmt: skip
from interpreters.lua.errors import LuaError, LuaSyntaxError
from interpreters.lua.operations import store
from interpreters.lua.state import new_state
from interpreters.lua.values import LuaTable
from interpreters.lua.vm import VM

LEADS_OUT = frozenset([
    "ag_await", "ag_code", "ag_frame", "cr_await", "cr_code", "cr_frame", "cr_origin", "gi_code", "gi_frame", "gi_yieldfrom",
])  # fmt: skip

TEXTS = (str, bytes, bytearray, memoryview)


def only_public(value: Any, name: Any, is_setting: bool) -> Any:
    """Keep a sandbox from what leads to the rest of Python: names with an underscore, frames, formats."""
    if type(name) is not str or name.startswith("_") or name in LEADS_OUT:
        raise AttributeError(f"the sandbox keeps {name!r} back")
    if name in ("format", "format_map") and (isinstance(value, str) or (isinstance(value, type) and issubclass(value, str))):
        raise AttributeError(f"the sandbox keeps {name!r} back")
    return name


class Runtime:
    """A Lua state.

    >>> lua = Runtime()
    >>> lua.eval("function(f, n) return f(n) + 1 end")(abs, -4)
    5

    Args:
        encoding: of strings; None leaves those of Lua bytes.
        source_encoding: of programs, if that is another one.
        sandbox: no files, no modules, no `os.exit`, `python.eval` or `python.builtins`; without a filter or handlers, attributes
            with an underscore in front are out of reach.
        attribute_filter: `filter(object, name, is_setting)` returns the name of the attribute that Lua gets or sets.
        attribute_handlers: `(getter, setter)`, which get and set attributes and items; either may be None.
        register_eval: whether there is `python.eval`.
        register_builtins: whether there is `python.builtins`.
        unpack_returned_tuples: whether a tuple that a Python function returns is several results.
        overflow_handler: given an integer of more than 64 bits, returns what Lua gets for it.

    Attributes:
        globals: the table of global variables.
    """

    def __init__(
        self,
        encoding: str | None = "utf-8",
        *,
        source_encoding: str | None = None,
        sandbox: bool = False,
        attribute_filter: Callable[[Any, Any, bool], Any] | None = None,
        attribute_handlers: Sequence[Callable[..., Any] | None] | None = None,
        register_eval: bool = True,
        register_builtins: bool = True,
        unpack_returned_tuples: bool = False,
        overflow_handler: Callable[[int], Any] | None = None,
    ) -> None:
        getter, setter = checked_handlers(attribute_filter, attribute_handlers)
        self.vm: VM = new_state(sandbox=sandbox)
        self.converter = converter = Converter(self.vm, encoding, source_encoding, unpacks=unpack_returned_tuples)
        converter.getter, converter.setter = getter, setter
        converter.attribute_filter = attribute_filter
        if sandbox and attribute_filter is None:
            converter.attribute_filter = only_public
        converter.set_overflow_handler(overflow_handler)
        library = open_python(
            converter, register_eval=register_eval and not sandbox, register_builtins=register_builtins and not sandbox
        )
        self.vm.globals.set_field(b"python", library)
        if sandbox:
            self.vm.globals.get(b"os").set_field(b"exit", None)
        else:
            self.vm.globals.get(b"package").get(b"loaded").set_field(b"python", library)
        self.globals = Globals(converter, self.vm.globals)

    lua_version = (5, 4)
    lua_implementation = "Lua 5.4 (metatracer)"

    # --- programs

    def execute(
        self, source: str | bytes, *arguments: Any, name: str | bytes | None = None, mode: str | None = None
    ) -> Any:
        """Run a chunk, and return what it returns; several results are a tuple.

        Raises:
            LuaError: It is no Lua, or raised an error.
        """
        function = self.converter.guarded(self.load, source, name, mode)
        try:
            return self.converter.call(function, arguments)
        finally:
            self.vm.output.flush()

    def eval(
        self, expression: str | bytes, *arguments: Any, name: str | bytes | None = None, mode: str | None = None
    ) -> Any:
        """Return the value of an expression; of several, a tuple."""
        return self.execute(b"return " + self.encode_source(expression), *arguments, name=name, mode=mode)

    def compile(self, source: str | bytes, name: str | bytes | None = None, mode: str | None = None) -> Function:
        """Return a chunk as a function."""
        return Function(self.converter, self.converter.guarded(self.load, source, name, mode))

    def require(self, name: str | bytes) -> Any:
        """Load a module, and return it."""
        results = self.globals.require(name)
        return results[0] if isinstance(results, tuple) else results

    def load(self, source: str | bytes, name: str | bytes | None, mode: str | None) -> Any:
        if mode is not None and "t" not in mode:
            raise LuaSyntaxError(b"attempt to load a text chunk (mode is '%s')" % mode.encode())
        return self.vm.load(self.encode_source(source), self.encode_source("<python>" if name is None else name))

    def encode_source(self, text: str | bytes) -> bytes:
        return text if isinstance(text, bytes) else text.encode(self.converter.source_encoding, "surrogateescape")

    # --- tables

    def table(self, *items: Any, **named: Any) -> Table:
        """Make a table with items from 1 on, and fields."""
        return self.table_from(items, named)

    def table_from(self, *sources: Any, recursive: bool = False) -> Table:
        """Make a table of the entries of mappings and the items of iterables, which are numbered on.

        Args:
            recursive: whether mappings and sequences among the values become tables; each becomes one.
        """
        filling = Filling(self.converter, recursive=recursive)
        table = LuaTable()
        self.converter.guarded(filling.fill, table, sources)
        return Table(self.converter, table)

    # --- values

    def to_python(self, value: Any) -> Any:
        """Return a value of the machine as Python sees it."""
        return self.converter.to_python(value)

    def to_lua(self, value: Any) -> Any:
        """Return a Python value as the machine has it."""
        return self.converter.to_lua(value)

    def set_overflow_handler(self, handler: Callable[[int], Any] | None) -> None:
        """Say what becomes of integers of more than 64 bits; None makes them an OverflowError."""
        self.converter.set_overflow_handler(handler)

    def gccollect(self) -> None:
        """Do what `collectgarbage()` does."""
        self.converter.guarded(collect, self.vm)


class Filling:
    """The tables that `table_from` makes.

    Attributes:
        made: what became of nested mappings and sequences, which are kept so that their ids stay theirs; or None.
    """

    def __init__(self, converter: Converter, *, recursive: bool) -> None:
        self.converter = converter
        self.made: dict[int, tuple[Any, LuaTable]] | None = {} if recursive else None

    def fill(self, table: LuaTable, sources: Iterable[Any]) -> None:
        number = 0
        for source in sources:
            if isinstance(source, Table):
                for key, value in entries(self.converter.to_lua(source)):
                    table.set(key, value)
            elif isinstance(source, Mapping):
                for key, value in source.items():
                    store(table, self.converter.to_lua_not_nil(key), self.value_of(value))
            else:
                for item in source:
                    number += 1
                    store(table, number, self.value_of(item))

    def value_of(self, value: Any) -> Any:
        if self.made is None or not isinstance(value, (Mapping, Sequence)) or isinstance(value, TEXTS):
            return self.converter.to_lua(value)
        if id(value) not in self.made:
            table = LuaTable()
            self.made[id(value)] = value, table
            self.fill(table, [value])
        return self.made[id(value)][1]


def checked_handlers(
    attribute_filter: Any, handlers: Sequence[Callable[..., Any] | None] | None
) -> tuple[Callable[..., Any] | None, Callable[..., Any] | None]:
    """Return who gets and who sets attributes."""
    if attribute_filter is not None and not callable(attribute_filter):
        raise ValueError("attribute_filter must be callable")
    if handlers is None:
        return None, None
    if attribute_filter is not None:
        raise ValueError("attribute_filter and attribute_handlers are mutually exclusive")
    if len(handlers) != 2 or not all(handler is None or callable(handler) for handler in handlers):
        raise ValueError("attribute_handlers must be a sequence of two callables")
    return handlers[0], handlers[1]


__all__ = [
    "Function", "LuaError", "LuaSyntaxError", "Runtime", "Table", "Thread", "as_attrgetter", "as_itemgetter", "lua_type",
    "unpacks_lua_table", "unpacks_lua_table_method",
]  # fmt: skip
