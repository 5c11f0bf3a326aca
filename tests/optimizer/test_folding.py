"""Constant folding and algebra."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest
import z3

from metatracer.ir.opcodes import OPCODES
from metatracer.optimizer.folding import RULES, Algebra, Rule
from tests.optimizer.text import check, optimized, unchanged

FOLD = {"fold"}
ALGEBRA = {"fold", "algebra"}


def test_constant_operands_fold() -> None:
    check("t(r0)\n i1 = int_mul(6, 7)\n r2 = int_box(i1)\n finish(r2)", "t(r0)\n r1 = int_box(42)\n finish(r1)", FOLD)


def test_division_by_constant_zero_is_left_alone() -> None:
    unchanged("t(r0)\n i1 = int_mod(6, 0)\n r2 = int_box(i1)\n finish(r2)", FOLD)


def test_shift_by_too_much_is_left_alone() -> None:
    unchanged("t(r0)\n i1 = int_lshift(6, 64)\n r2 = int_box(i1)\n finish(r2)", FOLD)


def test_overflow_check_that_passes_folds() -> None:
    check(
        "t(r0)\n i1 = int_add_ovf(6, 7) -> [r0]\n r2 = int_box(i1)\n finish(r2)",
        "t(r0)\n r1 = int_box(13)\n finish(r1)",
        FOLD,
    )


def test_overflow_check_that_fails_is_kept() -> None:
    unchanged(f"t(r0)\n i1 = int_add_ovf({2**63 - 1}, 7) -> [r0]\n r2 = int_box(i1)\n finish(r2)", FOLD)


def test_pure_call_folds_with_its_guard() -> None:
    check(
        "t(r0)\n r1 = call_c_r('a', 'b') {str_concat}\n guard_no_exception(r1) -> [r0]\n finish(r1)",
        "t(r0)\n finish('ab')",
        FOLD,
    )


def test_pure_call_that_raises_is_kept() -> None:
    unchanged(
        "t(r0)\n r1 = call_c_r(&1, &0) {pure_number_floordivide}\n guard_no_exception(r1) -> [r0]\n finish(r1)", FOLD
    )


def test_huge_power_is_not_tried() -> None:
    unchanged(
        "t(r0)\n r1 = call_c_r(&9, &999999999, None) {pure_number_power}\n guard_no_exception(r1) -> [r0]\n finish(r1)",
        FOLD,
    )


def test_modulo_by_power_of_two_is_a_mask() -> None:
    check(
        "t(r0: int)\n i1 = int_unbox(r0) -> [r0]\n i2 = int_mod(i1, 8)\n r3 = int_box(i2)\n finish(r3)",
        "t(r0: int)\n i1 = int_unbox(r0) -> [r0]\n i2 = int_and(i1, 7)\n r3 = int_box(i2)\n finish(r3)",
        ALGEBRA,
    )


def test_floor_division_by_power_of_two_is_a_shift() -> None:
    check(
        "t(r0: int)\n i1 = int_unbox(r0) -> [r0]\n i2 = int_floordiv(i1, 8)\n r3 = int_box(i2)\n finish(r3)",
        "t(r0: int)\n i1 = int_unbox(r0) -> [r0]\n i2 = int_rshift(i1, 3)\n r3 = int_box(i2)\n finish(r3)",
        ALGEBRA,
    )


@pytest.mark.parametrize(
    "operation", ["float_add(f1, 0.0)", "float_mul(f1, 0.0)", "float_sub(0.0, f1)", "float_sub(f1, f1)"]
)
def test_inexact_float_identity_is_not_used(operation: str) -> None:
    unchanged(f"t(r0: float)\n f1 = float_unbox(r0)\n f2 = {operation}\n r3 = float_box(f2)\n finish(r3)", ALGEBRA)


# --- every rule is true, and used -------------------------------------------------------------------------------------


def _kinds(rule: Rule) -> dict[str, str]:
    """The kind of each variable of a rule."""
    kinds: dict[str, str] = {}

    def walk(pattern: Any, kind: str) -> None:
        if isinstance(pattern, str):
            kinds[pattern] = kind
        elif isinstance(pattern, tuple):
            for part, inner in zip(pattern[1:], OPCODES[pattern[0]].args, strict=True):
                walk(part, inner)

    for part, kind in zip(rule.pattern, OPCODES[rule.opcode].args, strict=True):
        walk(part, kind)
    return kinds


Z3_OPERATIONS: dict[str, Any] = {
    "int_add": lambda a, b: a + b,
    "int_sub": lambda a, b: a - b,
    "int_mul": lambda a, b: a * b,
    "int_and": lambda a, b: a & b,
    "int_or": lambda a, b: a | b,
    "int_xor": lambda a, b: a ^ b,
    "int_neg": lambda a: -a,
    "int_invert": lambda a: ~a,
    "int_lshift": lambda a, b: a << b,
    "int_rshift": lambda a, b: a >> b,
    "uint_rshift": z3.LShR,
    # Python's // and % with the divisor 1, the only one in the rules.
    "int_floordiv": lambda a, b: a / b,
    "int_mod": lambda a, b: z3.SRem(a, b),
    "uint_floordiv": z3.UDiv,
    "uint_mod": z3.URem,
    "int_lt": lambda a, b: a < b,
    "int_le": lambda a, b: a <= b,
    "int_eq": lambda a, b: a == b,
    "int_ne": lambda a, b: a != b,
    "int_gt": lambda a, b: a > b,
    "int_ge": lambda a, b: a >= b,
    "uint_lt": z3.ULT,
    "uint_le": z3.ULE,
    "uint_gt": z3.UGT,
    "uint_ge": z3.UGE,
    "bool_not": z3.Not,
    "bool_to_int": lambda a: z3.If(a, z3.BitVecVal(1, 64), z3.BitVecVal(0, 64)),
}


def _z3(pattern: Any, kind: str, variables: dict[str, Any]) -> Any:
    if isinstance(pattern, str):
        return variables[pattern]
    if isinstance(pattern, tuple):
        row = OPCODES[pattern[0]]
        return Z3_OPERATIONS[row.name](*[_z3(p, k, variables) for p, k in zip(pattern[1:], row.args, strict=True)])
    return z3.BoolVal(pattern) if kind == "b" else z3.BitVecVal(pattern, 64)


def _is_integral(rule: Rule) -> bool:
    return rule.opcode.startswith(("int_", "uint_", "bool_"))


@pytest.mark.parametrize("rule", [rule for rule in RULES if _is_integral(rule)], ids=str)
def test_integer_rule_is_proved(rule: Rule) -> None:
    # A check that passes has the wrapping result, so the wrapping operation is what is to be proved.
    opcode = rule.opcode.removesuffix("_ovf")
    variables = {name: z3.Bool(name) if kind == "b" else z3.BitVec(name, 64) for name, kind in _kinds(rule).items()}
    left = _z3((opcode, *rule.pattern), "", variables)
    right = _z3(rule.result, OPCODES[opcode].result, variables)
    solver = z3.Solver()
    solver.add(left != right)
    assert solver.check() == z3.unsat


def test_checked_rules_never_overflow() -> None:
    for rule in RULES:
        if rule.opcode.endswith("_ovf"):
            for value in (-(2**63), -1, 0, 1, 2**63 - 1):
                args = [value if part == "x" else part for part in rule.pattern]
                assert OPCODES[rule.opcode].evaluate(*args) == (value if rule.result == "x" else rule.result)  # type: ignore[misc]


FLOATS = [0.0, -0.0, 1.0, -1.0, 1.5, math.inf, -math.inf, math.nan, 5e-324, 2.0**53, -(2.0**1023)]


def _evaluate(pattern: Any, variables: dict[str, Any]) -> Any:
    if isinstance(pattern, str):
        return variables[pattern]
    if isinstance(pattern, tuple):
        return OPCODES[pattern[0]].evaluate(*[_evaluate(part, variables) for part in pattern[1:]])  # type: ignore[misc]
    return pattern


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.opcode.startswith("float_")], ids=str)
def test_float_rule_is_exact(rule: Rule) -> None:
    for x in FLOATS:
        for y in FLOATS:
            left = _evaluate((rule.opcode, *rule.pattern), {"x": x, "y": y})
            right = _evaluate(rule.result, {"x": x, "y": y})
            if isinstance(left, float) and left != left:
                assert right != right
            else:
                assert left == right, (x, y)
                assert struct.pack("d", left) == struct.pack("d", right), (x, y)


def test_every_rule_fires() -> None:
    Algebra.fired = set()
    try:
        for rule in RULES:
            optimized(_example(rule), {"algebra"})
        assert Algebra.fired == set(RULES)
    finally:
        Algebra.fired = None


def _example(rule: Rule) -> str:
    """A trace in which a rule applies."""
    lines: list[str] = []
    sources = {
        "i": "int_unbox(r0) -> [r0]",
        "f": "float_unbox(r0)",
        "b": "bool_unbox(r0)",
        "r": "getfield(r0) {W_Int.value}",
    }
    written: dict[str, str] = {}
    count = iter(range(1, 100))

    def value(pattern: Any, kind: str) -> str:
        if isinstance(pattern, str):
            if pattern not in written:
                written[pattern] = f"{kind}{next(count)}"
                lines.append(f" {written[pattern]} = {sources[kind]}")
            return written[pattern]
        if isinstance(pattern, tuple):
            row = OPCODES[pattern[0]]
            args = [value(part, inner) for part, inner in zip(pattern[1:], row.args, strict=True)]
            name = f"{row.result}{next(count)}"
            lines.append(f" {name} = {row.name}({', '.join(args)})" + (" -> [r0]" if row.is_guard else ""))
            return name
        return str(pattern).lower()

    value((rule.opcode, *rule.pattern), "")
    return "t(r0)\n" + "\n".join(lines) + "\n finish(r0)"
