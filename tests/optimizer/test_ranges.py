"""Integer ranges: what they decide and what they must leave alone."""

from __future__ import annotations

import itertools

import pytest

from metatracer.ir.opcodes import OPCODES, GuardFailed
from metatracer.optimizer.bounds import BINARY
from tests.optimizer.text import check, names, optimized, unchanged

RANGES = {"fold", "ranges", "types"}
I1 = "t(r0: int)\n i1 = int_unbox(r0) -> [r0]\n"


def test_overflow_check_below_a_bound_is_removed() -> None:
    head = I1 + " b2 = int_lt(i1, 1000)\n guard_true(b2) -> [r0]\n"
    tail = "\n r4 = int_box(i3)\n finish(r4)"
    check(head + " i3 = int_add_ovf(i1, 1) -> [r0]" + tail, head + " i3 = int_add(i1, 1)" + tail, RANGES)


def test_overflow_check_below_an_unknown_bound_is_removed_for_one_step() -> None:
    head = (
        "t(r0: int, r1: int)\n i2 = int_unbox(r0) -> [r0]\n i3 = int_unbox(r1) -> [r0]\n"
        " b4 = int_lt(i2, i3)\n guard_true(b4) -> [r0]\n"
    )
    tail = "\n r6 = int_box(i5)\n finish(r6)"
    check(head + " i5 = int_add_ovf(i2, 1) -> [r0]" + tail, head + " i5 = int_add(i2, 1)" + tail, RANGES)
    unchanged(head + " i5 = int_add_ovf(i2, 2) -> [r0]" + tail, RANGES)


def test_overflow_check_without_bounds_is_kept() -> None:
    unchanged(I1 + " i2 = int_add_ovf(i1, 1) -> [r0]\n r3 = int_box(i2)\n finish(r3)", RANGES)


def test_guard_false_gives_the_opposite_bound() -> None:
    head = I1 + " b2 = int_lt(i1, 10)\n guard_false(b2) -> [r0]\n"
    check(head + " b3 = int_ge(i1, 5)\n guard_true(b3) -> [r0]\n finish(r0)", head + " finish(r0)", RANGES)


def test_bounds_of_one_guard_do_not_decide_more() -> None:
    unchanged(
        I1 + " b2 = int_lt(i1, 10)\n guard_true(b2) -> [r0]\n b3 = int_lt(i1, 9)\n guard_true(b3) -> [r0]\n finish(r0)",
        RANGES,
    )


def test_equality_guard_makes_a_constant() -> None:
    check(
        I1 + " b2 = int_eq(i1, 3)\n guard_true(b2) -> [r0]\n i3 = int_mul(i1, 5)\n r4 = int_box(i3)\n finish(r4)",
        I1 + " b2 = int_eq(i1, 3)\n guard_true(b2) -> [r0]\n r3 = int_box(15)\n finish(r3)",
        RANGES,
    )


def test_failing_guard_snapshot_does_not_use_what_the_guard_tells() -> None:
    trace = optimized(I1 + " b2 = int_eq(i1, 3)\n guard_true(b2) -> [i1, b2]\n finish(r0)", RANGES)
    guard = trace.operations[2]
    assert guard.snapshot is not None
    assert list(guard.snapshot.frames[0].locals) == [trace.operations[0], trace.operations[1]]


def test_unsigned_check_of_a_nonnegative_index_becomes_signed() -> None:
    text = (
        "t(r0: list)\n i1 = list_len(r0)\n i2 = int_and(i1, 7)\n"
        " b3 = uint_lt(i2, i1)\n guard_true(b3) -> [r0]\n finish(r0)"
    )
    assert "int_lt" in names(optimized(text, RANGES).operations)


def test_modulo_of_nonnegative_numbers_is_unsigned() -> None:
    head = "t(r0: list, r1: int)\n i2 = list_len(r0)\n"
    check(
        head + " i3 = int_mod(i2, 10)\n r4 = int_box(i3)\n finish(r4)",
        head + " i3 = uint_mod(i2, 10)\n r4 = int_box(i3)\n finish(r4)",
        RANGES,
    )
    unchanged(I1 + " i2 = int_mod(i1, 10)\n r3 = int_box(i2)\n finish(r3)", RANGES)


SAMPLES = [-9, -8, -2, -1, 0, 1, 2, 3, 7, 8, 63]


@pytest.mark.parametrize("opcode", list(BINARY), ids=str)
def test_transfer_function_covers_every_result(opcode: object) -> None:
    evaluate = opcode.evaluate  # type: ignore[attr-defined]
    for lo, hi in itertools.combinations_with_replacement(SAMPLES, 2):
        for low, high in itertools.combinations_with_replacement(SAMPLES, 2):
            if "shift" in opcode.name and low < 0:  # type: ignore[attr-defined]
                continue  # nothing is claimed
            bottom, top = BINARY[opcode](lo, hi, low, high)  # type: ignore[index]
            for left in {lo, hi, (lo + hi) // 2}:
                for right in {low, high, (low + high) // 2}:
                    if "shift" in opcode.name and not 0 <= right < 64:  # type: ignore[attr-defined]
                        continue
                    try:
                        exact = left << right if opcode is OPCODES["int_lshift"] else evaluate(left, right)
                    except (ZeroDivisionError, GuardFailed):
                        continue
                    assert bottom <= exact <= top, (opcode, lo, hi, low, high, left, right)
