"""Delayed appends: an operand stack that lives in the trace."""

from __future__ import annotations

import pytest

from tests.optimizer.text import ALL, body, check, names, optimized, unchanged

PASSES = ALL - {"peel", "alias"}
STACK = "t(r0: list, r1, r2)\n"


def test_pop_takes_back_what_was_appended() -> None:
    check(
        STACK + " list_append(r0, r1)\n list_append(r0, r2)\n r3 = list_pop(r0)\n r4 = list_pop(r0)\n"
        " r5 = new_tuple(r3, r4)\n finish(r5)",
        STACK + " r5 = new_tuple(r2, r1)\n finish(r5)",
        PASSES,
    )


def test_one_pop_too_many_is_real() -> None:
    check(
        STACK + " list_append(r0, r1)\n r3 = list_pop(r0)\n r4 = list_pop(r0)\n r5 = new_tuple(r3, r4)\n finish(r5)",
        STACK + " r4 = list_pop(r0)\n r5 = new_tuple(r1, r4)\n finish(r5)",
        PASSES,
    )


def test_exit_appends_in_order() -> None:
    check(
        STACK + " list_append(r0, r1)\n list_append(r0, r2)\n"
        " guard_type(r1) {W_Int} -> [r0]\n r3 = list_pop(r0)\n finish(r3)",
        STACK + " guard_type(r1) {W_Int} -> [r0 ; list_append(r0, r1), list_append(r0, r2)]\n"
        " list_append(r0, r1)\n finish(r2)",
        PASSES,
    )


def test_call_sees_the_list() -> None:
    unchanged(
        STACK + " list_append(r0, r1)\n r3 = call(callee)\n"
        " guard_no_exception(r3) -> [r0]\n r4 = list_pop(r0)\n finish(r4)"
    )


def test_list_that_may_be_the_same_sees_it() -> None:
    unchanged("t(r0: list, r1: list)\n list_append(r0, r1)\n r2 = list_pop(r1)\n finish(r2)", PASSES)
    unchanged("t(r0: list, r1: list)\n list_append(r0, r1)\n r2 = list_getitem(r1, 0)\n finish(r2)", PASSES)
    unchanged("t(r0: list, r1: list)\n list_append(r0, r1)\n i2 = list_len(r1)\n r3 = int_box(i2)\n finish(r3)", PASSES)


def test_length_counts_what_was_appended() -> None:
    check(
        STACK + " list_append(r0, r1)\n i3 = list_len(r0)\n b4 = int_eq(i3, 0)\n"
        " guard_false(b4) -> [r0]\n r5 = list_pop(r0)\n finish(r5)",
        STACK + " finish(r1)",
        PASSES,
    )


@pytest.mark.parametrize(("distance", "expected"), [(1, "r2"), (2, "r1")])
def test_index_from_the_end_finds_the_item(distance: int, expected: str) -> None:
    check(
        STACK + " list_append(r0, r1)\n list_append(r0, r2)\n i3 = list_len(r0)\n"
        f" i4 = int_sub(i3, {distance})\n r5 = list_getitem(r0, i4)\n"
        f" r6 = list_pop(r0)\n r7 = list_pop(r0)\n finish(r5)",
        STACK + f" finish({expected})",
        PASSES,
    )


def test_index_below_the_appended_items_reads_the_list() -> None:
    trace = optimized(
        STACK + " list_append(r0, r1)\n i3 = list_len(r0)\n i4 = int_sub(i3, 2)\n"
        " r5 = list_getitem(r0, i4)\n r6 = list_pop(r0)\n finish(r5)",
        PASSES,
    )
    assert names(trace.operations) == ["list_len", "int_add", "list_getitem", "finish"]


def test_unknown_index_sees_the_list() -> None:
    trace = optimized(
        "t(r0: list, r1: int)\n i2 = int_unbox(r1) -> [r0]\n list_append(r0, r1)\n"
        " r3 = list_getitem(r0, i2)\n r4 = list_pop(r0)\n finish(r3)",
        PASSES,
    )
    assert names(trace.operations) == ["int_unbox", "list_append", "list_getitem", "list_pop", "finish"]


def test_store_to_an_appended_item() -> None:
    check(
        STACK + " list_append(r0, r1)\n i3 = list_len(r0)\n i4 = int_sub(i3, 1)\n"
        " list_setitem(r0, i4, r2)\n r5 = list_pop(r0)\n finish(r5)",
        STACK + " finish(r2)",
        PASSES,
    )


def test_stack_machine_loop_keeps_its_stack_in_registers() -> None:
    trace = optimized(
        """t(r0: list, r1)
 guard_no_attention() -> [r0, r1]
 guard_type(r0) {list} -> [r0, r1]
 list_append(r0, r1)
 i2 = list_len(r0)
 b3 = int_ne(i2, 0)
 guard_true(b3) -> [r0, r1]
 r4 = list_pop(r0)
 guard_type(r4) {int} -> [r0, r1]
 i5 = int_unbox(r4) -> [r0, r1]
 i6 = int_add_ovf(i5, 1) -> [r0, r1]
 r7 = int_box(i6)
 list_append(r0, r7)
 r8 = list_pop(r0)
 jump(r0, r8)"""
    )
    assert names(body(trace)) == ["guard_no_attention", "int_add_ovf", "jump"]


def test_append_left_at_the_back_edge_is_done_there() -> None:
    trace = optimized(
        "t(r0: list, r1)\n guard_no_attention() -> [r0, r1]\n"
        " guard_type(r0) {list} -> [r0]\n list_append(r0, r1)\n jump(r0, r1)"
    )
    assert names(body(trace)) == ["guard_no_attention", "list_append", "jump"]
