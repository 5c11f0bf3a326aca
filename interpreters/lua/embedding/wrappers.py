"""Lua values as Python has them: tables, functions, coroutines and userdata.

Two wrappers of the same value are equal, and have the same hash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import TYPE_CHECKING, Any

from interpreters.lua.errors import LuaError
from interpreters.lua.values import Coroutine, LuaTable

if TYPE_CHECKING:
    from interpreters.lua.embedding.converter import Converter


class LuaObject:
    """A Lua value that Python has no like of; it can be called if Lua can call it."""

    __slots__ = ("__weakref__", "_lua_converter", "_lua_value")
    _lua_converter: Converter
    _lua_value: Any
    lua_type = "userdata"

    def __init__(self, converter: Converter, value: Any) -> None:
        object.__setattr__(self, "_lua_converter", converter)
        object.__setattr__(self, "_lua_value", value)

    def __call__(self, *arguments: Any) -> Any:
        return self._lua_converter.call(self._lua_value, arguments)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LuaObject) and other._lua_value is self._lua_value

    def __hash__(self) -> int:
        return hash(self._lua_value)

    def __bool__(self) -> bool:
        return True

    def __str__(self) -> str:
        converter = self._lua_converter
        if converter.vm.metamethod(self._lua_value, b"__tostring") is None:
            return repr(self)
        text: bytes = converter.guarded(converter.vm.tostring, self._lua_value)
        return text.decode(converter.encoding or "utf-8", "backslashreplace")

    def __repr__(self) -> str:
        return f"<Lua {self.lua_type} at {self._lua_converter.vm.address(self._lua_value).decode()}>"


class Indexable(LuaObject):
    """A Lua value with fields: they are items, and attributes as well; what is not there is None. Metamethods apply."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> Any:
        converter = self._lua_converter
        return converter.to_python(converter.guarded(converter.vm.index, self._lua_value, converter.to_lua_not_nil(key)))

    def __setitem__(self, key: Any, value: Any) -> None:
        converter = self._lua_converter
        converter.guarded(
            converter.vm.set_index, self._lua_value, converter.to_lua_not_nil(key), converter.to_lua(value)
        )

    def __delitem__(self, key: Any) -> None:
        self[key] = None

    def __getattr__(self, name: str) -> Any:
        return self[self._field(name)]

    def __setattr__(self, name: str, value: Any) -> None:
        self[self._field(name)] = value

    def __delattr__(self, name: str) -> None:
        self[self._field(name)] = None

    def _field(self, name: str) -> bytes:
        if (name.startswith("__") and name.endswith("__")) or name in LuaObject.__slots__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return self._lua_converter.encode(name)

    def __len__(self) -> int:
        converter = self._lua_converter
        length: int = converter.guarded(converter.vm.length, self._lua_value)
        return length


class Table(Indexable):
    """A Lua table. Iteration goes over all keys, without `__pairs`; the length is a border, as that of `#`."""

    __slots__ = ()
    _lua_value: LuaTable
    lua_type = "table"

    def __contains__(self, key: object) -> bool:
        return self._lua_value.get(self._lua_converter.to_lua_not_nil(key)) is not None

    def __iter__(self) -> Iterator[Any]:
        return self.keys()

    def keys(self) -> Iterator[Any]:
        return (self._lua_converter.to_python(key) for key, _ in entries(self._lua_value))

    def values(self) -> Iterator[Any]:
        return (self._lua_converter.to_python(value) for _, value in entries(self._lua_value))

    def items(self) -> Iterator[tuple[Any, Any]]:
        to_python = self._lua_converter.to_python
        return ((to_python(key), to_python(value)) for key, value in entries(self._lua_value))


class Globals(Table):
    """The table of global variables; called, it returns itself."""

    __slots__ = ()

    def __call__(self, *arguments: Any) -> Any:
        return super().__call__(*arguments) if arguments else self


class Function(LuaObject):
    """A Lua function; several results become a tuple."""

    __slots__ = ()
    lua_type = "function"

    def coroutine(self, *arguments: Any) -> Thread:
        """Make a coroutine of it that begins with these arguments."""
        return Thread(self._lua_converter, Coroutine(self._lua_value), arguments)


