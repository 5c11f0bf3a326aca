"""Machine code of operations on strings and sequences that is too long for a trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metatracer.backend.layout import STR_COMPACT_ASCII, layout

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_DIGITS = 20
"""Characters of the decimal form of a 64-bit integer, with its sign."""
_ONE_BYTE_KIND = 1
"""PyUnicode_1BYTE_KIND."""


def append_text(symbol: Callable[[str], str]) -> str:
    """`str_append`: the concatenation of two strings, which consumes the left one unless it raises.

    It grows in place if nobody else refers to it, as CPython does for ``s += t`` (`unicode_concatenate`).

    Args:
        symbol: Gives the operand of a C function.
    """
    figures = layout()
    interned, compact_ascii = 0b11, STR_COMPACT_ASCII
    return f"""
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
define ptr @str_append(ptr %left, ptr %right) nounwind {{
  %place = alloca ptr
  %count = load i64, ptr %left
  %alone = icmp eq i64 %count, 1
  %hashp = getelementptr i8, ptr %left, i64 {figures.str_hash}
  %hash = load i64, ptr %hashp
  %unhashed = icmp eq i64 %hash, -1
  %lstatep = getelementptr i8, ptr %left, i64 {figures.str_state}
  %lstate = load i32, ptr %lstatep
  %lbits = and i32 %lstate, {compact_ascii | interned}
  %lascii = icmp eq i32 %lbits, {compact_ascii}
  %rstatep = getelementptr i8, ptr %right, i64 {figures.str_state}
  %rstate = load i32, ptr %rstatep
  %rbits = and i32 %rstate, {compact_ascii}
  %rascii = icmp eq i32 %rbits, {compact_ascii}
  %a = and i1 %alone, %unhashed
  %b = and i1 %lascii, %rascii
  %mine = and i1 %a, %b
  br i1 %mine, label %grow, label %make
grow:
  store ptr %left, ptr %place
  %llenp = getelementptr i8, ptr %left, i64 {figures.str_length}
  %llen = load i64, ptr %llenp
  %rlenp = getelementptr i8, ptr %right, i64 {figures.str_length}
  %rlen = load i64, ptr %rlenp
  %length = add i64 %llen, %rlen
  %failed = call i32 {symbol("PyUnicode_Resize")}(ptr %place, i64 %length)
  %ok = icmp eq i32 %failed, 0
  br i1 %ok, label %copy, label %error
copy:
  %grown = load ptr, ptr %place
  %chars = getelementptr i8, ptr %grown, i64 {figures.str_ascii_data}
  %to = getelementptr i8, ptr %chars, i64 %llen
  %from = getelementptr i8, ptr %right, i64 {figures.str_ascii_data}
  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %from, i64 %rlen, i1 false)
  ret ptr %grown
error:
  ret ptr null
make:
  %new = call ptr {symbol("PyUnicode_Concat")}(ptr %left, ptr %right)
  %none = icmp eq ptr %new, null
  br i1 %none, label %error, label %drop
drop:
  call void {symbol("Py_DecRef")}(ptr %left)
  ret ptr %new
}}"""


def slice_texts(symbol: Callable[[str], str]) -> str:
    """`bytes_slice`, `str_slice` and `tuple_slice`: the slice between two integers, or NULL with MemoryError.

    Args:
        symbol: Gives the operand of a C function.
    """
    figures = layout()
    texts = ["declare i64 @llvm.smin.i64(i64, i64)", "declare i64 @llvm.smax.i64(i64, i64)"]
    for name, function in (("str_slice", "PyUnicode_Substring"), ("tuple_slice", "PyTuple_GetSlice")):
        length = figures.str_length if name == "str_slice" else figures.ob_size
        texts.append(f"""
{within(name, length)}
  %part = call ptr {symbol(function)}(ptr %whole, i64 %from, i64 %to)
  ret ptr %part
}}""")
    texts.append(f"""
{within("bytes_slice", figures.ob_size)}
  %count = sub i64 %to, %from
  %all = icmp eq i64 %count, %length
  br i1 %all, label %same, label %make
