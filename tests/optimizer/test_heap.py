"""Heap cache and lazy stores."""

from __future__ import annotations

from tests.optimizer.text import body, check, names, optimized, unchanged

HEAP = {"fold", "types", "ranges", "heap"}
LAZY = HEAP | {"lazy"}
LEFT, RIGHT = "{W_Pair.left}", "{W_Pair.right}"


def test_second_read_is_forwarded() -> None:
    head = f"t(r0: W_Pair)\n r1 = getfield(r0) {LEFT}\n"
    check(head + f" r2 = getfield(r0) {LEFT}\n finish(r2)", head + " finish(r1)", HEAP)


def test_stored_value_is_forwarded() -> None:
    head = f"t(r0: W_Pair, r1)\n setfield(r0, r1) {LEFT}\n"
    check(head + f" r2 = getfield(r0) {LEFT}\n finish(r2)", head + " finish(r1)", HEAP)


def test_store_to_another_field_keeps_what_is_known() -> None:
    head = f"t(r0: W_Pair, r1: W_Pair)\n r2 = getfield(r0) {LEFT}\n setfield(r1, r2) {RIGHT}\n"
    check(head + f" r3 = getfield(r0) {LEFT}\n finish(r3)", head + " finish(r2)", HEAP)


def test_store_to_a_possible_alias_forgets() -> None:
    unchanged(
        f"t(r0: W_Pair, r1: W_Pair)\n r2 = getfield(r0) {LEFT}\n"
        f" setfield(r1, None) {LEFT}\n r3 = getfield(r0) {LEFT}\n finish(r3)",
        HEAP,
    )


def test_objects_of_different_classes_do_not_alias() -> None:
    head = f"t(r0: W_Int, r1: W_Pair)\n r2 = getfield(r0) {LEFT}\n setfield(r1, None) {LEFT}\n"
    check(head + f" r3 = getfield(r0) {LEFT}\n finish(r3)", head + " finish(r2)", HEAP)


def test_fresh_object_does_not_alias_an_older_one() -> None:
    head = f"t(r0: W_Pair)\n r1 = getfield(r0) {LEFT}\n r2 = new() {{W_Pair}}\n setfield(r2, None) {LEFT}\n"
    check(
        head + f" r3 = getfield(r0) {LEFT}\n setfield(r0, r2) {RIGHT}\n finish(r3)",
        head + f" setfield(r0, r2) {RIGHT}\n finish(r1)",
        HEAP,
    )


def test_fresh_object_may_be_what_is_read_later() -> None:
    unchanged(
        f"t(r0: W_Pair)\n r1 = new() {{W_Pair}}\n setfield(r0, r1) {RIGHT}\n"
        f" r2 = getfield(r0) {LEFT}\n guard_type(r2) {{W_Pair}} -> [r0]\n"
        f" setfield(r1, None) {LEFT}\n setfield(r2, r0) {LEFT}\n r3 = getfield(r1) {LEFT}\n finish(r3)",
        HEAP,
    )


def test_call_forgets_and_sees_stores() -> None:
    text = (
        f"t(r0: W_Pair, r1)\n r2 = getfield(r0) {LEFT}\n setfield(r0, r1) {RIGHT}\n r3 = call(callee, r2)\n"
        f" guard_no_exception(r3) -> [r0]\n r4 = getfield(r0) {LEFT}\n finish(r4)"
    )
    unchanged(text, LAZY)


def test_immutable_field_survives_a_call() -> None:
    head = "t(r0: Code)\n r1 = getfield(r0) {Code.limit}\n r2 = call(callee)\n guard_no_exception(r2) -> [r0]\n"
    check(head + " r3 = getfield(r0) {Code.limit}\n finish(r3)", head + " finish(r1)", HEAP)


def test_immutable_field_of_a_constant_folds() -> None:
    check("t(r0)\n r1 = getfield(code) {Code.limit}\n finish(r1)", "t(r0)\n finish(&7)", HEAP)


def test_immutable_items_of_a_constant_fold() -> None:
    check(
        "t(r0)\n r1 = getfield(code) {Code.table}\n"
        " guard_type(r1) {list} -> [r0]\n r2 = list_getitem(r1, 1)\n finish(r2)",
        "t(r0)\n finish(&6)",
        HEAP,
    )