class Thread(LuaObject):
    """A Lua coroutine, to be used as a generator of Python; what it returns at last comes as one more item.

    One that has not begun yet can be called: that makes another one, with arguments.
    """

    __slots__ = ("_lua_arguments",)
    _lua_value: Coroutine
    lua_type = "thread"

    def __init__(self, converter: Converter, value: Coroutine, arguments: tuple[Any, ...] | None = None) -> None:
        super().__init__(converter, value)
        self._lua_arguments = arguments

    def __call__(self, *arguments: Any) -> Any:
        coroutine = self._lua_value
        if coroutine.status != b"suspended" or coroutine.root is not None or self._lua_arguments is not None:
            return super().__call__(*arguments)
        return Thread(self._lua_converter, Coroutine(coroutine.function), arguments)

    def __bool__(self) -> bool:
        return self._lua_value.status != b"dead"

    def __iter__(self) -> Thread:
        return self

    def __next__(self) -> Any:
        return self.send(None)

    def send(self, value: Any) -> Any:
        """Go on; a tuple is several values. Returns what is yielded.

        Raises:
            StopIteration: It has ended.
        """
        coroutine = self._lua_value
        if coroutine.root is None and coroutine.status == b"suspended":
            if value is not None:
                raise TypeError("can't send non-None value to a just-started generator")
            arguments = self._lua_arguments or ()
        else:
            arguments = value if isinstance(value, tuple) else (value,)
        if coroutine.status == b"dead" and not coroutine.failed:
            raise StopIteration
        results = self._lua_converter.resume(coroutine, arguments)
        if not results and not self:
            raise StopIteration
        return self._lua_converter.results(results)


def entries(table: LuaTable) -> Iterator[tuple[Any, Any]]:
    """Go through a table, raw.

    Raises:
        LuaError: The table got new keys meanwhile.
    """
    key, place = None, 0
    while True:
        try:
            entry = table.next_entry(key, place)
        except KeyError:
            raise LuaError(b"invalid key to 'next'") from None
        if entry is None:
            return
        key, value, place = entry
        yield key, value


def lua_type(value: Any) -> str | None:
    """Return what Lua's `type` says of a wrapped value; None for what is Python's."""
    return value.lua_type if isinstance(value, LuaObject) else None


def arguments_of(table: Table) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments that a table stands for: items are positional, fields are named.

    Raises:
        TypeError: A key is neither a string nor the number of an argument.
    """
    numbered: dict[int, Any] = {}
    named: dict[str, Any] = {}
    for key, value in table.items():
        if type(key) is int and key > 0:
            numbered[key] = value
        elif isinstance(key, str):
            named[key] = value
        elif type(key) is bytes:
            named[key.decode()] = value
        else:
            raise TypeError(f"an argument's key is a name or its number, not {key!r}")
    count = max(numbered, default=0)
    if count > 2 * len(numbered) + 250:
        raise TypeError(f"argument {count} without those before it")
    return [numbered.get(number) for number in range(1, count + 1)], named


def unpacks_lua_table(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let Lua call a function with named arguments, `f{1, name = 2}`: a table alone stands for the arguments."""

    @wraps(function)
    def unpacking(*arguments: Any, **named: Any) -> Any:
        if len(arguments) == 1 and not named and isinstance(arguments[0], Table):
            arguments, named = arguments_of(arguments[0])  # type: ignore[assignment]
        return function(*arguments, **named)

    return unpacking


def unpacks_lua_table_method(method: Callable[..., Any]) -> Callable[..., Any]:
    """Do for a method what `unpacks_lua_table` does for a function."""

    @wraps(method)
    def unpacking(self: Any, *arguments: Any, **named: Any) -> Any:
        if len(arguments) == 1 and not named and isinstance(arguments[0], Table):
            arguments, named = arguments_of(arguments[0])  # type: ignore[assignment]
        return method(self, *arguments, **named)

    return unpacking
