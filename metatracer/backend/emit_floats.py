"""LLVM text of the float operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metatracer.backend.emit import Emitter, emits
from metatracer.ir import opcodes as ops

if TYPE_CHECKING:
    from metatracer.ir.values import Operation

_BINARY = {"float_add": "fadd", "float_sub": "fsub", "float_mul": "fmul", "float_truediv": "fdiv"}
_INTRINSICS = {"float_abs": "fabs", "float_sqrt": "sqrt", "float_floor": "floor"}
# With NaN every comparison is false except !=, hence the one unordered predicate.
_COMPARISONS = {"lt": "olt", "le": "ole", "eq": "oeq", "ne": "une", "gt": "ogt", "ge": "oge"}
_LIMIT, _MINUS_LIMIT = "0x43DFEB3DD0676600", "0xC3DFEB3DD0676600"
"""9.2e18 and -9.2e18 as LLVM spells them."""


@emits(ops.FLOAT_ADD, ops.FLOAT_SUB, ops.FLOAT_MUL, ops.FLOAT_TRUEDIV)
def emit_binary(e: Emitter, op: Operation) -> None:
    left, right = op.args
    e.result(op, f"{_BINARY[op.opcode.name]} double {e.arg(left)}, {e.arg(right)}")


@emits(ops.FLOAT_NEG)
def emit_neg(e: Emitter, op: Operation) -> None:
    e.result(op, f"fneg double {e.arg(op.args[0])}")


@emits(ops.FLOAT_ABS, ops.FLOAT_SQRT, ops.FLOAT_FLOOR)
def emit_intrinsic(e: Emitter, op: Operation) -> None:
    intrinsic = f"@llvm.{_INTRINSICS[op.opcode.name]}.f64"
    e.declare(f"declare double {intrinsic}(double)")
    e.result(op, f"call double {intrinsic}(double {e.arg(op.args[0])})")


@emits(ops.FLOAT_LT, ops.FLOAT_LE, ops.FLOAT_EQ, ops.FLOAT_NE, ops.FLOAT_GT, ops.FLOAT_GE)
def emit_compare(e: Emitter, op: Operation) -> None:
    left, right = op.args
    predicate = _COMPARISONS[op.opcode.name.removeprefix("float_")]
    e.result(op, f"fcmp {predicate} double {e.arg(left)}, {e.arg(right)}")


@emits(ops.FLOAT_TO_INT)
def emit_to_int(e: Emitter, op: Operation) -> None:
    value = e.arg(op.args[0])
    above = e.value(f"fcmp ogt double {value}, {_MINUS_LIMIT}")
    below = e.value(f"fcmp olt double {value}, {_LIMIT}")
    e.guard(op, e.value(f"and i1 {above}, {below}"))
    e.result(op, f"fptosi double {value} to i64")
