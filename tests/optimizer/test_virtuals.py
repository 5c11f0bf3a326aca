"""Allocation removal: what stays virtual, what is forced, and what exits see."""

from __future__ import annotations

from tests.optimizer.text import check, names, optimized, unchanged

VIRTUALS = {"fold", "types", "ranges", "heap", "virtuals", "cse"}
LAZY = VIRTUALS | {"lazy"}
I1 = "t(r0: int)\n i1 = int_unbox(r0) -> [r0]\n"


def test_boxing_and_unboxing_cancel() -> None:
    check(
        I1 + " r2 = int_box(i1)\n guard_type(r2) {int} -> [r0]\n i3 = int_unbox(r2) -> [r0]\n"
        " i4 = int_neg(i3)\n r5 = int_box(i4)\n finish(r5)",
        I1 + " i4 = int_neg(i1)\n r5 = int_box(i4)\n finish(r5)",
        VIRTUALS,
    )


def test_an_unboxed_number_is_boxed_by_its_old_box() -> None:
    check(I1 + " r2 = int_box(i1)\n finish(r2)", I1 + " finish(r0)", VIRTUALS)


def test_exit_boxes_a_number() -> None:
    check(
        I1 + " i2 = int_neg(i1)\n r3 = int_box(i2)\n guard_not_invalidated() -> [r3]\n finish(r0)",
        I1 + " i2 = int_neg(i1)\n guard_not_invalidated() -> [i2]\n finish(r0)",
        VIRTUALS,
    )


U1 = "t(r0: int)\n i1 = uint_unbox(r0) -> [r0]\n"


def test_an_unsigned_number_is_made_at_an_exit() -> None:
    check(
        U1 + " i2 = int_neg(i1)\n r3 = uint_box(i2)\n guard_not_invalidated() -> [r3]\n i4 = uint_unbox(r3) -> [r3]\n"
        " i5 = int_truncate(r3)\n i6 = int_sub(i4, i5)\n i7 = int_truncate(r0)\n i8 = int_add(i6, i7)\n"
        " r9 = uint_box(i8)\n finish(r9)",
        U1 + " i2 = int_neg(i1)\n guard_not_invalidated() -> [virtual int[i2]]\n finish(r0)",
        VIRTUALS | {"algebra"},
    )


def test_an_unsigned_number_wanted_as_a_signed_one_is_guarded() -> None:
    check(
        U1 + " i2 = int_neg(i1)\n r3 = uint_box(i2)\n i4 = int_unbox(r3) -> [r0]\n r5 = int_box(i4)\n finish(r5)",
        U1 + " i2 = int_neg(i1)\n b3 = int_le(0, i2)\n guard_true(b3) -> [r0]\n r4 = int_box(i2)\n finish(r4)",
        VIRTUALS,
    )


def test_the_boxes_of_a_word_are_two_objects() -> None:
    unchanged(U1 + " i2 = int_neg(i1)\n r3 = uint_box(i2)\n r4 = int_box(i2)\n r5 = call(callee, r3, r4)\n"
              " guard_no_exception(r5) -> []\n finish(r5)", VIRTUALS)


def test_a_word_that_is_not_negative_is_either() -> None:
    check(
        I1 + " b2 = int_le(0, i1)\n guard_true(b2) -> [r0]\n i3 = uint_unbox(r0) -> [r0]\n r4 = int_box(i3)\n finish(r4)",
        I1 + " b2 = int_le(0, i1)\n guard_true(b2) -> [r0]\n finish(r0)",
        VIRTUALS,
    )


def test_constants_of_64_bits() -> None:
    check(
        "t()\n r0 = uint_box(-1)\n i1 = uint_unbox(r0) -> []\n i2 = int_truncate(r0)\n i3 = int_and(i1, i2)\n r4 = int_box(i3)\n"
        " r5 = call(callee, r0, r4)\n guard_no_exception(r5) -> []\n finish(r5)",
        "t()\n r5 = call(callee, &18446744073709551615, &-1)\n guard_no_exception(r5) -> []\n finish(r5)",
        VIRTUALS,
    )


def test_forced_box_is_what_exits_see() -> None:
    head = "t(r0: float)\n f1 = float_unbox(r0)\n f2 = float_neg(f1)\n r3 = float_box(f2)\n r4 = call(callee, r3)\n"
    unchanged(head + " guard_no_exception(r4) -> [r3]\n finish(r4)", VIRTUALS)


