"""Garbage: CPython's collector does the work; weak tables and `__gc` are added to it here.

A weak table holds its entries strongly until a full collection: then they are let go, and come back if somebody else held
them. An entry with a weak key lives as long as its key: meanwhile the key itself holds the value.
"""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING, Any

from interpreters.lua.errors import LuaError
from interpreters.lua.stack import caller
from interpreters.lua.values import (
    Coroutine, FrameBuiltin, LuaBuiltin, LuaFunction, LuaTable, StatefulBuiltin, Userdata, WrappedCoroutine,
)  # fmt: skip

if TYPE_CHECKING:
    from interpreters.lua.frames import Frame
    from interpreters.lua.vm import VM

COLLECTABLE = (LuaTable, LuaFunction, LuaBuiltin, StatefulBuiltin, FrameBuiltin, Coroutine, WrappedCoroutine, Userdata)


def register_weak(vm: VM, table: LuaTable) -> None:
    """Note that a table's metatable has `__mode`."""
    vm.weak_tables[id(table)] = weakref.ref(table)


def finalize_when_dead(vm: VM, table: LuaTable) -> None:
    """Note that a table has `__gc`; a table that a collection finds held by nobody else is finalized."""
    vm.finalizable[id(table)] = table


def mode_of(table: LuaTable) -> bytes:
    mode = None if table.metatable is None else table.metatable.get_field(b"__mode")
    return mode if type(mode) is bytes else b""


def collect(vm: VM) -> None:
    """Do a full collection."""
    forget_temporaries(vm.frame)
    tables: list[tuple[LuaTable, list[tuple[Any, Any, Any, Any]]]] = []
    attached: list[Any] = []
    for number, reference in list(vm.weak_tables.items()):
        table = reference()
        if table is None or not mode_of(table):
            del vm.weak_tables[number]
            continue
        tables.append((table, take_weak(table, mode_of(table), attached)))
    del attached
    dead = finalizable_dead(vm.finalizable)
    gc.collect()
    for table, entries in tables:
        give_back(table, entries)
    for table in reversed(list(dead.values())):
        finalize(vm, table)


def forget_temporaries(frame: Frame | None) -> None:
    """Clear the registers of waiting frames that nothing will read again."""
    while frame is not None:
        if frame.proto.is_lua:
            live = getattr(frame.proto.code[frame.pc], "live", 0)
            if live:
                registers = frame.registers
                registers[live:] = [None] * len(registers[live:])
        frame = caller(frame)


def finalizable_dead(held: dict[int, LuaTable]) -> dict[int, LuaTable]:
    """Return those of the tables that nothing but this registry can reach."""
    # Whether anybody else holds a table is what its going away tells; so it has to be let go through a stand-in.
    stand_ins: list[tuple[weakref.ref[LuaTable], LuaTable]] = []
    for table in held.values():
        copy = LuaTable()
        copy.array, copy.shape, copy.slots, copy.hash = table.array, table.shape, table.slots, table.hash
        if table.hash is not None:
            copy.hash_limit = table.hash_limit
            copy.keys = None
        copy.metatable, copy.index = table.metatable, table.index
        stand_ins.append((weakref.ref(table), copy))
    order = list(held)
    held.clear()
    table = None  # type: ignore[assignment]
    del table
    gc.collect()
    dead: dict[int, LuaTable] = {}
    for number, (reference, copy) in zip(order, stand_ins):
        alive = reference()
        if alive is None:
            dead[number] = copy
        else:
            held[number] = alive
    return dead


def finalize(vm: VM, table: LuaTable) -> None:
    """Call a table's `__gc`; its errors are warnings."""
    handler = None if table.metatable is None else table.metatable.get_field(b"__gc")
    if handler is None:
        return
    try:
        vm.call(handler, [table])
    except LuaError as error:
        if vm.warnings:
            vm.errors.write(b"Lua warning: error in __gc (%s)\n" % vm.tostring(error.value))


def close_state(vm: VM) -> None:
    """Finalize what is left, latest first."""
    left = list(vm.finalizable.values())
    vm.finalizable = {}
    for table in reversed(left):
        finalize(vm, table)


def weak_reference(value: Any) -> Any:
    return weakref.ref(value)


def take_weak(table: LuaTable, mode: bytes, attached: list[Any]) -> list[tuple[Any, Any, Any, Any]]:
    """Take the weakly held entries out of a table: (key, its reference, value, its reference)."""
    taken: list[tuple[Any, Any, Any, Any]] = []
    entries: list[tuple[Any, Any]] = []
    entry = table.next(None)
    while entry is not None:
        entries.append(entry)
        entry = table.next(entry[0])
    for key, value in entries:
        weak_key = b"k" in mode and isinstance(key, COLLECTABLE)
        weak_value = b"v" in mode and isinstance(value, COLLECTABLE)
        if not weak_key and not weak_value:
            continue
        table.set(key, None)
        if table.hash is not None and key in table.hash:
            del table.hash[key]
            table.keys = None
            table.positions = None
        key_reference = weak_reference(key) if weak_key else None
        value_reference = weak_reference(value) if weak_value else None
        if weak_key and not weak_value and type(key) is LuaTable and isinstance(value, COLLECTABLE):
            held = getattr(key, "positions", None)
            key.positions = (held if type(held) is tuple else None, value)
            value_reference = weak_reference(value)
            weak_value = True
        taken.append((
            None if weak_key else key, key_reference, None if weak_value else value, value_reference
        ))  # fmt: skip
    return taken


def give_back(table: LuaTable, entries: list[tuple[Any, Any, Any, Any]]) -> None:
    """Put those entries back whose key and value are alive."""
    for key, key_reference, value, value_reference in entries:
        if key_reference is not None:
            key = key_reference()
            if key is None:
                continue
        if value_reference is not None:
            value = value_reference()
            if value is None:
                continue
        if type(key) is LuaTable and type(getattr(key, "positions", None)) is tuple:
            key.positions = None
        table.set(key, value)
