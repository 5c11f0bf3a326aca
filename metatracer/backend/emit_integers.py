"""LLVM text of the integer and truth operations.

Division follows Python (towards minus infinity). A divisor that is a constant power of two needs no division, which
matters at level 0, where LLVM would emit one. One that is no constant is asked whether it is a power of two: in most loops it
stays the same, so the branch is foretold, and a mask or a shift takes a tenth of a division's time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metatracer.backend.emit import Emitter, emits
from metatracer.ir import opcodes as ops
from metatracer.ir.values import Const, Operation, Value

if TYPE_CHECKING:
    from collections.abc import Callable

_BINARY = {
    "int_add": "add",
    "int_sub": "sub",
    "int_mul": "mul",
    "int_and": "and",
    "int_or": "or",
    "int_xor": "xor",
    "int_lshift": "shl",
    "int_rshift": "ashr",
    "uint_rshift": "lshr",
}
_COMPARISONS = {"lt": "slt", "le": "sle", "eq": "eq", "ne": "ne", "gt": "sgt", "ge": "sge"}
_OVERFLOWING = {"int_add_ovf": "sadd", "int_sub_ovf": "ssub", "int_mul_ovf": "smul"}


@emits(
    ops.INT_ADD, ops.INT_SUB, ops.INT_MUL, ops.INT_AND, ops.INT_OR, ops.INT_XOR, ops.INT_LSHIFT, ops.INT_RSHIFT,
    ops.UINT_RSHIFT,
)  # fmt: skip
def emit_binary(e: Emitter, op: Operation) -> None:
    left, right = op.args
    e.result(op, f"{_BINARY[op.opcode.name]} i64 {e.arg(left)}, {e.arg(right)}")


@emits(ops.INT_NEG)
def emit_neg(e: Emitter, op: Operation) -> None:
    e.result(op, f"sub i64 0, {e.arg(op.args[0])}")


@emits(ops.INT_INVERT)
def emit_invert(e: Emitter, op: Operation) -> None:
    e.result(op, f"xor i64 {e.arg(op.args[0])}, -1")


def _power_of_two(value: Value) -> int | None:
    if isinstance(value, Const) and value.value > 0 and value.value & (value.value - 1) == 0:
        return int(value.value).bit_length() - 1
    return None


@emits(ops.INT_FLOORDIV)
def emit_floordiv(e: Emitter, op: Operation) -> None:
    left, right = (e.arg(value) for value in op.args)

    def divide() -> str:
        quotient = e.value(f"sdiv i64 {left}, {right}")
        product = e.value(f"mul i64 {quotient}, {right}")
        remainder = e.value(f"sub i64 {left}, {product}")
        adjust = _signs_differ(e, remainder, right)
        step = e.value(f"sext i1 {adjust} to i64")
        return e.value(f"add i64 {quotient}, {step}")

    _emit_division(e, op, "ashr", divide)


@emits(ops.INT_MOD)
def emit_mod(e: Emitter, op: Operation) -> None:
    left, right = (e.arg(value) for value in op.args)

    def divide() -> str:
        remainder = e.value(f"srem i64 {left}, {right}")
        adjust = _signs_differ(e, remainder, right)
        step = e.value(f"select i1 {adjust}, i64 {right}, i64 0")
        return e.value(f"add i64 {remainder}, {step}")

    _emit_division(e, op, "and", divide)


@emits(ops.UINT_FLOORDIV)
def emit_uint_floordiv(e: Emitter, op: Operation) -> None:
    left, right = (e.arg(value) for value in op.args)
    _emit_division(e, op, "lshr", lambda: e.value(f"udiv i64 {left}, {right}"))


@emits(ops.UINT_MOD)
def emit_uint_mod(e: Emitter, op: Operation) -> None:
    left, right = (e.arg(value) for value in op.args)
    _emit_division(e, op, "and", lambda: e.value(f"urem i64 {left}, {right}"))


def _emit_division(e: Emitter, op: Operation, instead: str, divide: Callable[[], str]) -> None:
    """A quotient or remainder: by `instead` (a shift, or "and") of a power of two, else by what `divide` emits."""
    left, right = op.args
    is_mask = instead == "and"
    if isinstance(right, Const):
        shift = _power_of_two(right)
        if shift is None:
            e.alias(op, divide())
        else:
            e.result(op, f"{instead} i64 {e.arg(left)}, {(1 << shift) - 1 if is_mask else shift}")
        return
    divisor = e.arg(right)
    less = e.value(f"add i64 {divisor}, -1")
    bits = e.value(f"and i64 {divisor}, {less}")
    if op.opcode is ops.INT_MOD or op.opcode is ops.INT_FLOORDIV:  # one of the lowest number is none
        bits = e.value(f"or i64 {bits}, {e.value(f'ashr i64 {divisor}, 63')}")
    single, other, done = (e.new_label(stem) for stem in "pod")
    e.line(f"br i1 {e.value(f'icmp eq i64 {bits}, 0')}, label %{single}, label %{other}")
    e.block(single)
    if not is_mask:
        e.declare("declare i64 @llvm.cttz.i64(i64, i1)")
        less = e.value(f"call i64 @llvm.cttz.i64(i64 {divisor}, i1 true)")
    fast = e.value(f"{instead} i64 {e.arg(left)}, {less}")
    e.line(f"br label %{done}")
    e.block(other)
    slow = divide()
    e.line(f"br label %{done}")
    e.block(done)
    e.result(op, f"phi i64 [{fast}, %{single}], [{slow}, %{other}]")


def _signs_differ(e: Emitter, remainder: str, divisor: str) -> str:
    """An i1: the remainder is not 0 and its sign is not the divisor's."""
    mixed = e.value(f"xor i64 {remainder}, {divisor}")
    differ = e.value(f"icmp slt i64 {mixed}, 0")
    uneven = e.value(f"icmp ne i64 {remainder}, 0")
    return e.value(f"and i1 {differ}, {uneven}")