def test_identity_of_boxed_bool_is_its_value() -> None:
    check(
        "t(r0: bool)\n b1 = bool_unbox(r0)\n r2 = bool_box(b1)\n"
        " b3 = ptr_eq(r2, True)\n guard_true(b3) -> [r0]\n finish(r0)",
        "t(r0: bool)\n b1 = bool_unbox(r0)\n guard_true(b1) -> [r0]\n finish(r0)",
        VIRTUALS,
    )


def test_identity_of_boxed_numbers_forces() -> None:
    text = (
        I1 + " i2 = int_neg(i1)\n r3 = int_box(i2)\n i4 = int_invert(i1)\n r5 = int_box(i4)\n"
        " b6 = ptr_eq(r3, r5)\n guard_false(b6) -> [r0]\n finish(r0)"
    )
    assert names(optimized(text, VIRTUALS).operations).count("int_box") == 2


def test_instance_that_does_not_escape_is_not_allocated() -> None:
    check(
        "t(r0)\n r1 = new() {W_Int}\n setfield(r1, r0) {W_Int.value}\n"
        " guard_type(r1) {W_Int} -> [r0]\n r2 = getfield(r1) {W_Int.value}\n finish(r2)",
        "t(r0)\n finish(r0)",
        VIRTUALS,
    )


def test_unset_field_reads_null() -> None:
    check(
        "t(r0)\n r1 = new() {W_Int}\n r2 = getfield(r1) {W_Int.value}\n guard_null(r2) -> [r0]\n finish(r0)",
        "t(r0)\n finish(r0)",
        VIRTUALS,
    )


def test_exit_builds_a_virtual_as_it_is_there() -> None:
    check(
        "t(r0)\n r1 = new() {W_Int}\n setfield(r1, None) {W_Int.value}\n guard_not_invalidated() -> [r1]\n"
        " setfield(r1, r0) {W_Int.value}\n r2 = call(callee)\n guard_no_exception(r2) -> [r1]\n finish(r0)",
        "t(r0)\n guard_not_invalidated() -> [virtual W_Int(W_Int.value = None)]\n r2 = call(callee)\n"
        " guard_no_exception(r2) -> [virtual W_Int(W_Int.value = r0)]\n finish(r0)",
        VIRTUALS,
    )


def test_virtuals_are_shared_in_a_snapshot() -> None:
    check(
        "t(r0)\n r1 = new() {W_Int}\n setfield(r1, r0) {W_Int.value}\n"
        " r2 = new_list(r1, r1)\n guard_not_invalidated() -> [r2, r1]\n finish(r0)",
        "t(r0)\n guard_not_invalidated() -> [virtual list[v1: virtual W_Int(W_Int.value = r0), v1], v1]\n finish(r0)",
        VIRTUALS,
    )


def test_passing_to_a_call_forces() -> None:
    unchanged(
        "t(r0)\n r1 = new() {W_Int}\n setfield(r1, r0) {W_Int.value}\n"
        " r2 = call(callee, r1)\n guard_no_exception(r2) -> [r1]\n finish(r2)",
        VIRTUALS,
    )


def test_forced_fields_are_still_known() -> None:
    head = "t(r0)\n r1 = new() {W_Int}\n setfield(r1, r0) {W_Int.value}\n list_append(r0, r1)\n"
    check(head + " r2 = getfield(r1) {W_Int.value}\n finish(r2)", head + " finish(r0)", VIRTUALS)


def test_cycle_is_forced() -> None:
    check(
        "t(r0)\n r1 = new() {W_Pair}\n r2 = new_tuple(r1)\n setfield(r1, r2) {W_Pair.left}\n finish(r1)",
        "t(r0)\n r1 = new() {W_Pair}\n r2 = new_tuple(r1)\n setfield(r1, r2) {W_Pair.left}\n finish(r1)",
        VIRTUALS,
    )
    operations = optimized(
        "t(r0)\n r1 = new_list(None)\n r2 = new_tuple(r1)\n list_setitem(r1, 0, r2)\n finish(r1)", VIRTUALS
    ).operations
    assert names(operations) == ["new_list", "new_tuple", "list_setitem", "finish"]


