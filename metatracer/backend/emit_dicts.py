"""LLVM text that looks into dicts: those that instances have of their own, and others (`own_dicts`)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from metatracer.backend.layout import WORD, object_at, read_signed
from metatracer.backend.operands import pointer
from metatracer.backend.own_dicts import dict_place, entries, entry_offset, shared_keys, table_shape, values_items

if TYPE_CHECKING:
    from collections.abc import Callable

    from metatracer.backend.emit import Emitter
    from metatracer.ir.values import Field, Operation

_KEY_SIZE = WORD  # the value of an entry stands behind its key


def field_place(e: Emitter, mapping: str, field: Field) -> str:
    """Address of the value of a field in its own dict, which `guard_field` has found there."""
    if field.storage == "split":
        return e.field(_values(e, mapping), WORD * field.position)
    return e.field(e.load("ptr", mapping, e.layout.dict_keys), entry_offset(field.position) + _KEY_SIZE)


def own_dict(e: Emitter, instance: str, field: Field) -> str:
    """The dict that a field is in."""
    return instance if field.storage == "item" else e.load("ptr", instance, dict_place(field.owner))


def key_of(e: Emitter, field: Field) -> str:
    """The key of a field, the very object that the dict has."""
    return e.object(field.name if field.storage == "item" else sys.intern(field.name))


def _values(e: Emitter, mapping: str) -> str:
    return e.field(e.load("ptr", mapping, e.layout.dict_values), values_items())


def guard_field(e: Emitter, op: Operation) -> None:
    """The instance has a dict, and the field is at its place in it."""
    field: Field = op.descr

    def holds(keys: str, mapping: str, need: Callable[[str], None]) -> str:
        if field.storage == "split":
            need(e.value(f"icmp eq ptr {keys}, {pointer(shared_keys(field.owner))}"))
            value = e.load("ptr", _values(e, mapping), WORD * field.position)
            return e.value(f"icmp ne ptr {value}, null")
        shape = e.value(f"load i16, ptr {e.field(keys, e.layout.keys_log2_index_bytes)}, align 1")
        need(e.value(f"icmp eq i16 {shape}, {table_shape(field.position)}"))
        key = e.load("ptr", keys, entry_offset(field.position))
        return e.value(f"icmp eq ptr {key}, {key_of(e, field)}")

    _guard(e, op, holds)


def guard_absent(e: Emitter, op: Operation) -> None:
    """The instance has a dict, and no attribute of the name in it, as `own_dicts.place_of_absence` says."""
    field: Field = op.descr

    def holds(keys: str, mapping: str, need: Callable[[str], None]) -> str:
        if field.storage == "keys":
            return e.value(f"icmp eq i32 {e.load('i32', keys, e.layout.keys_version)}, {_signed(field.position)}")
        shared = shared_keys(field.owner)
        need(e.value(f"icmp eq ptr {keys}, {pointer(shared)}"))
        names = [object_at(name) for name in entries(shared)[::2]]
        if field.name in names:
            value = e.load("ptr", _values(e, mapping), WORD * names.index(field.name))
            return e.value(f"icmp eq ptr {value}, null")
        address = shared + e.layout.keys_nentries
        return e.value(f"icmp eq i64 {e.value(f'load i64, ptr {pointer(address)}')}, {read_signed(address)}")

    _guard(e, op, holds)


def _signed(number: int) -> int:
    return number - (1 << 32) if number >= 1 << 31 else number


def _guard(e: Emitter, op: Operation, holds: Callable[[str, str, Callable[[str], None]], str]) -> None:
    """Guard what `holds` says of the keys and the dict; what must be true before it may look further, it `need`s."""
    instance = e.arg(op.args[0])
    no, done = e.new_label("h"), e.new_label("w")

    def need(condition: str) -> None:
        go_on = e.new_label("k")
        e.likely(condition, go_on, no)
        e.block(go_on)

    mapping = own_dict(e, instance, op.descr)
    place = 0 if mapping is instance else dict_place(op.descr.owner)
    if place:
        need(e.value(f"icmp ne ptr {mapping}, null"))
    if e.layout.values_mode == "tagged" and place == e.layout.dict_word:
        word = e.value(f"ptrtoint ptr {mapping} to i64")
        need(e.value(f"icmp eq i64 {e.value(f'and i64 {word}, 1')}, 0"))
    result = holds(e.load("ptr", mapping, e.layout.dict_keys), mapping, need)
    last = e.current_block
    e.line(f"br label %{done}")
    e.cold += [f"{no}:", f"  br label %{done}"]
    e.block(done)
    e.guard(op, e.value(f"phi i1 [{result}, %{last}], [false, %{no}]"))
