"""LLVM text of strings, bytes, matches of regular expressions, bytearrays and arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metatracer.backend.emit import Emitter, emits
from metatracer.backend.layout import STR_COMPACT_ASCII
from metatracer.ir import opcodes as ops
from metatracer.ir.values import Const

if TYPE_CHECKING:
    from metatracer.ir.values import Operation

_COMPACT_ASCII = 0b1100000
"""Bits of the state of a string whose characters are bytes right behind its header."""
_ITEM_TYPES = {
    "b": "i8", "B": "i8", "h": "i16", "H": "i16", "i": "i32", "I": "i32", "l": "i64", "L": "i64", "q": "i64", "Q": "i64",
    "f": "float", "d": "double",
}  # fmt: skip


@emits(ops.STR_LEN)
def emit_str_len(e: Emitter, op: Operation) -> None:
    e.alias(op, e.load("i64", e.arg(op.args[0]), e.layout.str_length))


@emits(ops.STR_ORD_AT)
def emit_str_ord_at(e: Emitter, op: Operation) -> None:
    """ASCII strings inline, others by a C function."""
    string, index = (e.arg(value) for value in op.args)
    state = e.load("i32", string, e.layout.str_state)
    bits = e.value(f"and i32 {state}, {_COMPACT_ASCII}")
    ascii_, other, done = e.new_label("y"), e.new_label("z"), e.new_label("c")
    wide, slow = e.temporary(), e.temporary()
    e.likely(e.value(f"icmp eq i32 {bits}, {_COMPACT_ASCII}"), ascii_, other)
    e.cold += [
        f"{other}:",
        f"  {wide} = call i32 {e.function('PyUnicode_ReadChar')}(ptr {string}, i64 {index}) ; PyUnicode_ReadChar",
        f"  {slow} = zext i32 {wide} to i64",
        f"  br label %{done}",
    ]
    e.block(ascii_)
    fast = _byte_at(e, e.field(string, e.layout.str_ascii_data), index)
    e.line(f"br label %{done}")
    e.block(done)
    e.result(op, f"phi i64 [{fast}, %{ascii_}], [{slow}, %{other}]")


def _byte_at(e: Emitter, data: str, index: str) -> str:
    byte = e.value(f"load i8, ptr {e.value(f'getelementptr i8, ptr {data}, i64 {index}')}")
    return e.value(f"zext i8 {byte} to i64")


@emits(ops.STR_CHR)
def emit_str_chr(e: Emitter, op: Operation) -> None:
    ordinal = e.value(f"trunc i64 {e.arg(op.args[0])} to i32")
    e.alias(op, e.allocated(e.call("ptr", "PyUnicode_FromOrdinal", f"i32 {ordinal}")))


@emits(ops.STR_EQ)
def emit_str_eq(e: Emitter, op: Operation) -> None:
    """Identity, then lengths, then the first characters if both are ASCII, then a C function."""
    left, right = (e.arg(value) for value in op.args)
    test, look, first, compare, done = (e.new_label(stem) for stem in "qlfjc")
    same = e.value(f"icmp eq ptr {left}, {right}")
    before = e.current_block
    e.line(f"br i1 {same}, label %{done}, label %{test}")
    e.block(test)
    lengths = [e.load("i64", string, e.layout.str_length) for string in (left, right)]
    equal_lengths = e.value(f"icmp eq i64 {lengths[0]}, {lengths[1]}")
    e.line(f"br i1 {equal_lengths}, label %{look}, label %{done}")
    e.block(look)
    states = [e.load("i32", string, e.layout.str_state) for string in (left, right)]
    kinds = e.value(f"and i32 {e.value(f'and i32 {states[0]}, {states[1]}')}, {STR_COMPACT_ASCII}")
    ascii_both = e.value(f"icmp eq i32 {kinds}, {STR_COMPACT_ASCII}")
    e.line(f"br i1 {ascii_both}, label %{first}, label %{compare}")
    e.block(first)
    starts = [e.load("i8", string, e.layout.str_ascii_data) for string in (left, right)]
    alike = e.value(f"icmp eq i8 {starts[0]}, {starts[1]}")
    e.line(f"br i1 {alike}, label %{compare}, label %{done}")
    e.block(compare)
    order = e.call("i32", "PyUnicode_Compare", f"ptr {left}, ptr {right}")
    equal = e.value(f"icmp eq i32 {order}, 0")
    e.line(f"br label %{done}")
    e.block(done)
    e.result(op, f"phi i1 [true, %{before}], [false, %{test}], [false, %{first}], [{equal}, %{compare}]")


@emits(ops.BYTES_EQ)
def emit_bytes_eq(e: Emitter, op: Operation) -> None:
    """Identity, then lengths, then the first bytes (there is a zero behind the last one), then a C function."""
    left, right = (e.arg(value) for value in op.args)
    test, first, compare, done = (e.new_label(stem) for stem in "qfjc")
    same = e.value(f"icmp eq ptr {left}, {right}")
    before = e.current_block
    e.line(f"br i1 {same}, label %{done}, label %{test}")
    e.block(test)
    lengths = [e.load("i64", each, e.layout.ob_size) for each in (left, right)]
    equal_lengths = e.value(f"icmp eq i64 {lengths[0]}, {lengths[1]}")
    e.line(f"br i1 {equal_lengths}, label %{first}, label %{done}")
    e.block(first)
    data = [e.field(each, e.layout.bytes_data) for each in (left, right)]
    starts = [e.value(f"load i8, ptr {each}") for each in data]
    alike = e.value(f"icmp eq i8 {starts[0]}, {starts[1]}")
    if any(isinstance(arg, Const) and len(arg.value) <= 1 for arg in op.args):
        e.line(f"br label %{done}")
        e.block(done)
        e.result(op, f"phi i1 [true, %{before}], [false, %{test}], [{alike}, %{first}]")
        return
    e.line(f"br i1 {alike}, label %{compare}, label %{done}")
    e.block(compare)
    order = e.call("i32", "memcmp", f"ptr {data[0]}, ptr {data[1]}, i64 {lengths[0]}")
    equal = e.value(f"icmp eq i32 {order}, 0")
    e.line(f"br label %{done}")
    e.block(done)
    e.result(op, f"phi i1 [true, %{before}], [false, %{test}], [false, %{first}], [{equal}, %{compare}]")


@emits(ops.BYTES_LEN, ops.BYTEARRAY_LEN, ops.ARRAY_LEN)
def emit_len(e: Emitter, op: Operation) -> None:
    e.alias(op, e.load("i64", e.arg(op.args[0]), e.layout.ob_size))


@emits(ops.BYTES_GETITEM)
def emit_bytes_getitem(e: Emitter, op: Operation) -> None:
    data = e.field(e.arg(op.args[0]), e.layout.bytes_data)
    e.alias(op, _byte_at(e, data, e.arg(op.args[1])))


@emits(ops.MATCH_GROUPS)
def emit_match_groups(e: Emitter, op: Operation) -> None:
    e.alias(op, e.load("i64", e.arg(op.args[0]), e.layout.match_groups))


@emits(ops.MATCH_MARK)
def emit_match_mark(e: Emitter, op: Operation) -> None:
    marks = e.field(e.arg(op.args[0]), e.layout.match_marks)
    e.alias(op, e.value(f"load i64, ptr {e.value(f'getelementptr i64, ptr {marks}, i64 {e.arg(op.args[1])}')}"))


@emits(ops.MATCH_STRING)
def emit_match_string(e: Emitter, op: Operation) -> None:
    e.result(op, f"load ptr, ptr {e.field(e.arg(op.args[0]), e.layout.match_string)}")


@emits(ops.BYTEARRAY_GETITEM)
def emit_bytearray_getitem(e: Emitter, op: Operation) -> None:
    data = e.load("ptr", e.arg(op.args[0]), e.layout.bytearray_start)
    e.alias(op, _byte_at(e, data, e.arg(op.args[1])))


@emits(ops.BYTEARRAY_SETITEM)
def emit_bytearray_setitem(e: Emitter, op: Operation) -> None:
    array, index, value = (e.arg(arg) for arg in op.args)
    data = e.load("ptr", array, e.layout.bytearray_start)
    place = e.value(f"getelementptr i8, ptr {data}, i64 {index}")
    e.line(f"store i8 {e.value(f'trunc i64 {value} to i8')}, ptr {place}")


def _number_place(e: Emitter, op: Operation) -> tuple[str, str, str | None]:
    """LLVM type and address of the number in a buffer that an operation is about, and what swaps its bytes, if they are to be."""
    owner = e.arg(op.args[0])
    is_bytes = op.opcode is ops.BYTES_LOAD
    data = e.field(owner, e.layout.bytes_data) if is_bytes else e.load("ptr", owner, e.layout.bytearray_start)
    item = _ITEM_TYPES[op.descr[1]]
    swap = None
    if op.descr[0] == ">" and item != "i8":
        swap = f"@llvm.bswap.{item}"
        e.declare(f"declare {item} {swap}({item})")
    return item, e.value(f"getelementptr i8, ptr {data}, i64 {e.arg(op.args[1])}"), swap


@emits(ops.BYTES_LOAD, ops.BYTEARRAY_LOAD)
def emit_number_load(e: Emitter, op: Operation) -> None:
    item, place, swap = _number_place(e, op)
    number = e.value(f"load {item}, ptr {place}, align 1")
    if swap is not None:
        number = e.value(f"call {item} {swap}({item} {number})")
    if item != "i64":
        number = e.value(f"{'zext' if op.descr[1].isupper() else 'sext'} {item} {number} to i64")
    e.alias(op, number)


@emits(ops.BYTEARRAY_STORE)
def emit_number_store(e: Emitter, op: Operation) -> None:
    item, place, swap = _number_place(e, op)
    number = e.arg(op.args[2])
    if item != "i64":
        number = e.value(f"trunc i64 {number} to {item}")
    if swap is not None:
        number = e.value(f"call {item} {swap}({item} {number})")
    e.line(f"store {item} {number}, ptr {place}, align 1")


@emits(ops.GUARD_ARRAY_TYPECODE)
def emit_guard_array_typecode(e: Emitter, op: Operation) -> None:
    descr = e.load("ptr", e.arg(op.args[0]), e.layout.array_descr)
    typecode = e.load("i8", descr, e.layout.arraydescr_typecode)
    e.guard(op, e.value(f"icmp eq i8 {typecode}, {ord(op.descr)}"))


def _array_place(e: Emitter, op: Operation) -> tuple[str, str]:
    """LLVM type and address of the item that an array operation is about."""
    data = e.load("ptr", e.arg(op.args[0]), e.layout.array_items)
    item = _ITEM_TYPES[op.descr]
    return item, e.value(f"getelementptr {item}, ptr {data}, i64 {e.arg(op.args[1])}")


@emits(ops.ARRAY_GETITEM_I)
def emit_array_getitem_i(e: Emitter, op: Operation) -> None:
    item, place = _array_place(e, op)
    value = e.value(f"load {item}, ptr {place}")
    if item != "i64":
        extend = "zext" if op.descr.isupper() else "sext"
        value = e.value(f"{extend} {item} {value} to i64")
    holds = e.value(f"icmp sge i64 {value}, 0") if op.descr in "LQ" else "true"
    e.guard(op, holds)
    e.alias(op, value)


@emits(ops.ARRAY_GETITEM_F)
def emit_array_getitem_f(e: Emitter, op: Operation) -> None:
    item, place = _array_place(e, op)
    value = e.value(f"load {item}, ptr {place}")
    e.alias(op, e.value(f"fpext float {value} to double") if item == "float" else value)


@emits(ops.ARRAY_SETITEM_I)
def emit_array_setitem_i(e: Emitter, op: Operation) -> None:
    item, place = _array_place(e, op)
    value = e.arg(op.args[2])
    if item != "i64":
        value = e.value(f"trunc i64 {value} to {item}")
    e.line(f"store {item} {value}, ptr {place}")


@emits(ops.ARRAY_SETITEM_F)
def emit_array_setitem_f(e: Emitter, op: Operation) -> None:
    item, place = _array_place(e, op)
    value = e.arg(op.args[2])
    if item == "float":
        value = e.value(f"fptrunc double {value} to float")
    e.line(f"store {item} {value}, ptr {place}")
