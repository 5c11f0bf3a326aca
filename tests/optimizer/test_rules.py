"""The algebraic rules: each is proved and applied, and some must not be."""

from __future__ import annotations

import itertools
import math
import struct
from typing import Any

import pytest
import z3

from metatracer.ir.opcodes import OPCODES, GuardFailed
from metatracer.optimizer.rewriting import Rewriter
from metatracer.optimizer.rules import DERIVED, RULES, Rule
from tests.optimizer.text import check, optimized, unchanged

ALGEBRA = {"fold", "algebra"}
RANGES = {"fold", "algebra", "ranges", "types"}
BITS = {*RANGES, "bits"}
HEAD = "t(r0: int)\n i1 = int_unbox(r0) -> [r0]\n"
TAIL = "\n r9 = int_box(i8)\n finish(r9)"


def becomes(before: str, after: str, passes: set[str] = ALGEBRA) -> None:
    """The operations that compute i8 from i1."""
    check(HEAD + before + TAIL, HEAD + after + TAIL, passes)


def test_modulo_by_power_of_two_is_a_mask() -> None:
    becomes(" i8 = int_mod(i1, 8)", " i8 = int_and(i1, 7)")


def test_floor_division_by_power_of_two_is_a_shift() -> None:
    becomes(" i8 = int_floordiv(i1, 8)", " i8 = int_rshift(i1, 3)")


def test_constant_steps_are_added_up() -> None:
    becomes(" i2 = int_add(i1, 3)\n i8 = int_add(i2, 4)", " i2 = int_add(i1, 3)\n i8 = int_add(i1, 7)")


def test_a_checked_step_back_needs_no_check() -> None:
    becomes(
        " i2 = int_add_ovf(i1, 3) -> [r0]\n i8 = int_sub_ovf(i2, 1) -> [r0]",
        " i2 = int_add_ovf(i1, 3) -> [r0]\n i8 = int_add(i1, 2)",
    )


def test_a_checked_step_back_too_far_is_checked() -> None:
    becomes(
        " i2 = int_add_ovf(i1, 3) -> [r0]\n i8 = int_sub_ovf(i2, 5) -> [r0]",
        " i2 = int_add_ovf(i1, 3) -> [r0]\n i8 = int_add_ovf(i2, -5) -> [r0]",
    )


def test_a_checked_step_behind_one_that_may_wrap_is_checked() -> None:
    unchanged(HEAD + " i2 = int_add(i1, 3)\n i8 = int_add_ovf(i2, -1) -> [r0]" + TAIL, ALGEBRA)


def test_steps_whose_sum_overflows_are_left_alone() -> None:
    big = 2**63 - 1
    unchanged(HEAD + f" i2 = int_add_ovf(i1, {big}) -> [r0]\n i8 = int_add_ovf(i2, 5) -> [r0]" + TAIL, ALGEBRA)


def test_subtracting_the_least_number_is_left_alone_when_checked() -> None:
    unchanged(HEAD + f" i8 = int_sub_ovf(i1, {-(2**63)}) -> [r0]" + TAIL, ALGEBRA)


def test_shifts_by_too_much_in_all_are_left_alone() -> None:
    unchanged(HEAD + " i2 = int_rshift(i1, 40)\n i8 = int_rshift(i2, 30)" + TAIL, ALGEBRA)


def test_modulo_of_what_may_be_negative_stays_signed() -> None:
    unchanged(HEAD + " b2 = int_lt(-2, i1)\n guard_true(b2) -> [r0]\n i8 = int_mod(i1, 10)" + TAIL, RANGES)


def test_float_to_int_beyond_exact_integers_is_left_alone() -> None:
    head = HEAD + f" b2 = int_le(i1, {2**53 + 1})\n guard_true(b2) -> [r0]\n b3 = int_le(0, i1)\n guard_true(b3) -> [r0]\n"
    unchanged(head + " f4 = int_to_float(i1)\n i8 = float_to_int(f4) -> [r0]" + TAIL, RANGES)


@pytest.mark.parametrize(
    "operation", ["float_add(f1, 0.0)", "float_mul(f1, 0.0)", "float_sub(0.0, f1)", "float_sub(f1, f1)"]
)
def test_inexact_float_identity_is_not_used(operation: str) -> None:
    unchanged(f"t(r0: float)\n f1 = float_unbox(r0)\n f2 = {operation}\n r3 = float_box(f2)\n finish(r3)", ALGEBRA)


# --- every rule is true -----------------------------------------------------------------------------------------------


def kinds_of(rule: Rule) -> dict[str, str]:
    """The kind of each letter of a rule."""
    kinds: dict[str, str] = {}

    def walk(pattern: Any, kind: str) -> None:
        if isinstance(pattern, str):
            kinds[pattern] = kind
        elif isinstance(pattern, tuple):
            for part, inner in zip(pattern[1:], OPCODES[pattern[0]].args, strict=True):
                walk(part, inner)

    walk(rule.pattern, "")
    return kinds


