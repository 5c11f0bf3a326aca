"""Lua values that are no Python values: tables, functions, coroutines.

nil, booleans, integers, floats and strings are None, bool, int (wrapped to 64 bits), float and bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interpreters.lua.vm import Frame, Proto, VM

Value = Any
BuiltinFunction = Callable[["VM", list[Any]], list[Any]]


class LuaTable:
    """A table; `get` and `set` are raw, without metamethods."""

    __slots__ = ("__weakref__", "items", "metatable")

    def __init__(self) -> None:
        self.items: dict[Any, Any] = {}
        self.metatable: LuaTable | None = None

    def get(self, key: Value) -> Value:
        """Return the value at a key, raw; nil where there is none."""
        return self.items.get(key)

    def set(self, key: Value, value: Value) -> None:
        """Store a value at a key that is neither nil nor NaN, raw."""
        self.items[key] = value

    def length(self) -> int:
        """Return a border."""
        border = 0
        while self.items.get(border + 1) is not None:
            border += 1
        return border


class LuaBuiltin:
    """A function written in Python: `function(vm, args) -> results`."""

    _immutable_fields_ = ["function", "name"]
    __slots__ = ("__weakref__", "function", "name")

    def __init__(self, name: str, function: BuiltinFunction) -> None:
        self.name = name
        self.function = function


class LuaFunction:
    """A closure: a function's code with what it captured."""

    _immutable_fields_ = ["proto", "upvalues"]
    __slots__ = ("__weakref__", "proto", "upvalues")

    def __init__(self, proto: Proto, upvalues: list[Any]) -> None:
        self.proto = proto
        self.upvalues = upvalues


class Coroutine:
    """A coroutine: a chain of frames that runs by turns with others."""

    __slots__ = ("__weakref__", "frame", "status")

    def __init__(self, frame: Frame | None) -> None:
        self.frame = frame
        self.status = "suspended"


TYPE_NAMES: dict[type, bytes] = {
    type(None): b"nil",
    bool: b"boolean",
    int: b"number",
    float: b"number",
    bytes: b"string",
    LuaTable: b"table",
    LuaBuiltin: b"function",
    LuaFunction: b"function",
    Coroutine: b"thread",
}


def type_name(value: Value) -> bytes:
    """Return what `type` says of a value."""
    return TYPE_NAMES.get(type(value), b"userdata")