same:
  call void {symbol("Py_IncRef")}(ptr %whole)
  ret ptr %whole
make:
  %chars = getelementptr i8, ptr %whole, i64 {figures.bytes_data}
  %first = getelementptr i8, ptr %chars, i64 %from
  %part = call ptr {symbol("PyBytes_FromStringAndSize")}(ptr %first, i64 %count)
  ret ptr %part
}}""")
    return "\n".join(texts)


def decimal_texts(symbol: Callable[[str], str]) -> str:
    """`bytes_of_int` and `str_of_int`: the decimal digits of an integer, or NULL with MemoryError.

    Strings of one digit are CPython's own, as they are where it makes them.

    Args:
        symbol: Gives the operand of a C function.
    """
    made = {
        "bytes_of_int": f"call ptr {symbol('PyBytes_FromStringAndSize')}(ptr %text, i64 %length)",
        "str_of_int": f"call ptr {symbol('PyUnicode_FromKindAndData')}(i32 {_ONE_BYTE_KIND}, ptr %text, i64 %length)",
    }
    return "\n".join(f"""
define ptr @{name}(i64 %number) nounwind {{
start:
  %buffer = alloca [{_MOST_DIGITS} x i8]
  %negative = icmp slt i64 %number, 0
  %opposite = sub i64 0, %number
  %size = select i1 %negative, i64 %opposite, i64 %number
  br label %digit
digit:
  %left = phi i64 [%size, %start], [%rest, %digit]
  %behind = phi i64 [{_MOST_DIGITS}, %start], [%at, %digit]
  %rest = udiv i64 %left, 10
  %tens = mul i64 %rest, 10
  %ones = sub i64 %left, %tens
  %low = trunc i64 %ones to i8
  %char = add i8 %low, {ord("0")}
  %at = sub i64 %behind, 1
  %place = getelementptr i8, ptr %buffer, i64 %at
  store i8 %char, ptr %place
  %more = icmp ne i64 %rest, 0
  br i1 %more, label %digit, label %sign
sign:
  br i1 %negative, label %minus, label %make
minus:
  %before = sub i64 %at, 1
  %front = getelementptr i8, ptr %buffer, i64 %before
  store i8 {ord("-")}, ptr %front
  br label %make
make:
  %first = phi i64 [%at, %sign], [%before, %minus]
  %text = getelementptr i8, ptr %buffer, i64 %first
  %length = sub i64 {_MOST_DIGITS}, %first
  %string = {call}
  ret ptr %string
}}""" for name, call in made.items())


def within(name: str, length: int) -> str:
    """The head of a function that takes a slice: its bounds as `%from` and `%to`, 0 <= from <= to <= length."""
    lines = [
        f"define ptr @{name}(ptr %whole, i64 %start, i64 %stop) nounwind {{",
        f"  %lengthp = getelementptr i8, ptr %whole, i64 {length}",
        "  %length = load i64, ptr %lengthp",
    ]
    for bound in ("start", "stop"):
        lines += [
            f"  %{bound}neg = icmp slt i64 %{bound}, 0",
            f"  %{bound}end = add i64 %{bound}, %length",
            f"  %{bound}any = select i1 %{bound}neg, i64 %{bound}end, i64 %{bound}",
            f"  %{bound}low = call i64 @llvm.smax.i64(i64 %{bound}any, i64 0)",
        ]
    return "\n".join([
        *lines,
        "  %from = call i64 @llvm.smin.i64(i64 %startlow, i64 %length)",
        "  %before = call i64 @llvm.smin.i64(i64 %stoplow, i64 %length)",
        "  %to = call i64 @llvm.smax.i64(i64 %before, i64 %from)",
    ])