def test_items_of_an_ordinary_constant_list_do_not_fold() -> None:
    unchanged("t(r0: list)\n r1 = list_getitem(r0, 1)\n finish(r1)")


def test_constant_indices_do_not_meet() -> None:
    head = "t(r0: list, r1)\n r2 = list_getitem(r0, 0)\n list_setitem(r0, 1, r1)\n"
    check(head + " r3 = list_getitem(r0, 0)\n finish(r3)", head + " finish(r2)", HEAP)


def test_unknown_index_may_meet() -> None:
    unchanged(
        "t(r0: list, r1: int)\n i2 = int_unbox(r1) -> [r0]\n r3 = list_getitem(r0, 0)\n list_setitem(r0, i2, r1)\n"
        " r4 = list_getitem(r0, 0)\n finish(r4)",
        HEAP,
    )


def test_bounds_tell_indices_apart() -> None:
    head = (
        "t(r0: list, r1: int)\n i2 = int_unbox(r1) -> [r0]\n b3 = int_lt(0, i2)\n guard_true(b3) -> [r0]\n"
        " r4 = list_getitem(r0, 0)\n list_setitem(r0, i2, r1)\n"
    )
    check(head + " r5 = list_getitem(r0, 0)\n finish(r5)", head + " finish(r4)", HEAP)


def test_another_list_may_be_the_same() -> None:
    unchanged(
        "t(r0: list, r1: list)\n r2 = list_getitem(r0, 0)\n"
        " list_setitem(r1, 0, None)\n r3 = list_getitem(r0, 0)\n finish(r3)",
        HEAP,
    )


def test_append_changes_the_length_only() -> None:
    head = "t(r0: list, r1)\n i2 = list_len(r0)\n r3 = list_getitem(r0, 0)\n list_append(r0, r1)\n"
    check(
        head + " i4 = list_len(r0)\n r5 = list_getitem(r0, 0)\n r6 = int_box(i4)\n r7 = new_tuple(r5, r6)\n finish(r7)",
        head + " i4 = int_add(i2, 1)\n r6 = int_box(i4)\n r7 = new_tuple(r3, r6)\n finish(r7)",
        HEAP,
    )


def test_storing_what_is_there_is_dropped() -> None:
    check(
        f"t(r0: W_Pair)\n r1 = getfield(r0) {LEFT}\n setfield(r0, r1) {LEFT}\n finish(r1)",
        f"t(r0: W_Pair)\n r1 = getfield(r0) {LEFT}\n finish(r1)",
        HEAP,
    )


# --- lazy stores ------------------------------------------------------------------------------------------------------


def test_overwritten_store_is_dropped() -> None:
    check(
        f"t(r0: W_Pair, r1)\n setfield(r0, None) {LEFT}\n setfield(r0, r1) {LEFT}\n finish(r1)",
        f"t(r0: W_Pair, r1)\n setfield(r0, r1) {LEFT}\n finish(r1)",
        LAZY,
    )


def test_pending_store_is_in_the_snapshot() -> None:
    check(
        f"t(r0: W_Pair, r1)\n setfield(r0, None) {LEFT}\n"
        f" guard_type(r1) {{W_Int}} -> [r1]\n setfield(r0, r1) {LEFT}\n finish(r1)",
        f"t(r0: W_Pair, r1)\n guard_type(r1) {{W_Int}} -> [r1 ; setfield(r0, None) {LEFT}]\n"
        f" setfield(r0, r1) {LEFT}\n finish(r1)",
        LAZY,
    )


def test_read_of_a_possible_alias_flushes() -> None:
    unchanged(f"t(r0: W_Pair, r1: W_Pair)\n setfield(r0, None) {LEFT}\n r2 = getfield(r1) {LEFT}\n finish(r2)", LAZY)


def test_store_to_a_possible_alias_flushes_in_order() -> None:
    unchanged(f"t(r0: W_Pair, r1: W_Pair)\n setfield(r0, None) {LEFT}\n setfield(r1, r0) {LEFT}\n finish(r0)", LAZY)