def test_cycle_in_a_snapshot() -> None:
    check(
        "t(r0)\n r1 = new() {W_Pair}\n setfield(r1, r1) {W_Pair.left}\n guard_not_invalidated() -> [r1]\n finish(r0)",
        "t(r0)\n guard_not_invalidated() -> [v1: virtual W_Pair(W_Pair.left = v1)]\n finish(r0)",
        VIRTUALS,
    )


def test_class_with_finalizer_is_allocated() -> None:
    unchanged("t(r0)\n r1 = new() {Finalized}\n finish(r0)", VIRTUALS)


def test_list_operations_are_followed() -> None:
    check(
        "t(r0, r1)\n r2 = new_list(r0)\n list_append(r2, r1)\n i3 = list_len(r2)\n guard_int_value(i3) {2} -> [r0]\n"
        " r4 = list_pop(r2)\n list_setitem(r2, 0, r4)\n r5 = list_getitem(r2, 0)\n finish(r5)",
        "t(r0, r1)\n finish(r1)",
        VIRTUALS,
    )


def test_unknown_index_forces_a_list() -> None:
    unchanged(
        "t(r0: int)\n i1 = int_unbox(r0) -> [r0]\n r2 = new_list(r0, None)\n r3 = list_getitem(r2, i1)\n finish(r3)",
        VIRTUALS,
    )


def test_cell_and_tuple_are_followed() -> None:
    check(
        "t(r0)\n r1 = new_cell(NULL)\n cell_set(r1, r0)\n r2 = cell_get(r1)\n"
        " r3 = new_tuple(r2, None)\n r4 = tuple_getitem(r3, 0)\n finish(r4)",
        "t(r0)\n finish(r0)",
        VIRTUALS,
    )


def test_stored_into_a_pending_place_stays_virtual() -> None:
    check(
        "t(r0: W_Pair)\n r1 = new() {W_Int}\n setfield(r1, None) {W_Int.value}\n setfield(r0, r1) {W_Pair.left}\n"
        " r2 = getfield(r0) {W_Pair.left}\n guard_type(r2) {W_Int} -> [r0]\n guard_not_invalidated() -> [r0]\n"
        " setfield(r0, None) {W_Pair.left}\n finish(r0)",
        "t(r0: W_Pair)\n"
        " guard_not_invalidated() -> [r0 ; setfield(r0, virtual W_Int(W_Int.value = None)) {W_Pair.left}]\n"
        " setfield(r0, None) {W_Pair.left}\n finish(r0)",
        LAZY,
    )


def test_leaving_forces_and_stores() -> None:
    check(
        "t(r0: W_Pair)\n r1 = new() {W_Int}\n setfield(r1, None) {W_Int.value}\n"
        " setfield(r0, r1) {W_Pair.left}\n r2 = int_box(5)\n finish(r2)",
        "t(r0: W_Pair)\n r1 = new() {W_Int}\n setfield(r1, None) {W_Int.value}\n"
        " setfield(r0, r1) {W_Pair.left}\n finish(&5)",
        LAZY,
    )


def test_fresh_object_is_nobody_else() -> None:
    check(
        "t(r0)\n r1 = new() {W_Int}\n b2 = ptr_eq(r0, r1)\n guard_false(b2) -> [r0]\n finish(r0)",
        "t(r0)\n finish(r0)",
        VIRTUALS,
    )


def test_contents_of_a_list_allocated_for_a_call_are_read_again_behind_it() -> None:
    # Found by the AST language's Mandelbrot: the list was known to be [r0] even after the callee had changed it.
    text = (
        "t(r0)\n r1 = new_list(r0)\n r2 = call(callee, r1)\n guard_no_exception(r2) -> [r0]\n"
        " r3 = list_getitem(r1, 0)\n finish(r3)"
    )
    assert "list_getitem" in names(optimized(text, LAZY).operations)


DICT = "t(r0: int)\n r1 = call_c_r() {new_dict}\n guard_no_exception(r1) -> [r0]\n"
STORES = " i2 = call_c_i(r1, 'a', r0) {dict_setitem}\n guard_no_exception(i2) -> [r1]\n"