def _by_signs(x: Any, y: Any) -> tuple[Any, Any]:
    """Python's // and % by unsigned division of absolute values; y is not 0."""
    negative_x, negative_y = x < 0, y < 0
    a, b = z3.If(negative_x, -x, x), z3.If(negative_y, -y, y)
    quotient, remainder = z3.UDiv(a, b), z3.URem(a, b)
    differ = z3.Xor(negative_x, negative_y)
    exact = remainder == 0
    floored = z3.If(differ, z3.If(exact, -quotient, -quotient - 1), quotient)
    rest = z3.If(exact, 0, z3.If(differ, b - remainder, remainder))
    return floored, z3.If(negative_y, -rest, rest)


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
    "int_floordiv": lambda a, b: _by_signs(a, b)[0],
    "int_mod": lambda a, b: _by_signs(a, b)[1],
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
Z3_FITS: dict[str, Any] = {
    "int_add_ovf": lambda a, b: z3.And(z3.BVAddNoOverflow(a, b, True), z3.BVAddNoUnderflow(a, b)),
    "int_sub_ovf": lambda a, b: z3.And(z3.BVSubNoOverflow(a, b), z3.BVSubNoUnderflow(a, b, True)),
    "int_mul_ovf": lambda a, b: z3.And(z3.BVMulNoOverflow(a, b, True), z3.BVMulNoUnderflow(a, b)),
    "int_lshift_ovf": lambda a, b: (a << b) >> b == a,
}


class Terms:
    """Expressions of a rule as terms of z3, and the checks that they contain."""

    def __init__(self, letters: dict[str, Any]) -> None:
        self.letters = letters
        self.checks: list[Any] = []

    def term(self, part: Any, kind: str = "i") -> Any:
        if isinstance(part, str):
            return self.letters[part]
        if not isinstance(part, tuple):
            return z3.BoolVal(part) if kind == "b" else z3.BitVecVal(part, 64)
        row = OPCODES[part[0]]
        args = [self.term(inner, kind) for inner, kind in zip(part[1:], row.args, strict=True)]
        if row.name in Z3_FITS:
            self.checks.append(Z3_FITS[row.name](*args))
        return Z3_OPERATIONS[row.name.removesuffix("_ovf")](*args)


def prove(rule: Rule, letters: dict[str, Any]) -> None:
    """Where the checks inside the pattern passed and the conditions hold, both sides pass alike and are equal then."""
    inside = Terms(letters)
    args = [inside.term(part, kind) for part, kind in zip(rule.pattern[1:], OPCODES[rule.pattern[0]].args, strict=True)]
    conditions = [inside.term(condition) for condition in rule.when]
    left, right = Terms({f"a{n}": arg for n, arg in enumerate(args)}), Terms(letters)
    old = left.term((rule.pattern[0], *left.letters))
    new = right.term(rule.result, OPCODES[rule.pattern[0]].result)
    solver = z3.Solver()
    solver.add(*inside.checks, *conditions)
    # Checks in the result on constants are made when the rule is applied: it is not, where one fails.
    root = right.checks.pop() if isinstance(rule.result, tuple) and rule.result[0] in Z3_FITS else z3.BoolVal(True)
    passes = z3.And(*left.checks) if left.checks else z3.BoolVal(True)
    solver.add(*right.checks)
    solver.add(z3.Or(passes != root, z3.And(passes, old != new)))
    assert solver.check() == z3.unsat, solver.model()


def is_integral(rule: Rule) -> bool:
    return rule.pattern[0].startswith(("int_", "uint_", "bool_"))


@pytest.mark.slow
@pytest.mark.parametrize("rule", [rule for rule in RULES if is_integral(rule)], ids=lambda rule: rule.name)
def test_integer_rule_is_proved(rule: Rule) -> None:
    letters: dict[str, Any] = {}
    for name, kind in kinds_of(rule).items():
        letters[name] = z3.Bool(name) if kind == "b" else z3.BitVec(name, 64)
        if ("int_le", 0, name) in rule.when or ("int_lt", 0, name) in rule.when:
            letters[name] = z3.Concat(z3.BitVecVal(0, 1), z3.BitVec(name, 63))  # the sign is seen without searching
    if not rule.where:
        prove(rule, letters)
        return
    ((derived, function, constant),) = rule.where
    assert function == "log2"
    for count in range(63):
        prove(rule, {**letters, derived: z3.BitVecVal(count, 64), constant: z3.BitVecVal(1 << count, 64)})


