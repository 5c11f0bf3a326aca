"""Orders of two integers: what follows from what, and what does not."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metatracer.ir.opcodes import INT_LE, INT_LT
from metatracer.ir.values import Input
from metatracer.optimizer.relations import MAX_DEPTH, Relations
from metatracer.optimizer.state import ConstantPool, State
from tests.optimizer.text import body, check, names, optimized, unchanged

PASSES = {"fold", "algebra", "ranges", "relations", "types"}
LOOP = {*PASSES, "virtuals", "heap", "cse", "peel", "dead"}
HEAD = "t(r0: int, r1: int, r2: int)\n i3 = int_unbox(r0) -> [r0]\n i4 = int_unbox(r1) -> [r0]\n i5 = int_unbox(r2) -> [r0]\n"


def follows(given_guards: str, asked: str) -> None:
    """The comparison `asked` of i3, i4, i5 is decided as true behind the guards."""
    with_question = optimized(f"{HEAD}{given_guards} b20 = {asked}\n guard_true(b20) -> [r0]\n finish(r0)", PASSES)
    without = optimized(f"{HEAD}{given_guards} finish(r0)", PASSES)
    assert names(with_question.operations) == names(without.operations)


def does_not_follow(given_guards: str, asked: str) -> None:
    """It is not decided."""
    unchanged(f"{HEAD}{given_guards} b20 = {asked}\n guard_true(b20) -> [r0]\n finish(r0)", PASSES)


LESS = " b6 = int_lt(i3, i4)\n guard_true(b6) -> [r0]\n"
LESS_TOO = " b7 = int_lt(i4, i5)\n guard_true(b7) -> [r0]\n"
LESS_OR_EQUAL = " b7 = int_le(i4, i5)\n guard_true(b7) -> [r0]\n"


def test_order_is_transitive() -> None:
    follows(LESS + LESS_TOO, "int_lt(i3, i5)")
    follows(LESS + LESS_OR_EQUAL, "int_lt(i3, i5)")
    follows(LESS + LESS_TOO, "int_ne(i5, i3)")


def test_order_the_other_way_is_false() -> None:
    head = HEAD + LESS + LESS_TOO
    check(f"{head} b20 = int_le(i5, i3)\n guard_false(b20) -> [r0]\n finish(r0)", f"{head} finish(r0)", PASSES)


def test_other_orders_do_not_follow() -> None:
    does_not_follow(LESS_OR_EQUAL, "int_lt(i4, i5)")
    does_not_follow(LESS, "int_lt(i3, i5)")
    does_not_follow(LESS + LESS_OR_EQUAL, "int_lt(i4, i5)")


def test_not_equal_makes_an_order_strict() -> None:
    follows(LESS_OR_EQUAL + " b8 = int_eq(i4, i5)\n guard_false(b8) -> [r0]\n", "int_lt(i4, i5)")


def test_one_step_up_is_at_most_the_bound() -> None:
    follows(LESS + " i8 = int_add_ovf(i3, 1) -> [r0]\n", "int_le(i8, i4)")
    with pytest.raises(AssertionError):
        follows(LESS + " i8 = int_add_ovf(i3, 2) -> [r0]\n", "int_le(i8, i4)")


def test_a_sum_that_may_wrap_is_in_no_order() -> None:
    does_not_follow(" i8 = int_add(i4, 1)\n", "int_lt(i4, i8)")


def test_remainder_is_less_than_its_divisor() -> None:
    follows(" b6 = int_lt(0, i4)\n guard_true(b6) -> [r0]\n i8 = int_mod(i3, i4)\n", "int_lt(i8, i4)")
    does_not_follow(" i8 = int_mod(i3, i4)\n", "int_lt(i8, i4)")


def test_a_bound_reaches_through_a_sum() -> None:
    sum_first = " i8 = int_add_ovf(i3, 5) -> [r0]\n b9 = int_lt(10, i8)\n guard_true(b9) -> [r0]\n"
    follows(sum_first, "int_lt(5, i3)")
    does_not_follow(sum_first, "int_lt(6, i3)")


def test_nothing_is_decided_without_the_pass() -> None:
    unchanged(
        f"{HEAD}{LESS}{LESS_TOO} b20 = int_lt(i3, i5)\n guard_true(b20) -> [r0]\n finish(r0)", PASSES - {"relations"}
    )


# --- loops ------------------------------------------------------------------------------------------------------------

SCAN_DOWN = """t(r0: list, r1: int)
 guard_no_attention() -> [r0, r1]
 guard_type(r0) {list} -> [r0, r1]
 guard_type(r1) {int} -> [r0, r1]
 i2 = int_unbox(r1) -> [r0, r1]
 b3 = int_le(0, i2)
 guard_true(b3) -> [r0, r1]
 i4 = list_len(r0)
 b5 = int_lt(i2, i4)
 guard_true(b5) -> [r0, r1]
 r6 = list_getitem(r0, i2)
 guard_value(r6) {None} -> [r0, r1]
 i7 = int_sub_ovf(i2, 1) -> [r0, r1]
 r8 = int_box(i7)
 jump(r0, r8)"""

SCAN_UP = """t(r0: list, r1: int, r2: int)
 guard_no_attention() -> [r0, r1, r2]
 guard_type(r0) {list} -> [r0, r1, r2]
 guard_type(r1) {int} -> [r0, r1, r2]
 guard_type(r2) {int} -> [r0, r1, r2]
 i3 = int_unbox(r1) -> [r0, r1, r2]
 i4 = int_unbox(r2) -> [r0, r1, r2]
 i5 = list_len(r0)
 b6 = int_le(i4, i5)
 guard_true(b6) -> [r0, r1, r2]
 b7 = int_lt(i3, i4)
 guard_true(b7) -> [r0, r1, r2]
 b8 = int_le(0, i3)
 guard_true(b8) -> [r0, r1, r2]
 b9 = int_lt(i3, i5)
 guard_true(b9) -> [r0, r1, r2]
 r10 = list_getitem(r0, i3)
 guard_value(r10) {None} -> [r0, r1, r2]
 i11 = int_add_ovf(i3, 1) -> [r0, r1, r2]
 r12 = int_box(i11)
 jump(r0, r12, r2)"""


def comparisons(trace: object) -> list[str]:
    return [name for name in names(body(trace)) if name.startswith(("int_l", "uint_l")) or name.endswith("_ovf")]  # type: ignore[arg-type]


def test_an_index_going_down_is_checked_once_against_the_length() -> None:
    assert comparisons(optimized(SCAN_DOWN, LOOP - {"relations"})) == ["int_le", "int_lt"]
    assert comparisons(optimized(SCAN_DOWN, LOOP)) == ["int_le"]


def test_an_index_going_up_to_a_bound_within_the_length_is_checked_against_the_bound_only() -> None:
    assert comparisons(optimized(SCAN_UP, LOOP - {"relations"})) == ["int_lt", "int_lt"]
    assert comparisons(optimized(SCAN_UP, LOOP)) == ["int_lt"]


def test_an_order_that_the_body_does_not_keep_is_not_relied_on() -> None:
    text = SCAN_DOWN.replace("int_sub_ovf(i2, 1)", "int_add_ovf(i2, 1)")
    assert comparisons(optimized(text, LOOP)) == ["int_lt"]
    text = SCAN_DOWN.replace("i7 = int_sub_ovf(i2, 1)", "i20 = int_mul_ovf(i2, 3) -> [r0, r1]\n i7 = int_sub_ovf(i20, 1)")
    assert "int_lt" in comparisons(optimized(text, LOOP))


# --- the graph --------------------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(-3, 3)), max_size=8),
    st.lists(st.integers(-4, 4), min_size=4, max_size=4),
)
def test_what_is_proved_is_true(edges: list[tuple[int, int, int]], numbers: list[int]) -> None:
    """Facts that are true of some numbers prove only what is true of them."""
    state = State(ConstantPool())
    relations = Relations(state)
    values = [Input("i") for _ in numbers]
    for x, y, c in edges:
        if numbers[x] <= numbers[y] + c:
            relations.note(values[x], values[y], c)
    for x, y, c in itertools.product(range(4), range(4), range(-4, 5)):
        if relations.proves(values[x], values[y], c):
            assert numbers[x] <= numbers[y] + c
    for opcode, x, y in relations.orders_among(set(values)):
        left, right = numbers[values.index(x)], numbers[values.index(y)]  # type: ignore[arg-type]
        assert left < right if opcode is INT_LT else left <= right
    assert {INT_LT, INT_LE} >= {opcode for opcode, _, _ in relations.orders_among(set(values))}


def test_long_chains_are_given_up() -> None:
    relations = Relations(State(ConstantPool()))
    values = [Input("i") for _ in range(MAX_DEPTH + 2)]
    for x, y in itertools.pairwise(values):
        relations.note(x, y, 0)
    assert relations.proves(values[1], values[-1], 0)
    assert not relations.proves(values[0], values[-1], 0)