def test_a_dict_with_known_names_is_made_at_an_exit() -> None:
    check(
        DICT + STORES + " i3 = call_c_i(r1, 'b', r1) {dict_setitem}\n guard_no_exception(i3) -> [r1]\n"
        " r4 = call_c_r(r1, 'a') {dict_find}\n guard_no_exception(r4) -> [r1]\n guard_nonnull(r4) -> [r1]\n"
        " i5 = call_c_i(r1) {dict_len}\n r6 = int_box(i5)\n guard_not_invalidated() -> [r1, r6]\n finish(r4)",
        "t(r0: int)\n guard_not_invalidated() -> [v1: virtual dict(dict['a'] item:3 = r0, dict['b'] item:259 = v1), &2]\n"
        " finish(r0)",
        VIRTUALS | {"calls"},
    )


def test_a_dict_that_somebody_sees_is_filled_in_order() -> None:
    check(
        DICT + STORES + " i3 = call_c_i(r1, 'b', 'x') {dict_setitem}\n guard_no_exception(i3) -> [r1]\n"
        " i4 = call_c_i(r1, 'a', 'y') {dict_setitem}\n guard_no_exception(i4) -> [r1]\n finish(r1)",
        "t(r0: int)\n r1 = call_c_r() {empty_dict}\n i2 = call_c_i(r1, 'a', 'y') {dict_fill}\n"
        " i3 = call_c_i(r1, 'b', 'x') {dict_fill}\n finish(r1)",
        VIRTUALS | {"calls"},
    )


def test_a_dict_is_searched_for_an_int_without_its_object() -> None:
    check(
        "t(r0: dict, i1)\n r2 = int_box(i1)\n r3 = call_c_r(r0, r2) {dict_find}\n guard_no_exception(r3) -> [r0]\n"
        " i4 = call_c_i(r0, r2, r3) {dict_setitem}\n guard_no_exception(i4) -> [r0]\n finish(r3)",
        "t(r0: dict, i1)\n r3 = call_c_r(r0, i1) {dict_find_int}\n guard_no_exception(r3) -> [r0]\n"
        " i4 = call_c_i(r0, i1, r3) {dict_setitem_int}\n guard_no_exception(i4) -> [r0]\n finish(r3)",
        VIRTUALS | {"calls"},
    )


def test_a_dict_that_is_searched_for_an_unknown_key_is_made() -> None:
    text = "t(r0: int, r9: str)\n r1 = call_c_r() {empty_dict}\n i2 = call_c_i(r1, 'a', r0) {dict_fill}\n"
    text += " r3 = call_c_r(r1, r9) {dict_find}\n guard_no_exception(r3) -> [r1]\n finish(r3)"
    unchanged(text, VIRTUALS | {"calls"})


def test_an_item_of_a_virtual_dict_must_be_in_its_place() -> None:
    reads = " guard_dict_field(r1) {dict['a'] item:%d} -> [r1]\n r3 = getfield(r1) {dict['a'] item:%d}\n finish(r3)"
    check(DICT + STORES + reads % (3, 3), "t(r0: int)\n finish(r0)", VIRTUALS | {"calls"})
    check(
        DICT + STORES + reads % (515, 515),
        "t(r0: int)\n r1 = call_c_r() {empty_dict}\n i2 = call_c_i(r1, 'a', r0) {dict_fill}\n" + reads % (515, 515),
        VIRTUALS | {"calls"},
    )


def test_lists_made_of_lists_that_are_not_there_are_not_there_either() -> None:
    check(
        "t(r0, r1)\n r2 = new_list(r0)\n r3 = new_list(r1, None)\n r4 = call_c_r(r2, r3) {list_concat}\n"
        " guard_no_exception(r4) -> [r4]\n list_setitem(r2, 0, None)\n r5 = call_c_r(r4, -2, 9) {list_slice}\n"
        " guard_no_exception(r5) -> [r5]\n i6 = list_len(r5)\n guard_int_value(i6) {2} -> [r4]\n"
        " guard_not_invalidated() -> [r4, r5]\n r7 = list_getitem(r5, 0)\n finish(r7)",
        "t(r0, r1)\n guard_not_invalidated() -> [virtual list[r0, r1, None], virtual list[r1, None]]\n finish(r1)",
        VIRTUALS | {"calls"},
    )


def test_a_list_that_is_there_is_concatenated_by_a_call() -> None:
    operations = optimized(
        "t(r0: list, r1)\n r2 = new_list(r1)\n r3 = call_c_r(r2, r0) {list_concat}\n guard_no_exception(r3) -> [r0]\n"
        " finish(r3)", VIRTUALS | {"calls"},
    )  # fmt: skip
    assert names(operations.operations) == ["new_list", "call_c_r", "guard_no_exception", "finish"]
