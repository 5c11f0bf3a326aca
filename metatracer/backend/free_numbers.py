"""Free lists of numbers, and the machine code that makes them.

The functions are: ::

    ptr box_int(i64 value)          what PyLong_FromLongLong gives
    ptr box_float(double value)     what PyFloat_FromDouble gives

CPython keeps the memory of a hundred freed floats and of no int, and both come and go by way of several functions of libpython.
Here the memory is kept of numbers that traces free (`freeing_code`): of ints of one digit, of ints of two digits, and
of floats, each for its like. What is longer is CPython's.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

from metatracer.backend.free_lists import put, take_object
from metatracer.backend.layout import INT_DIGIT_BITS, layout
from metatracer.backend.llvm import symbol_address
from metatracer.backend.operands import pointer

if TYPE_CHECKING:
    from metatracer.backend.layout import Layout

_FLOATS = 2
"""The number of the list of floats; those of ints are 0 and 1."""


class _Numbers(ctypes.Structure):
    """By the number of the list: its first, and how many it has."""

    _fields_ = (("heads", ctypes.c_void_p * 3), ("counts", ctypes.c_uint32 * 3))


_numbers = _Numbers()
_HEADS = ctypes.addressof(_numbers)
_COUNTS = _HEADS + _Numbers.counts.offset
REGION = (_HEADS, ctypes.sizeof(_numbers))
"""Address and size of the memory that the functions here index."""


def box_texts(no_memory: str) -> str:
    """LLVM text of the functions; `no_memory` is one that does not return."""
    return _box_int(no_memory) + _box_float(no_memory)


def _allocate(function: str, value: str, no_memory: str) -> str:
    return f"""allocate:
  %made = call ptr {pointer(symbol_address(function))}({value} %value)
  %none = icmp eq ptr %made, null
  br i1 %none, label %nomemory, label %done
done:
  ret ptr %made
nomemory:
  call void @{no_memory}() noreturn
  unreachable
}}"""


def _box_int(no_memory: str) -> str:
    figures = layout()
    lowest, count = figures.small_int_min, figures.small_int_max - figures.small_int_min + 1
    if figures.int_tagged:
        size = """  %digits = shl i64 %length, 3
  %sign = select i1 %negative, i64 2, i64 0
  %size = or i64 %digits, %sign"""
    else:
        size = """  %minus.size = sub i64 0, %length
  %size = select i1 %negative, i64 %minus.size, i64 %length"""
    retain = "" if figures.has_immortal else """  %refs = load i64, ptr %small
  %more = add i64 %refs, 1
  store i64 %more, ptr %small
"""  # fmt: skip
    return f"""
define ptr @box_int(i64 %value) nounwind {{
  %offset = sub i64 %value, {lowest}
  %isshared = icmp ult i64 %offset, {count}
  br i1 %isshared, label %shared, label %sized
shared:
  %place = mul i64 %value, {figures.small_int_stride}
  %small = getelementptr i8, ptr {pointer(figures.small_int_base)}, i64 %place
{retain}  ret ptr %small
sized:
  %negative = icmp slt i64 %value, 0
  %minus = sub i64 0, %value
  %magnitude = select i1 %negative, i64 %minus, i64 %value
  %beyond = lshr i64 %magnitude, {2 * INT_DIGIT_BITS}
  %fits = icmp eq i64 %beyond, 0
  br i1 %fits, label %look, label %allocate
look:
  %high = lshr i64 %magnitude, {INT_DIGIT_BITS}
  %iswide = icmp ne i64 %high, 0
  %index = zext i1 %iswide to i64
{take_object(_HEADS, _COUNTS, "%index", figures.int_size)}
  %length = add i64 %index, 1
{size}
  store i64 %size, ptr %linkp
  %low = and i64 %magnitude, {(1 << INT_DIGIT_BITS) - 1}
  %digit0 = trunc i64 %low to i32
  %place0 = getelementptr i8, ptr %head, i64 {figures.int_digits}
  store i32 %digit0, ptr %place0
  br i1 %iswide, label %wide, label %ready
wide:
  %digit1 = trunc i64 %high to i32
  %place1 = getelementptr i8, ptr %head, i64 {figures.int_digits + 4}
  store i32 %digit1, ptr %place1
  br label %ready
ready:
  ret ptr %head
{_allocate("PyLong_FromLongLong", "i64", no_memory)}"""


def _box_float(no_memory: str) -> str:
    figures = layout()
    return f"""
define ptr @box_float(double %value) nounwind {{
{take_object(_HEADS, _COUNTS, str(_FLOATS), figures.float_value)}
  store double %value, ptr %linkp
  ret ptr %head
{_allocate("PyFloat_FromDouble", "double", no_memory)}"""


def free_blocks(figures: Layout) -> str:
    """The blocks from `int` and from `float`: they free %object and return, or go to block `other`."""
    if figures.int_tagged:
        count = "  %digits.n = lshr i64 %size.n, 3"
    else:
        count = "  %digits.n = call i64 @llvm.abs.i64(i64 %size.n, i1 true)"
    return f"""int:
  %sizep.n = getelementptr i8, ptr %object, i64 {figures.int_size}
  %size.n = load i64, ptr %sizep.n
{count}
  %index.n = sub i64 %digits.n, 1
  %short.n = icmp ult i64 %index.n, 2
  br i1 %short.n, label %ours.n, label %other
ours.n:
{put("n", _HEADS, _COUNTS, "%index.n", "%object", "%sizep.n", "PyObject_Free")}
given.n:
  ret void
float:
  %valuep.f = getelementptr i8, ptr %object, i64 {figures.float_value}
{put("f", _HEADS, _COUNTS, str(_FLOATS), "%object", "%valuep.f", "PyObject_Free")}
given.f:
  ret void"""
