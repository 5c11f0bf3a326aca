"""Constant folding."""

from __future__ import annotations

from tests.optimizer.text import check, unchanged

FOLD = {"fold"}


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


def test_number_of_another_class_is_not_unboxed() -> None:
    """The code behind a guard that always fails."""
    unchanged("t(r0)\n guard_type(&0) {float} -> [r0]\n f1 = float_unbox(&0)\n r2 = float_box(f1)\n finish(r2)", FOLD)


def test_pure_call_that_raises_is_kept() -> None:
    unchanged(
        "t(r0)\n r1 = call_c_r(&1, &0) {pure_number_floordivide}\n guard_no_exception(r1) -> [r0]\n finish(r1)", FOLD
    )


def test_huge_power_is_not_tried() -> None:
    unchanged(
        "t(r0)\n r1 = call_c_r(&9, &999999999, None) {pure_number_power}\n guard_no_exception(r1) -> [r0]\n finish(r1)",
        FOLD,
    )