@pytest.mark.parametrize(
    "rule",
    [
        Rule("", ("int_add_ovf", ("int_add_ovf", "x", "C"), "D"), ("int_add", "x", ("int_add", "C", "D"))),
        Rule("", ("int_add_ovf", "x", "C"), ("int_add", "x", "C")),
        Rule("", ("int_add", "x", "C"), ("int_add_ovf", "x", "C")),
        Rule("", ("int_mod", "x", "y"), ("uint_mod", "x", "y"), (("int_lt", 0, "y"),)),
    ],
    ids=lambda rule: str(rule.pattern),
)
def test_a_wrong_rule_is_refuted(rule: Rule) -> None:
    with pytest.raises(AssertionError):
        prove(rule, {name: z3.BitVec(name, 64) for name in kinds_of(rule)})


@pytest.mark.parametrize("value", [-8, -1, 0, 1, 2, 3, 4, 5, 1 << 62, -(1 << 63), (1 << 62) + 1])
def test_log2_is_that_of_powers_only(value: int) -> None:
    count = DERIVED["log2"](value)
    assert count == (None if value not in {1, 2, 4, 1 << 62} else {1: 0, 2: 1, 4: 2, 1 << 62: 62}[value])


FLOATS = [0.0, -0.0, 1.0, -1.0, 1.5, math.inf, -math.inf, math.nan, 5e-324, 2.0**53, -(2.0**1023)]
INTEGERS = [0, 1, -1, 2**53, 2**53 - 1, -(2**53), 2**53 + 1, 2**54 + 2, 2**62, -(2**63)]


def evaluate(part: Any, letters: dict[str, Any]) -> Any:
    if isinstance(part, str):
        return letters[part]
    if isinstance(part, tuple):
        return OPCODES[part[0]].evaluate(*[evaluate(inner, letters) for inner in part[1:]])  # type: ignore[misc]
    return part


@pytest.mark.parametrize("rule", [r for r in RULES if r.pattern[0].startswith("float_")], ids=lambda rule: rule.name)
def test_float_rule_is_exact(rule: Rule) -> None:
    kinds = kinds_of(rule)
    for values in itertools.product(*[FLOATS if kind == "f" else INTEGERS for kind in kinds.values()]):
        letters = dict(zip(kinds, values, strict=True))
        if not all(evaluate(condition, letters) for condition in rule.when):
            continue
        left, right = evaluate(rule.pattern, letters), evaluate(rule.result, letters)
        if isinstance(left, float) and left != left:
            assert right != right
        else:
            assert left == right, letters
            assert struct.pack("d", left) == struct.pack("d", right), letters


def test_float_rule_needs_its_condition() -> None:
    (rule,) = [rule for rule in RULES if rule.name == "float-and-back"]
    assert evaluate(rule.pattern, {"x": 2**53 + 1}) != 2**53 + 1


# --- every rule is used, and names are those of one rule --------------------------------------------------------------


def test_names_are_unique() -> None:
    names = [rule.name for rule in RULES]
    assert len(set(names)) == len(names)


CONSTANTS = [8, 1, 2, 0, -1, 3, -4, 7, 40]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_fires(rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    fired: set[str] = set()
    monkeypatch.setattr(Rewriter, "fired", fired)
    letters = [name for name in kinds_of(rule) if name.isupper()]
    for constants in itertools.product(CONSTANTS, repeat=len(letters)):
        chosen = dict(zip(letters, constants, strict=True))
        if is_useful(rule, chosen):
            optimized(example(rule, chosen), {"algebra": {"algebra"}, "ranges": RANGES, "bits": BITS}[rule.needs])
            if rule.name in fired:
                return
    pytest.fail(f"no example uses {rule.name}")


def is_useful(rule: Rule, constants: dict[str, int]) -> bool:
    """Whether conditions on constants hold."""
    try:
        return all(rule.needs != "algebra" or evaluate(condition, constants) for condition in rule.when)
    except GuardFailed:
        return False


def example(rule: Rule, constants: dict[str, int]) -> str:
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
        if isinstance(pattern, str) and pattern.isupper():
            return str(constants[pattern])
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

    for name, kind in kinds_of(rule).items():
        if not name.isupper():
            value(name, kind)
    for condition in rule.when if rule.needs != "algebra" else ():
        if isinstance(condition[1], str) and isinstance(condition[2], str):
            low, high = condition[1:]
            for limit in (f"int_le({written[low]}, 10)", f"int_lt(10, {written[high]})"):
                name = f"b{next(count)}"
                lines.extend([f" {name} = {limit}", f" guard_true({name}) -> [r0]"])
            continue
        name = f"b{next(count)}"
        args = [str(value(part, "i")) for part in condition[1:]]
        lines.extend([f" {name} = {condition[0]}({', '.join(args)})", f" guard_true({name}) -> [r0]"])
    value(rule.pattern, "")
    return "t(r0)\n" + "\n".join(lines) + "\n finish(r0)"
