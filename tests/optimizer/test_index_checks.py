"""Both checks of an index as one."""

from __future__ import annotations

import pytest

from tests.optimizer.text import body, check, names, optimized, unchanged

INDEX = {"index", "dead"}
HEAD = "t(r0: list, r1: int)\n i2 = int_unbox(r1) -> [r0]\n"
TAIL = " r7 = list_getitem(r0, i2)\n finish(r7)"
BELOW = " b5 = int_lt(i2, i4)\n guard_true(b5) -> [b5, r0]\n"
LENGTH = " i4 = list_len(r0)\n"
JOINED = " i4 = list_len(r0)\n b5 = uint_lt(i2, i4)\n guard_true(b5) -> [b3, r0]\n"


@pytest.mark.parametrize("first", ["b3 = int_le(0, i2)\n guard_true(b3)", "b3 = int_ge(i2, 0)\n guard_true(b3)",
                                   "b3 = int_lt(i2, 0)\n guard_false(b3)"])  # fmt: skip
@pytest.mark.parametrize("second", ["b5 = int_lt(i2, i4)\n guard_true(b5)", "b5 = int_gt(i4, i2)\n guard_true(b5)",
                                    "b5 = int_ge(i2, i4)\n guard_false(b5)"])  # fmt: skip
def test_an_index_is_checked_once(first: str, second: str) -> None:
    """The exit is the first check's, and hands over what that came to."""
    check(
        f"{HEAD} {first} -> [b3, r0]\n{LENGTH} {second} -> [b5, r0]\n{TAIL}",
        f"{HEAD} {first.partition(chr(10))[0]}\n{JOINED}{TAIL}",
        INDEX,
    )


@pytest.mark.parametrize(
    "between",
    [
        " guard_nonnull(r0) -> [r0]\n",  # it would leave where the index is known to be none below 0
        " r6 = list_getitem(r0, i2)\n",
        " i6 = int_mod(7, i2)\n",
        " list_setitem(r0, 0, r1)\n",
    ],
)
def test_nothing_that_relies_on_the_first_check_may_be_between(between: str) -> None:
    trace = optimized(f"{HEAD} b3 = int_le(0, i2)\n guard_true(b3) -> [b3, r0]\n{LENGTH}{between}{BELOW} finish(r0)", {"index"})
    assert "uint_lt" not in names(trace.operations)


def test_a_bound_that_may_be_negative_stays() -> None:
    unchanged(
        "t(r0: int, r1: int)\n i2 = int_unbox(r0) -> [r0]\n i4 = int_unbox(r1) -> [r0]\n"
        f" b3 = int_le(0, i2)\n guard_true(b3) -> [b3, r0]\n{BELOW} finish(r0)",
        INDEX,
    )


def test_checks_of_two_indices_stay() -> None:
    unchanged(
        "t(r0: list, r1: int)\n i2 = int_unbox(r1) -> [r0]\n i6 = int_neg(i2)\n"
        f" b3 = int_le(0, i6)\n guard_true(b3) -> [b3, r0]\n{LENGTH}{BELOW} finish(r0)",
        INDEX,
    )


def test_the_length_may_be_a_parameter_of_the_loop() -> None:
    """A list that the loop does not change: its length is read before."""
    trace = optimized(
        "t(r0, r1)\n guard_no_attention() -> [r0, r1]\n guard_type(r0) {list} -> [r0, r1]\n guard_type(r1) {int} -> [r0, r1]\n"
        " i2 = int_unbox(r1) -> [r0, r1]\n b3 = int_le(0, i2)\n guard_true(b3) -> [b3, r0, i2]\n"
        " i4 = list_len(r0)\n b5 = int_lt(i2, i4)\n guard_true(b5) -> [b5, r0, i2]\n"
        " r6 = list_getitem(r0, i2)\n guard_type(r6) {int} -> [r0, i2]\n i7 = int_unbox(r6) -> [r0, i2]\n"
        " r9 = int_box(i7)\n jump(r0, r9)"
    )
    inside = names(body(trace))
    assert inside.count("uint_lt") == 1
    assert "int_lt" not in inside
    assert "list_len" not in inside
