"""Lua 5.4: an interpreter in ordinary Python that metatracer traces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interpreters.lua.runtime import (
        Function, LuaError, LuaSyntaxError, Runtime, Table, Thread, as_attrgetter, as_itemgetter, lua_type,
        unpacks_lua_table, unpacks_lua_table_method,
    )  # fmt: skip

__all__ = [
    "Function", "LuaError", "LuaSyntaxError", "Runtime", "Table", "Thread", "as_attrgetter", "as_itemgetter", "lua_type",
    "unpacks_lua_table", "unpacks_lua_table_method",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # What the command does not need is imported when it is asked for.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from interpreters.lua import runtime

    value = globals()[name] = getattr(runtime, name)
    return value
