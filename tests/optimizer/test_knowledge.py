"""Guard subsumption and common subexpressions."""

from __future__ import annotations

from tests.optimizer.text import check, optimized, unchanged

TYPES = {"fold", "types"}
CSE = {"fold", "types", "cse"}


def test_second_type_guard_is_dropped() -> None:
    check(
        "t(r0)\n guard_type(r0) {W_Int} -> [r0]\n guard_type(r0) {W_Int} -> [r0]\n"
        " guard_nonnull(r0) -> [r0]\n finish(r0)",
        "t(r0)\n guard_type(r0) {W_Int} -> [r0]\n finish(r0)",
        TYPES,
    )


def test_type_guard_of_a_typed_input_is_dropped() -> None:
    check("t(r0: W_Int)\n guard_type(r0) {W_Int} -> [r0]\n finish(r0)", "t(r0: W_Int)\n finish(r0)", TYPES)


def test_type_guard_that_fails_is_kept() -> None:
    unchanged("t(r0: W_Int)\n guard_type(r0) {W_Float} -> [r0]\n finish(r0)", TYPES)


def test_type_survives_a_call() -> None:
    head = "t(r0)\n guard_type(r0) {W_Int} -> [r0]\n r1 = call(callee, r0)\n guard_no_exception(r1) -> [r0]\n"
    check(head + " guard_type(r0) {W_Int} -> [r0]\n finish(r1)", head + " finish(r1)", TYPES)


def test_guard_value_makes_a_constant() -> None:
    check(
        "t(r0)\n guard_value(r0) {W_Int} -> [r0]\n guard_type(r0) {type} -> [r0]\n finish(r0)",
        "t(r0)\n guard_value(r0) {W_Int} -> [r0]\n finish(W_Int)",
        TYPES,
    )


def test_guard_value_snapshot_has_the_value_before() -> None:
    trace = optimized("t(r0)\n guard_value(r0) {callee} -> [r0]\n finish(r0)", TYPES)
    snapshot = trace.operations[0].snapshot
    assert snapshot is not None
    assert snapshot.frames[0].locals[0] is trace.inputs[0]


def test_guard_on_a_negation_is_turned_round() -> None:
    head = "t(r0: bool)\n b1 = bool_unbox(r0)\n"
    check(
        head + " b2 = bool_not(b1)\n guard_true(b2) -> [r0]\n finish(r0)",
        head + " guard_false(b1) -> [r0]\n finish(r0)",
        {"types", "dead"},
    )


def test_inverse_comparison_is_known() -> None:
    head = "t(r0: float, r1: float)\n f2 = float_unbox(r0)\n f3 = float_unbox(r1)\n"
    # NaN: not (a < b) says nothing of a >= b.
    unchanged(
        head + " b4 = float_lt(f2, f3)\n guard_false(b4) -> [r0]\n"
        " b5 = float_le(f3, f2)\n guard_true(b5) -> [r0]\n finish(r0)"
    )
    check(
        head + " b4 = float_eq(f2, f3)\n guard_false(b4) -> [r0]\n"
        " b5 = float_ne(f2, f3)\n guard_true(b5) -> [r0]\n finish(r0)",
        head + " b4 = float_eq(f2, f3)\n guard_false(b4) -> [r0]\n finish(r0)",
    )


def test_identity_of_different_classes_is_false() -> None:
    check(
        "t(r0: W_Int, r1: W_Float)\n b2 = ptr_eq(r0, r1)\n guard_false(b2) -> [r0]\n finish(r0)",
        "t(r0: W_Int, r1: W_Float)\n finish(r0)",
        TYPES,
    )
    unchanged("t(r0: W_Int, r1: W_Int)\n b2 = ptr_eq(r0, r1)\n guard_false(b2) -> [r0]\n finish(r0)", TYPES)


def test_comparison_with_none_needs_the_class() -> None:
    unchanged("t(r0)\n b1 = ptr_eq(r0, None)\n guard_false(b1) -> [r0]\n finish(r0)", TYPES)
    check(
        "t(r0: W_Int)\n b1 = ptr_eq(r0, None)\n guard_false(b1) -> [r0]\n finish(r0)",
        "t(r0: W_Int)\n finish(r0)",
        TYPES,
    )


def test_assumptions_are_checked_again_only_behind_code() -> None:
    head = "t(r0)\n guard_not_invalidated() -> [r0]\n"
    check(head + " guard_not_invalidated() -> [r0]\n finish(r0)", head + " finish(r0)", TYPES)
    unchanged(
        head + " r1 = call(callee)\n guard_no_exception(r1) -> [r0]\n guard_not_invalidated() -> [r0]\n finish(r0)",
        TYPES,
    )


