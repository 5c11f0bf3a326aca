"""The algebraic rules, one row each: what an operation whose arguments look like a pattern is replaced by.

In patterns, conditions and results:

* a small letter is any value, the same one wherever it stands;
* a capital is a constant;
* ``("int_add", "x", "C")`` is the result of an operation of that row (its arguments in either order when it commutes);
* an expression of constants only is computed when the rule is applied, and must not overflow where its row is checked.

A condition is a signed comparison. It must hold for all values within the bounds that are known, so one that mentions
small letters can hold only with the pass "ranges", to which its rule then belongs. One that compares an *expression* of small
letters with a constant must hold for all values with the bits that are known, and its rule belongs to "bits". All other rules
belong to "algebra". A
*derived* constant (`where`) is found by a function, and nothing is taken for granted of it but what that function promises.

Every rule is proved with z3, and exact for every double (`tests/optimizer/test_rules.py`). An overflow check in a pattern
has passed, if it is not the pattern's root: that it holds is part of what is proved from.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Rule(NamedTuple):
    """One row.

    Attributes:
        name: Of the rule, for people and tests.
        pattern: What is replaced: an opcode's name and its arguments.
        result: What by.
        when: Conditions, all of which must hold.
        where: Derived constants: a name, one of `DERIVED`, and the constant it is derived from.
    """

    name: str
    pattern: tuple[Any, ...]
    result: Any
    when: tuple[tuple[Any, ...], ...] = ()
    where: tuple[tuple[str, str, str], ...] = ()

    @property
    def needs(self) -> str:
        """The pass that the rule belongs to, by what its conditions are about."""
        about = [part for condition in self.when for part in condition[1:] if _mentions_variable(part)]
        if any(isinstance(part, tuple) for part in about):
            return "bits"
        return "ranges" if about else "algebra"


def _mentions_variable(part: Any) -> bool:
    if isinstance(part, tuple):
        return any(map(_mentions_variable, part[1:]))
    return isinstance(part, str) and part.islower()


def _log2(value: int) -> int | None:
    return value.bit_length() - 1 if value > 0 and value & (value - 1) == 0 else None


DERIVED = {"log2": _log2}
"""Functions for derived constants. "log2": of a positive power of two, None of another number."""

MIN = -(1 << 63)


def _both_ways(name: str, pattern: tuple[Any, ...], result: Any) -> tuple[Rule, Rule]:
    """The rule for an operation that wraps and for the one that is checked."""
    checked = (pattern[0] + "_ovf", *pattern[1:])
    return Rule(name, pattern, result), Rule(name + "-checked", checked, result)


_IDENTITIES = (
    *_both_ways("add-zero", ("int_add", "x", 0), "x"),
    *_both_ways("sub-zero", ("int_sub", "x", 0), "x"),
    *_both_ways("sub-same", ("int_sub", "x", "x"), 0),
    Rule("sub-from-zero", ("int_sub", 0, "x"), ("int_neg", "x")),
    *_both_ways("mul-zero", ("int_mul", "x", 0), 0),
    *_both_ways("mul-one", ("int_mul", "x", 1), "x"),
    Rule("mul-minus-one", ("int_mul", "x", -1), ("int_neg", "x")),
    Rule("and-same", ("int_and", "x", "x"), "x"),
    Rule("and-zero", ("int_and", "x", 0), 0),
    Rule("and-ones", ("int_and", "x", -1), "x"),
    Rule("and-inverse", ("int_and", "x", ("int_invert", "x")), 0),
    Rule("or-same", ("int_or", "x", "x"), "x"),
    Rule("or-zero", ("int_or", "x", 0), "x"),
    Rule("or-ones", ("int_or", "x", -1), -1),
    Rule("or-inverse", ("int_or", "x", ("int_invert", "x")), -1),
    Rule("xor-same", ("int_xor", "x", "x"), 0),
    Rule("xor-zero", ("int_xor", "x", 0), "x"),
    Rule("xor-ones", ("int_xor", "x", -1), ("int_invert", "x")),
    Rule("neg-neg", ("int_neg", ("int_neg", "x")), "x"),
    Rule("invert-invert", ("int_invert", ("int_invert", "x")), "x"),
    *_both_ways("lshift-zero", ("int_lshift", "x", 0), "x"),
    Rule("rshift-zero", ("int_rshift", "x", 0), "x"),
    Rule("urshift-zero", ("uint_rshift", "x", 0), "x"),
)

_SUMS = (
    # A constant is added, never subtracted: sums and comparisons with them need one form each.
    Rule("sub-constant", ("int_sub", "x", "C"), ("int_add", "x", ("int_neg", "C"))),
    Rule("sub-constant-checked", ("int_sub_ovf", "x", "C"), ("int_add_ovf", "x", ("int_neg", "C")), (("int_ne", "C", MIN),)),
    Rule("add-add", ("int_add", ("int_add", "x", "C"), "D"), ("int_add", "x", ("int_add", "C", "D"))),
    Rule("add-add-ovf", ("int_add", ("int_add_ovf", "x", "C"), "D"), ("int_add", "x", ("int_add", "C", "D"))),
    # Two checked steps in one direction are one longer one; a step back needs no check.
    Rule(
        "add-up-up", ("int_add_ovf", ("int_add_ovf", "x", "C"), "D"), ("int_add_ovf", "x", ("int_add_ovf", "C", "D")),
        (("int_lt", 0, "C"), ("int_lt", 0, "D")),
    ),
    Rule(
        "add-down-down", ("int_add_ovf", ("int_add_ovf", "x", "C"), "D"), ("int_add_ovf", "x", ("int_add_ovf", "C", "D")),
        (("int_lt", "C", 0), ("int_lt", "D", 0)),
    ),
    Rule(
        "add-up-down", ("int_add_ovf", ("int_add_ovf", "x", "C"), "D"), ("int_add", "x", ("int_add", "C", "D")),
        (("int_lt", 0, "C"), ("int_lt", "D", 0), ("int_le", 0, ("int_add", "C", "D"))),
    ),
    Rule(
        "add-down-up", ("int_add_ovf", ("int_add_ovf", "x", "C"), "D"), ("int_add", "x", ("int_add", "C", "D")),
        (("int_lt", "C", 0), ("int_lt", 0, "D"), ("int_le", ("int_add", "C", "D"), 0)),
    ),
    *_both_ways("add-sub", ("int_sub", ("int_add_ovf", "x", "y"), "y"), "x"),
    *_both_ways("sub-add", ("int_add", ("int_sub_ovf", "x", "y"), "y"), "x"),
    Rule("wrapping-add-sub", ("int_sub", ("int_add", "x", "y"), "y"), "x"),
    Rule("wrapping-sub-add", ("int_add", ("int_sub", "x", "y"), "y"), "x"),
    Rule("add-neg", ("int_add", "x", ("int_neg", "y")), ("int_sub", "x", "y")),
    Rule("sub-neg", ("int_sub", "x", ("int_neg", "y")), ("int_add", "x", "y")),
    Rule("mul-mul", ("int_mul", ("int_mul", "x", "C"), "D"), ("int_mul", "x", ("int_mul", "C", "D"))),
)  # fmt: skip

_BITS = (
    Rule("and-and", ("int_and", ("int_and", "x", "C"), "D"), ("int_and", "x", ("int_and", "C", "D"))),
    Rule("or-or", ("int_or", ("int_or", "x", "C"), "D"), ("int_or", "x", ("int_or", "C", "D"))),
    Rule("xor-xor", ("int_xor", ("int_xor", "x", "C"), "D"), ("int_xor", "x", ("int_xor", "C", "D"))),
    Rule("xor-twice", ("int_xor", ("int_xor", "x", "y"), "y"), "x"),
    Rule("and-or", ("int_and", "x", ("int_or", "x", "y")), "x"),
    Rule("or-and", ("int_or", "x", ("int_and", "x", "y")), "x"),
    Rule(
        "or-masked-away", ("int_and", ("int_or", "x", "C"), "D"), ("int_and", "x", "D"),
        (("int_eq", ("int_and", "C", "D"), 0),),
    ),
    Rule("or-then-mask", ("int_and", ("int_or", "x", "C"), "D"), ("int_or", ("int_and", "x", "D"), ("int_and", "C", "D"))),
    Rule(
        "and-covered", ("int_or", ("int_and", "x", "C"), "D"), ("int_or", "x", "D"), (("int_eq", ("int_or", "C", "D"), -1),)
    ),
)  # fmt: skip


_KNOWN_BITS = (
    Rule("mask-of-nothing", ("int_and", "x", "C"), "x", (("int_eq", ("int_and", "x", ("int_invert", "C")), 0),)),
    Rule("or-of-nothing", ("int_or", "x", "C"), "x", (("int_eq", ("int_and", ("int_invert", "x"), "C"), 0),)),
    Rule(
        "mask-of-or", ("int_and", ("int_or", "x", "y"), "C"), ("int_and", "x", "C"), (("int_eq", ("int_and", "y", "C"), 0),)
    ),
    Rule(
        "mask-of-xor", ("int_and", ("int_xor", "x", "y"), "C"), ("int_and", "x", "C"), (("int_eq", ("int_and", "y", "C"), 0),)
    ),
)  # fmt: skip


def _counts(*names: str) -> tuple[tuple[Any, ...], ...]:
    return tuple(condition for name in names for condition in (("int_le", 0, name), ("int_lt", name, 64)))


_SHIFTS = (
    Rule(
        "rshift-rshift", ("int_rshift", ("int_rshift", "x", "C"), "D"), ("int_rshift", "x", ("int_add", "C", "D")),
        (*_counts("C", "D"), ("int_lt", ("int_add", "C", "D"), 64)),
    ),
    Rule(
        "urshift-urshift", ("uint_rshift", ("uint_rshift", "x", "C"), "D"), ("uint_rshift", "x", ("int_add", "C", "D")),
        (*_counts("C", "D"), ("int_lt", ("int_add", "C", "D"), 64)),
    ),
    Rule(
        "lshift-lshift", ("int_lshift", ("int_lshift", "x", "C"), "D"), ("int_lshift", "x", ("int_add", "C", "D")),
        (*_counts("C", "D"), ("int_lt", ("int_add", "C", "D"), 64)),
    ),
    Rule("lshift-back", ("int_rshift", ("int_lshift_ovf", "x", "C"), "C"), "x", _counts("C")),
    Rule(
        "lshift-back-in-range", ("int_rshift", ("int_lshift", "x", "C"), "C"), "x",
        (*_counts("C"), ("int_le", ("int_rshift", MIN, "C"), "x"), ("int_lt", "x", ("int_rshift", -MIN - 1, "C"))),
    ),
    Rule(
        "rshift-of-or", ("int_rshift", ("int_or", "x", "y"), "C"), ("int_rshift", "x", "C"),
        (*_counts("C"), ("int_eq", ("int_rshift", "y", "C"), 0)),
    ),
    Rule(
        "rshift-lshift", ("int_lshift", ("int_rshift", "x", "C"), "C"), ("int_and", "x", ("int_lshift", -1, "C")), _counts("C")
    ),
    Rule(
        "lshift-urshift", ("uint_rshift", ("int_lshift", "x", "C"), "C"), ("int_and", "x", ("uint_rshift", -1, "C")),
        _counts("C"),
    ),
)  # fmt: skip

_DIVISIONS = (
    Rule("floordiv-one", ("int_floordiv", "x", 1), "x"),
    Rule("mod-one", ("int_mod", "x", 1), 0),
    Rule("ufloordiv-one", ("uint_floordiv", "x", 1), "x"),
    Rule("umod-one", ("uint_mod", "x", 1), 0),
    # For negative x too: Python rounds down. Other constants are left to LLVM, which multiplies.
    Rule("floordiv-power", ("int_floordiv", "x", "C"), ("int_rshift", "x", "K"), (), (("K", "log2", "C"),)),
    Rule("mod-power", ("int_mod", "x", "C"), ("int_and", "x", ("int_sub", "C", 1)), (), (("K", "log2", "C"),)),
    Rule("ufloordiv-power", ("uint_floordiv", "x", "C"), ("uint_rshift", "x", "K"), (), (("K", "log2", "C"),)),
    Rule("umod-power", ("uint_mod", "x", "C"), ("int_and", "x", ("int_sub", "C", 1)), (), (("K", "log2", "C"),)),
    Rule("mod-unsigned", ("int_mod", "x", "y"), ("uint_mod", "x", "y"), (("int_le", 0, "x"), ("int_lt", 0, "y"))),
    Rule(
        "floordiv-unsigned", ("int_floordiv", "x", "y"), ("uint_floordiv", "x", "y"), (("int_le", 0, "x"), ("int_lt", 0, "y"))
    ),
    Rule("mod-of-less", ("uint_mod", "x", "y"), "x", (("int_le", 0, "x"), ("int_lt", "x", "y"))),
    Rule("floordiv-of-less", ("uint_floordiv", "x", "y"), 0, (("int_le", 0, "x"), ("int_lt", "x", "y"))),
)  # fmt: skip

_COMPARISONS = (
    # Greater-than is written as less-than, so that equal comparisons are found equal.
    Rule("gt-is-lt", ("int_gt", "x", "y"), ("int_lt", "y", "x")),
    Rule("ge-is-le", ("int_ge", "x", "y"), ("int_le", "y", "x")),
    Rule("ugt-is-ult", ("uint_gt", "x", "y"), ("uint_lt", "y", "x")),
    Rule("uge-is-ule", ("uint_ge", "x", "y"), ("uint_le", "y", "x")),
    Rule("fgt-is-flt", ("float_gt", "x", "y"), ("float_lt", "y", "x")),
    Rule("fge-is-fle", ("float_ge", "x", "y"), ("float_le", "y", "x")),
    Rule("lt-same", ("int_lt", "x", "x"), False),
    Rule("le-same", ("int_le", "x", "x"), True),
    Rule("eq-same", ("int_eq", "x", "x"), True),
    Rule("ne-same", ("int_ne", "x", "x"), False),
    Rule("ult-same", ("uint_lt", "x", "x"), False),
    Rule("ult-zero", ("uint_lt", "x", 0), False),
    Rule("ule-same", ("uint_le", "x", "x"), True),
    Rule("ule-zero", ("uint_le", 0, "x"), True),
    Rule("ult-one", ("uint_lt", "x", 1), ("int_eq", "x", 0)),
    Rule("ult-signed", ("uint_lt", "x", "y"), ("int_lt", "x", "y"), (("int_le", 0, "x"), ("int_le", 0, "y"))),
    Rule("ule-signed", ("uint_le", "x", "y"), ("int_le", "x", "y"), (("int_le", 0, "x"), ("int_le", 0, "y"))),
    Rule("ult-negative", ("uint_lt", "x", "y"), False, (("int_lt", "x", 0), ("int_le", 0, "y"))),
    # Wrapping does not matter to equality. For checked sums there is no such rule, although it would hold: the sum is there
    # anyway, and its summand would have to be kept beside it in another register.
    Rule("eq-of-sum", ("int_eq", ("int_add", "x", "C"), "D"), ("int_eq", "x", ("int_sub", "D", "C"))),
    Rule("ne-of-sum", ("int_ne", ("int_add", "x", "C"), "D"), ("int_ne", "x", ("int_sub", "D", "C"))),
    Rule("eq-of-difference", ("int_eq", ("int_sub", "x", "y"), 0), ("int_eq", "x", "y")),
    Rule("eq-of-xor", ("int_eq", ("int_xor", "x", "y"), 0), ("int_eq", "x", "y")),
    Rule("lt-of-difference", ("int_lt", ("int_sub_ovf", "x", "y"), 0), ("int_lt", "x", "y")),
    Rule("gt-of-difference", ("int_lt", 0, ("int_sub_ovf", "x", "y")), ("int_lt", "y", "x")),
    Rule("str-eq-same", ("str_eq", "x", "x"), True),
    Rule("bytes-eq-same", ("bytes_eq", "x", "x"), True),
)  # fmt: skip

_TRUTH = (
    Rule("bool-eq-zero", ("int_eq", ("bool_to_int", "x"), 0), ("bool_not", "x")),
    Rule("bool-eq-one", ("int_eq", ("bool_to_int", "x"), 1), "x"),
    Rule("bool-ne-zero", ("int_ne", ("bool_to_int", "x"), 0), "x"),
    Rule("bool-ne-one", ("int_ne", ("bool_to_int", "x"), 1), ("bool_not", "x")),
    Rule("bool-positive", ("int_lt", 0, ("bool_to_int", "x")), "x"),
    Rule("not-not", ("bool_not", ("bool_not", "x")), "x"),
    Rule("not-lt", ("bool_not", ("int_lt", "x", "y")), ("int_le", "y", "x")),
    Rule("not-le", ("bool_not", ("int_le", "x", "y")), ("int_lt", "y", "x")),
    Rule("not-eq", ("bool_not", ("int_eq", "x", "y")), ("int_ne", "x", "y")),
    Rule("not-ne", ("bool_not", ("int_ne", "x", "y")), ("int_eq", "x", "y")),
    Rule("not-ult", ("bool_not", ("uint_lt", "x", "y")), ("uint_le", "y", "x")),
    Rule("not-ule", ("bool_not", ("uint_le", "x", "y")), ("uint_lt", "y", "x")),
)

_FLOATS = (
    # Exact for every double, NaN and -0.0 included. That x * 1.0 is x is no rule: for NaN, `[x] == [x * 1.0]` shows that
    # they are two objects. Nor is x - -y = x + y: the sign of a NaN shows.
    Rule("fmul-minus-one", ("float_mul", "x", -1.0), ("float_neg", "x")),
    Rule("fneg-fneg", ("float_neg", ("float_neg", "x")), "x"),
    Rule("fabs-fneg", ("float_abs", ("float_neg", "x")), ("float_abs", "x")),
    Rule("fabs-fabs", ("float_abs", ("float_abs", "x")), ("float_abs", "x")),
    Rule(
        "float-and-back", ("float_to_int", ("int_to_float", "x")), "x",
        (("int_le", -(1 << 53), "x"), ("int_le", "x", 1 << 53)),
    ),
)  # fmt: skip

RULES: tuple[Rule, ...] = (
    *_IDENTITIES, *_SUMS, *_BITS, *_KNOWN_BITS, *_SHIFTS, *_DIVISIONS, *_COMPARISONS, *_TRUTH, *_FLOATS,
)  # fmt: skip
"""In order: of two that match, the first is applied."""