@emits(ops.INT_ADD_OVF, ops.INT_SUB_OVF, ops.INT_MUL_OVF)
def emit_overflowing(e: Emitter, op: Operation) -> None:
    intrinsic = f"@llvm.{_OVERFLOWING[op.opcode.name]}.with.overflow.i64"
    e.declare(f"declare {{i64, i1}} {intrinsic}(i64, i64)")
    left, right = op.args
    pair = e.value(f"call {{i64, i1}} {intrinsic}(i64 {e.arg(left)}, i64 {e.arg(right)})")
    overflow = e.value(f"extractvalue {{i64, i1}} {pair}, 1")
    holds = e.value(f"xor i1 {overflow}, true")
    result = e.value(f"extractvalue {{i64, i1}} {pair}, 0")
    e.guard(op, holds)
    e.alias(op, result)


@emits(ops.INT_LSHIFT_OVF)
def emit_lshift_overflowing(e: Emitter, op: Operation) -> None:
    left, right = (e.arg(value) for value in op.args)
    result = e.value(f"shl i64 {left}, {right}")
    back = e.value(f"ashr i64 {result}, {right}")
    e.guard(op, e.value(f"icmp eq i64 {back}, {left}"))
    e.alias(op, result)


@emits(
    ops.INT_LT, ops.INT_LE, ops.INT_EQ, ops.INT_NE, ops.INT_GT, ops.INT_GE,
    ops.UINT_LT, ops.UINT_LE, ops.UINT_GT, ops.UINT_GE,
)  # fmt: skip
def emit_compare(e: Emitter, op: Operation) -> None:
    family, relation = op.opcode.name.split("_")
    predicate = _COMPARISONS[relation]
    if family == "uint":
        predicate = "u" + predicate[1:]
    left, right = op.args
    e.result(op, f"icmp {predicate} i64 {e.arg(left)}, {e.arg(right)}")


@emits(ops.INT_TO_FLOAT)
def emit_to_float(e: Emitter, op: Operation) -> None:
    e.result(op, f"sitofp i64 {e.arg(op.args[0])} to double")


@emits(ops.BOOL_NOT)
def emit_not(e: Emitter, op: Operation) -> None:
    e.result(op, f"xor i1 {e.arg(op.args[0])}, true")


@emits(ops.BOOL_TO_INT)
def emit_bool_to_int(e: Emitter, op: Operation) -> None:
    e.result(op, f"zext i1 {e.arg(op.args[0])} to i64")


@emits(ops.UINT_BIT_LENGTH)
def emit_uint_bit_length(e: Emitter, op: Operation) -> None:
    e.declare("declare i64 @llvm.ctlz.i64(i64, i1)")
    zeros = e.value(f"call i64 @llvm.ctlz.i64(i64 {e.arg(op.args[0])}, i1 false)")
    e.result(op, f"sub i64 64, {zeros}")


@emits(ops.UINT_BIT_COUNT)
def emit_uint_bit_count(e: Emitter, op: Operation) -> None:
    e.declare("declare i64 @llvm.ctpop.i64(i64)")
    e.result(op, f"call i64 @llvm.ctpop.i64(i64 {e.arg(op.args[0])})")