def test_attention_is_asked_for_once() -> None:
    head = "t(r0)\n guard_no_attention() -> [r0]\n r1 = call(callee)\n guard_no_exception(r1) -> [r0]\n"
    check(head + " guard_no_attention() -> [r0]\n finish(r0)", head + " finish(r0)", TYPES)


# --- common subexpressions --------------------------------------------------------------------------------------------


def test_equal_operation_is_computed_once() -> None:
    head = (
        "t(r0: int, r1: int)\n i2 = int_unbox(r0) -> [r0]\n"
        " i3 = int_unbox(r1) -> [r0]\n i4 = int_add_ovf(i2, i3) -> [r0]\n"
    )
    check(
        head + " i5 = int_add_ovf(i3, i2) -> [r0]\n i6 = int_add(i2, i3)\n"
        " i7 = int_sub(i5, i6)\n r8 = int_box(i7)\n finish(r8)",
        head + " i5 = int_sub(i4, i4)\n r6 = int_box(i5)\n finish(r6)",
        CSE,
    )


def test_subtraction_does_not_commute() -> None:
    unchanged(
        "t(r0: int, r1: int)\n i2 = int_unbox(r0) -> [r0]\n i3 = int_unbox(r1) -> [r0]\n i4 = int_sub(i2, i3)\n"
        " i5 = int_sub(i3, i2)\n i6 = int_mul(i4, i5)\n r7 = int_box(i6)\n finish(r7)",
        CSE,
    )


def test_wrapping_result_does_not_replace_a_check() -> None:
    unchanged(
        "t(r0: int, r1: int)\n i2 = int_unbox(r0) -> [r0]\n i3 = int_unbox(r1) -> [r0]\n i4 = int_add(i2, i3)\n"
        " i5 = int_add_ovf(i2, i3) -> [r0]\n i6 = int_xor(i4, i5)\n r7 = int_box(i6)\n finish(r7)",
        {"cse"},
    )


def test_pure_call_is_made_once() -> None:
    head = "t(r0: str, r1: str)\n r2 = call_c_r(r0, r1) {str_concat}\n guard_no_exception(r2) -> [r0]\n"
    check(
        head + " r3 = call_c_r(r0, r1) {str_concat}\n guard_no_exception(r3) -> [r0]\n"
        " b4 = str_eq(r2, r3)\n guard_true(b4) -> [r0]\n finish(r3)",
        head + " finish(r2)",
    )


def test_call_of_a_pure_function_is_made_once() -> None:
    head = "t(r0: str)\n r1 = call(lower, r0)\n guard_no_exception(r1) -> [r0]\n"
    check(head + " r2 = call(lower, r0)\n guard_no_exception(r2) -> [r0]\n finish(r2)", head + " finish(r1)", CSE)


def test_call_of_a_pure_function_that_gives_a_list_is_made_again() -> None:
    unchanged(
        "t(r0: str)\n r1 = call(split, r0)\n guard_no_exception(r1) -> [r0]\n"
        " r2 = call(split, r0)\n guard_no_exception(r2) -> [r0]\n r3 = new_tuple(r1, r2)\n finish(r3)",
        CSE,
    )


def test_call_of_a_pure_function_with_any_object_is_made_again() -> None:
    unchanged(
        "t(r0)\n r1 = call(lower, r0)\n guard_no_exception(r1) -> [r0]\n"
        " r2 = call(lower, r0)\n guard_no_exception(r2) -> [r0]\n finish(r2)",
        CSE,
    )


def test_impure_call_is_made_again() -> None:
    unchanged(
        "t(r0)\n r1 = call(callee, r0)\n guard_no_exception(r1) -> [r0]\n"
        " r2 = call(callee, r0)\n guard_no_exception(r2) -> [r0]\n finish(r2)"
    )


def test_buffer_read_is_repeated_behind_a_store() -> None:
    head = "t(r0: bytearray)\n i1 = bytearray_getitem(r0, 0)\n"
    check(
        head + " i2 = bytearray_getitem(r0, 0)\n i3 = int_add(i1, i2)\n r4 = int_box(i3)\n finish(r4)",
        head + " i2 = int_add(i1, i1)\n r3 = int_box(i2)\n finish(r3)",
        CSE,
    )
    store = head + " bytearray_setitem(r0, 1, 7)\n i2 = bytearray_getitem(r0, 0)\n"
    check(
        store + " i3 = bytearray_getitem(r0, 1)\n i4 = int_add(i1, i2)\n"
        " i5 = int_add(i4, i3)\n r6 = int_box(i5)\n finish(r6)",
        store + " i4 = int_add(i1, i2)\n i5 = int_add(i4, 7)\n r6 = int_box(i5)\n finish(r6)",
        CSE | {"heap"},
    )