def test_pop_flushes_items() -> None:
    unchanged("t(r0: list, r1)\n list_setitem(r0, 0, r1)\n r2 = list_pop(r0)\n finish(r2)", LAZY)


def test_iterator_over_a_range_sees_no_stores() -> None:
    text = (
        "t(r0: W_Pair, r1)\n guard_type(r1) {ITERATOR} -> [r0]\n setfield(r0, None) {W_Pair.left}\n"
        " r2 = call_c_r(r1) {builtin_next}\n guard_no_exception(r2) -> [r0]\n guard_next(r2) -> [r0]\n"
        " setfield(r0, r2) {W_Pair.left}\n finish(r2)"
    )
    assert names(optimized(text.replace("ITERATOR", "range_iterator"), LAZY).operations).count("setfield") == 1
    assert names(optimized(text.replace("ITERATOR", "W_Int"), LAZY).operations).count("setfield") == 2


# --- guards of our own ------------------------------------------------------------------------------------------------

LISTS = """t(r0: Frame, r1: W_List)
 r2 = getfield(r0) {Frame.regs}
 guard_type(r2) {list} -> [r0]
 r3 = getfield(r1) {W_List.items}
 guard_type(r3) {list} -> [r0]
 i4 = list_len(r3)
 b5 = int_lt(1, i4)
 guard_true(b5) -> [r0]
"""


def test_lists_from_different_fields_are_told_apart_by_a_guard() -> None:
    check(
        LISTS + " r6 = list_getitem(r2, 0)\n guard_nonnull(r6) -> [r0]\n"
        " list_setitem(r3, 1, r6)\n r7 = list_getitem(r2, 1)\n finish(r7)",
        LISTS + " r6 = list_getitem(r2, 0)\n list_setitem(r3, 1, r6)\n r7 = list_getitem(r2, 1)\n finish(r7)",
        HEAP | {"alias"},
    )
    trace = optimized(
        LISTS + " r6 = list_getitem(r2, 1)\n guard_nonnull(r6) -> [r0]\n"
        " list_setitem(r3, 1, None)\n r7 = list_getitem(r2, 1)\n finish(r7)",
        HEAP | {"alias"},
    )
    assert names(trace.operations)[-4:] == ["ptr_eq", "guard_false", "list_setitem", "finish"]
    assert trace.operations[-1].args[0] is trace.operations[-5]


def test_no_guard_behind_a_side_effect() -> None:
    # Going back to the last snapshot would do it twice.
    text = (
        LISTS + " r6 = list_getitem(r2, 1)\n setfield(r0, r6) {Frame.pc}\n"
        " list_setitem(r3, 1, None)\n r7 = list_getitem(r2, 1)\n finish(r7)"
    )
    assert "ptr_eq" not in names(optimized(text, HEAP | {"alias"}).operations)


def test_guest_list_store_keeps_registers_in_the_loop() -> None:
    trace = optimized(
        """t(r0)
 guard_type(r0) {Frame} -> [r0]
 r2 = getfield(r0) {Frame.regs}
 guard_type(r2) {list} -> [r0]
 i3 = list_len(r2)
 b4 = int_lt(3, i3)
 guard_true(b4) -> [r0]
 r5 = list_getitem(r2, 0)
 guard_type(r5) {W_List} -> [r0]
 r6 = getfield(r5) {W_List.items}
 guard_type(r6) {list} -> [r0]
 r7 = list_getitem(r2, 1)
 guard_type(r7) {W_Int} -> [r0]
 r8 = getfield(r7) {W_Int.value}
 guard_type(r8) {int} -> [r0]
 i9 = int_unbox(r8) -> [r0]
 i10 = list_len(r6)
 b11 = uint_lt(i9, i10)
 guard_true(b11) -> [r0]
 list_setitem(r6, i9, None)
 i12 = int_add_ovf(i9, 1) -> [r0]
 r13 = int_box(i12)
 r14 = new() {W_Int}
 setfield(r14, r13) {W_Int.value}
 list_setitem(r2, 1, r14)
 jump(r0)"""
    )
    # The index is not negative in the second iteration, so one comparison is left.
    assert names(body(trace)) == ["int_lt", "guard_true", "int_add", "list_setitem", "jump"]
