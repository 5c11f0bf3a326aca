"""LLVM text of boxing and unboxing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metatracer.backend.emit import Emitter, emits
from metatracer.backend.emit_exits import SecondLook
from metatracer.backend.layout import INT_DIGIT_BITS
from metatracer.backend.operands import pointer
from metatracer.ir import opcodes as ops

if TYPE_CHECKING:
    from metatracer.ir.values import Operation


@emits(ops.INT_BOX)
def emit_int_box(e: Emitter, op: Operation) -> None:
    """The shared object for small values, as the interpreter has it."""
    e.alias(op, e.call("ptr", "box_int", e.typed(op.args[0])))


@emits(ops.UINT_BOX)
def emit_uint_box(e: Emitter, op: Operation) -> None:
    e.alias(op, e.allocated(e.call("ptr", "PyLong_FromUnsignedLongLong", e.typed(op.args[0]))))


@emits(ops.FLOAT_BOX)
def emit_float_box(e: Emitter, op: Operation) -> None:
    e.alias(op, e.call("ptr", "box_float", e.typed(op.args[0])))


@emits(ops.BOOL_BOX)
def emit_bool_box(e: Emitter, op: Operation) -> None:
    true, false = pointer(e.layout.true_address), pointer(e.layout.false_address)
    e.result(op, f"select i1 {e.arg(op.args[0])}, ptr {true}, ptr {false}")


@emits(ops.INT_UNBOX, ops.INT_OF_SUBCLASS)
def emit_int_unbox(e: Emitter, op: Operation) -> None:
    """Ints of one and two digits inline; others by a C function that also tells when 64 bits are not enough."""
    number = e.arg(op.args[0])
    size = e.load("i64", number, e.layout.int_size)
    low = e.value(f"zext i32 {e.load('i32', number, e.layout.int_digits)} to i64")
    if e.layout.int_tagged:
        sign_bits = e.value(f"and i64 {size}, 3")
        sign = e.value(f"sub i64 1, {sign_bits}")
        compact = e.value(f"icmp ult i64 {size}, 16")
    else:
        sign = size
        shifted = e.value(f"add i64 {size}, 1")
        compact = e.value(f"icmp ult i64 {shifted}, 3")
    small = e.value(f"mul i64 {sign}, {low}")
    e.alias(op, e.temporary())
    e.guard(op, compact, second=_second_look(e, e.arg(op), number, size, small, low))


def _second_look(e: Emitter, result: str, number: str, size: str, small: str, low: str) -> SecondLook:
    """At an int of more than one digit whose lowest is `low`."""
    look, wide, ask, done = (e.new_label(name) for name in "swaj")
    main, e.lines = e.lines, []
    if e.layout.int_tagged:
        is_wide = e.value(f"icmp eq i64 {e.value(f'and i64 {size}, -8')}, 16")
        sign = e.value(f"sub i64 1, {e.value(f'and i64 {size}, 3')}")
    else:
        shifted = e.value(f"add i64 {size}, 2")
        is_wide = e.value(f"icmp eq i64 {e.value(f'and i64 {shifted}, -5')}, 0")
        sign = e.value(f"ashr i64 {size}, 1")
    e.line(f"br i1 {is_wide}, label %{wide}, label %{ask}")
    e.lines.append(f"{wide}:")
    high = e.value(f"zext i32 {e.load('i32', number, e.layout.int_digits + 4)} to i64")
    magnitude = e.value(f"or i64 {e.value(f'shl i64 {high}, {INT_DIGIT_BITS}')}, {low}")
    medium = e.value(f"mul i64 {sign}, {magnitude}")
    e.line(f"br label %{done}")
    e.lines.append(f"{ask}:")
    asked = e.call("i64", "PyLong_AsLongLongAndOverflow", f"ptr {number}, ptr {e.overflow_slot()}")
    fits = e.value(f"icmp eq i32 {e.value(f'load i32, ptr {e.overflow_slot()}')}, 0")
    e.line(f"br label %{done}")
    e.lines.append(f"{done}:")
    large = e.value(f"phi i64 [{medium}, %{wide}], [{asked}, %{ask}]")
    holds = e.value(f"phi i1 [true, %{wide}], [{fits}, %{ask}]")
    lines, e.lines = e.lines, main
    return SecondLook(look, lines, done, holds, result, "i64", small, large)


@emits(ops.INT_TRUNCATE)
def emit_int_truncate(e: Emitter, op: Operation) -> None:
    """Which cannot fail for an int."""
    e.alias(op, e.call("i64", "PyLong_AsUnsignedLongLongMask", e.typed(op.args[0])))


@emits(ops.UINT_UNBOX)
def emit_uint_unbox(e: Emitter, op: Operation) -> None:
    """Ints of three digits inline, as most numbers of 64 bits are; shorter ones by a C function."""
    number = e.arg(op.args[0])
    size = e.load("i64", number, e.layout.int_size)
    if e.layout.int_tagged:
        size = e.value(f"and i64 {size}, -5")  # without the bit that says nothing of the value
        is_long = e.value(f"icmp eq i64 {size}, 24")
    else:
        is_long = e.value(f"icmp eq i64 {size}, 3")
    inline, slow, done = e.new_label("w"), e.new_label("s"), e.new_label("u")
    e.likely(is_long, inline, slow)
    e.block(inline)
    digits = [e.value(f"zext i32 {e.load('i32', number, e.layout.int_digits + 4 * place)} to i64") for place in range(3)]
    middle, high = e.value(f"shl i64 {digits[1]}, 30"), e.value(f"shl i64 {digits[2]}, 60")
    large = e.value(f"or i64 {e.value(f'or i64 {digits[0]}, {middle}')}, {high}")
    large_fits = e.value(f"icmp ult i64 {digits[2]}, 16")
    e.line(f"br label %{done}")
    small, small_fits, sign, is_positive, is_short = (e.temporary() for _ in range(5))
    e.cold += [
        f"{slow}:",
        f"  {small} = call i64 {e.function('PyLong_AsUnsignedLongLongMask')}(ptr {number})",
        f"  {sign} = and i64 {size}, {2 if e.layout.int_tagged else 0}",
        f"  {is_positive} = icmp eq i64 {sign}, 0",
        f"  {is_short} = icmp ult i64 {size}, {24 if e.layout.int_tagged else 3}",
        f"  {small_fits} = and i1 {is_positive}, {is_short}",
        f"  br label %{done}",
    ]
    e.block(done)
    holds = e.value(f"phi i1 [{large_fits}, %{inline}], [{small_fits}, %{slow}]")
    result = e.value(f"phi i64 [{large}, %{inline}], [{small}, %{slow}]")
    e.guard(op, holds)
    e.alias(op, result)


@emits(ops.FLOAT_UNBOX)
def emit_float_unbox(e: Emitter, op: Operation) -> None:
    e.alias(op, e.load("double", e.arg(op.args[0]), e.layout.float_value))


@emits(ops.BOOL_UNBOX)
def emit_bool_unbox(e: Emitter, op: Operation) -> None:
    e.result(op, f"icmp eq ptr {e.arg(op.args[0])}, {pointer(e.layout.true_address)}")
