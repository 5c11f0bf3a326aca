"""Known bits: the arithmetic is sound, what it decides is decided, and what it must leave alone is left alone."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import z3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metatracer.ir.evaluator import observable, run
from metatracer.ir.opcodes import INT_ADD, INT_AND, INT_OR, INT_SUB, INT_XOR, OPCODES, GuardFailed, Opcode, wrap_i64
from metatracer.ir.verifier import verify
from metatracer.optimizer.bits import BINARY, THROUGH, UNARY, Bits, both, of_range, to_range
from metatracer.optimizer.pipeline import PASSES, optimize
from tests.ir.strategies import leave_at_attention
from tests.optimizer.text import body, check, names, optimized, parse, unchanged

BITS = {"fold", "algebra", "ranges", "bits", "types", "cse"}
I1 = "t(r0: int)\n i1 = int_unbox(r0) -> [r0]\n"
TAIL = "\n r9 = int_box(i8)\n finish(r9)"

# --- the arithmetic ---------------------------------------------------------------------------------------------------

PLACES = (0, 1, 63)
"""Bits that the exhaustive checks vary; all others are known to be 0."""


def has(number: int, bits: Bits) -> bool:
    return (number ^ bits[0]) & ~bits[1] == 0


def all_bits() -> list[Bits]:
    """Every state of the bits at `PLACES`."""
    found = []
    for states in itertools.product((0, 1, None), repeat=len(PLACES)):
        ones = sum(1 << place for place, state in zip(PLACES, states, strict=True) if state)
        unknown = sum(1 << place for place, state in zip(PLACES, states, strict=True) if state is None)
        found.append((wrap_i64(ones), wrap_i64(unknown)))
    return found


def numbers_of(bits: Bits) -> list[int]:
    places = [place for place in PLACES if bits[1] >> place & 1]
    return [
        wrap_i64(bits[0] | sum(1 << place for place in chosen))
        for count in range(len(places) + 1)
        for chosen in itertools.combinations(places, count)
    ]


def value_of(opcode: Opcode, *args: int) -> int | None:
    """None where the operation has no result."""
    if "shift" in opcode.name and not 0 <= args[1] < 64:
        return None
    assert opcode.evaluate is not None
    try:
        result: int = opcode.evaluate(*args)
    except GuardFailed:
        return None
    return result


@pytest.mark.parametrize("opcode", BINARY, ids=str)
def test_binary_arithmetic_on_a_few_bits_is_sound(opcode: Opcode) -> None:
    for left, right in itertools.product(all_bits(), repeat=2):
        result = BINARY[opcode](left, right)
        assert not result[0] & result[1]
        for a, b in itertools.product(numbers_of(left), numbers_of(right)):
            value = value_of(opcode, a, b)
            assert value is None or has(value, result), (left, right, a, b)


MACHINE = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-300, 300),
    st.integers(0, 62).map(lambda n: 1 << n),
    st.just(-(2**63)),
)


@st.composite
def bits_and_number(draw: st.DrawFn) -> tuple[Bits, int]:
    """Bits, and a number that has them."""
    number, unknown = draw(MACHINE), draw(MACHINE)
    return (number & ~unknown, unknown), number


@given(bits_and_number(), bits_and_number(), st.sampled_from(sorted(BINARY, key=str)))
def test_binary_arithmetic_is_sound(left: tuple[Bits, int], right: tuple[Bits, int], opcode: Opcode) -> None:
    result = BINARY[opcode](left[0], right[0])
    assert not result[0] & result[1]
    assert all(-(2**63) <= part < 2**63 for part in result)
    value = value_of(opcode, left[1], right[1])
    assert value is None or has(value, result)


@given(bits_and_number(), st.sampled_from(sorted(UNARY, key=str)))
def test_unary_arithmetic_is_sound_and_undoes_itself(given_bits: tuple[Bits, int], opcode: Opcode) -> None:
    bits, number = given_bits
    assert has(value_of(opcode, number) or 0, UNARY[opcode](bits))
    assert value_of(opcode, value_of(opcode, number) or 0) == number


@given(bits_and_number(), MACHINE | st.integers(0, 63), st.sampled_from(sorted(THROUGH, key=str)), MACHINE)
def test_what_a_result_says_of_its_argument_is_sound(
    given_bits: tuple[Bits, int], other: int, opcode: Opcode, unknown: int
) -> None:
    _, number = given_bits
    value = value_of(opcode, number, other)
    if value is not None:
        through = THROUGH[opcode]((value & ~unknown, unknown), other)
        assert has(number, through)
        assert not through[0] & through[1]


@pytest.mark.parametrize("opcode", [INT_ADD, INT_SUB, INT_AND, INT_OR, INT_XOR], ids=str)
def test_arithmetic_is_proved(opcode: Opcode) -> None:
    """For all 64 bits. The functions are written so that they work on terms of z3 as they are."""
    left, right = (z3.BitVec("a", 64), z3.BitVec("m", 64)), (z3.BitVec("b", 64), z3.BitVec("n", 64))
    x, y = z3.BitVec("x", 64), z3.BitVec("y", 64)
    ones, unknown = BINARY[opcode](left, right)  # type: ignore[arg-type]
    value: Any = {INT_ADD: x + y, INT_SUB: x - y, INT_AND: x & y, INT_OR: x | y, INT_XOR: x ^ y}[opcode]
    solver = z3.Solver()
    solver.add(left[0] & left[1] == 0, right[0] & right[1] == 0)
    solver.add((x ^ left[0]) & ~left[1] == 0, (y ^ right[0]) & ~right[1] == 0)
    solver.add(z3.Or((value ^ ones) & ~unknown != 0, ones & unknown != 0))
    assert solver.check() == z3.unsat


@given(MACHINE, MACHINE, MACHINE)
def test_bits_of_a_range_are_those_of_its_numbers(a: int, b: int, number: int) -> None:
    lo, hi = min(a, b), max(a, b)
    bits = of_range(lo, hi)
    assert all(has(each, bits) for each in (lo, hi))
    assert not lo <= number <= hi or has(number, bits)


@given(bits_and_number())
def test_range_of_bits_holds_the_number_and_is_tight(given_bits: tuple[Bits, int]) -> None:
    bits, number = given_bits
    lo, hi = to_range(bits)
    assert lo <= number <= hi
    assert has(lo, bits)
    assert has(hi, bits)


@given(bits_and_number(), MACHINE, MACHINE)
def test_both_keeps_the_numbers_of_both(given_bits: tuple[Bits, int], unknown: int, other: int) -> None:
    bits, number = given_bits
    met = both(bits, (number & ~unknown, unknown))
    assert met is not None
    assert has(number, met)
    met = both(bits, (other & ~unknown, unknown))
    assert (met is None) == bool((bits[0] ^ other) & ~bits[1] & ~unknown)


# --- masks ------------------------------------------------------------------------------------------------------------


def becomes(before: str, after: str, passes: set[str] = BITS) -> None:
    """The operations that compute i8 from i1."""
    check(I1 + before + TAIL, I1 + after + TAIL, passes)


def test_mask_of_what_is_within_it_is_removed() -> None:
    becomes(" i2 = int_and(i1, 255)\n i8 = int_and(i2, 4095)", " i8 = int_and(i1, 255)")
    becomes(
        " i2 = int_and(i1, 255)\n i3 = int_lshift(i2, 4)\n i8 = int_and(i3, 4095)",
        " i2 = int_and(i1, 255)\n i8 = int_lshift(i2, 4)",
    )


def test_mask_of_what_may_exceed_it_is_kept() -> None:
    unchanged(I1 + " i2 = int_and(i1, 255)\n i3 = int_add(i2, 1)\n i8 = int_and(i3, 255)" + TAIL, BITS)


def test_mask_of_a_byte_from_a_buffer_is_removed() -> None:
    head = "t(r0: bytes)\n i1 = bytes_getitem(r0, 0)\n"
    check(head + " i8 = int_and(i1, 255)" + TAIL, head + TAIL.replace("i8", "i1"), BITS)


def test_mask_that_a_part_of_an_or_does_not_have_passes_it_by() -> None:
    word = " i2 = int_lshift(i1, 8)\n i3 = int_and(i1, 7)\n i4 = int_or(i2, i3)\n"
    check(I1 + word + " i8 = int_and(i4, 255)" + TAIL, I1 + word + TAIL.replace("i8", "i3"), BITS)
    word = " i2 = int_lshift(i1, 8)\n i3 = int_and(i1, 7)\n i4 = int_xor(i2, i3)\n"
    check(I1 + word + " i8 = int_and(i4, -256)" + TAIL, I1 + word + TAIL.replace("i8", "i2"), BITS)
    overlapping = " i2 = int_lshift(i1, 2)\n i3 = int_and(i1, 7)\n i4 = int_xor(i2, i3)\n"
    unchanged(I1 + overlapping + " i8 = int_and(i4, -4)" + TAIL, BITS)


def test_test_of_a_bit_that_was_cleared_is_decided() -> None:
    head = I1 + " i2 = int_and(i1, -3)\n i3 = int_or(i2, 128)\n"
    check(
        head + " i4 = int_and(i3, 2)\n b5 = int_eq(i4, 0)\n guard_true(b5) -> [r0]\n finish(r0)",
        head + " finish(r0)",
        BITS,
    )


def test_numbers_that_differ_in_a_bit_are_not_equal() -> None:
    head = I1 + " i2 = int_mul(i1, 6)\n"
    check(head + " b3 = int_ne(i2, 9)\n guard_true(b3) -> [r0]\n finish(r0)", head + " finish(r0)", BITS)
    unchanged(head + " b3 = int_ne(i2, 10)\n guard_true(b3) -> [r0]\n finish(r0)", BITS)


def test_bits_decide_an_order() -> None:
    head = I1 + " i2 = int_or(i1, 3)\n i3 = int_and(i2, 250)\n"
    check(
        head + " b4 = int_lt(1, i3)\n guard_true(b4) -> [r0]\n finish(r0)",
        head + " finish(r0)",
        BITS - {"algebra"},
    )
    head = I1 + " i2 = int_and(i1, -8)\n b3 = int_lt(i2, 23)\n guard_true(b3) -> [r0]\n"
    unchanged(head + " b4 = int_le(i2, 16)\n guard_true(b4) -> [r0]\n finish(r0)", BITS)


def test_bits_are_no_bounds_of_what_a_loop_carries() -> None:
    trace = optimized(counting(4, "0"))
    label = trace.label
    assert label is not None
    assert trace.entry is not None
    (param,) = label.params
    state = trace.entry.label.state
    assert state.bounds(trace.entry.value_of[param]) == (-(2**63), 2**63 - 1)


# --- guards -----------------------------------------------------------------------------------------------------------

EVEN = I1 + " i2 = int_and(i1, 1)\n b3 = int_eq(i2, 0)\n guard_true(b3) -> [r0]\n"


def test_guard_on_a_mask_tells_bits_of_what_was_masked() -> None:
    question = " i4 = int_add(i1, 7)\n i5 = int_and(i4, 1)\n b6 = int_eq(i5, 1)\n guard_true(b6) -> [r0]\n"
    check(EVEN + question + " finish(r0)", EVEN + " i4 = int_add(i1, 7)\n finish(r0)", BITS)


def test_guard_on_a_mask_tells_nothing_of_other_bits() -> None:
    unchanged(EVEN + " i5 = int_and(i1, 2)\n b6 = int_eq(i5, 0)\n guard_true(b6) -> [r0]\n finish(r0)", BITS)


def test_a_single_bit_that_is_not_0_is_1() -> None:
    head = I1 + " i2 = int_and(i1, 64)\n b3 = int_eq(i2, 0)\n guard_false(b3) -> [r0]\n"
    check(
        head + " i4 = int_and(i1, 64)\n b5 = int_eq(i4, 64)\n guard_true(b5) -> [r0]\n finish(r0)",
        head + " finish(r0)",
        BITS,
    )


def test_one_of_several_bits_that_are_not_0_is_not_known() -> None:
    head = I1 + " i2 = int_and(i1, 65)\n b3 = int_eq(i2, 0)\n guard_false(b3) -> [r0]\n"
    unchanged(head + " i4 = int_and(i1, 64)\n b5 = int_eq(i4, 64)\n guard_true(b5) -> [r0]\n finish(r0)", BITS)


def test_promoted_field_of_a_word_tells_its_bits() -> None:
    head = I1 + " i2 = int_rshift(i1, 4)\n i3 = int_and(i2, 15)\n guard_int_value(i3) {9} -> [r0]\n"
    check(head + " i8 = int_and(i1, 240)" + TAIL, head + TAIL.replace("i8", "144"), BITS)


def test_nothing_is_known_without_the_pass() -> None:
    unchanged(EVEN + " i4 = int_add(i1, 7)\n i5 = int_and(i4, 1)\n r6 = int_box(i5)\n finish(r6)", BITS - {"bits"})


def test_failing_guard_does_not_use_what_it_tells() -> None:
    trace = optimized(I1 + " i2 = int_and(i1, 1)\n b3 = int_eq(i2, 0)\n guard_true(b3) -> [i2, b3]\n finish(r0)", BITS)
    guard = trace.operations[3]
    assert guard.snapshot is not None
    assert list(guard.snapshot.frames[0].locals) == [trace.operations[1], trace.operations[2]]


# --- loops ------------------------------------------------------------------------------------------------------------

LOOP = frozenset(PASSES) - {"alias"}


def counting(step: int, test: str) -> str:
    return f"""t(r0: int)
 guard_no_attention() -> [r0]
 i1 = int_unbox(r0) -> [r0]
 i2 = int_and(i1, 3)
 b3 = int_eq(i2, {test})
 guard_true(b3) -> [r0]
 i4 = int_add_ovf(i1, {step}) -> [r0]
 r5 = int_box(i4)
 jump(r5)"""


def test_alignment_goes_round_a_loop() -> None:
    assert names(body(optimized(counting(4, "0")))) == ["guard_no_attention", "int_add_ovf", "jump"]
    assert names(body(optimized(counting(8, "3")))) == ["guard_no_attention", "int_add_ovf", "jump"]


def test_loop_whose_next_iteration_contradicts_is_peeled_without_its_bits() -> None:
    assert "guard_true" in names(body(optimized(counting(2, "0"))))


def test_bits_that_do_not_go_round_are_checked_again() -> None:
    text = """t(r0: int, r9: int)
 guard_no_attention() -> [r0, r9]
 i1 = int_unbox(r0) -> [r0, r9]
 i2 = int_unbox(r9) -> [r0, r9]
 i3 = int_and(i1, 3)
 b4 = int_eq(i3, 0)
 guard_true(b4) -> [r0, r9]
 i5 = int_add_ovf(i1, i2) -> [r0, r9]
 r6 = int_box(i5)
 jump(r6, r9)"""
    assert "guard_true" in names(body(optimized(text)))


# --- the same before and after ----------------------------------------------------------------------------------------

CONSTANTS = st.sampled_from(
    [0, 1, 2, 3, 4, 7, 8, 15, 16, 127, 128, 255, 256, 65535, 2**32 - 1, -1, -2, -8, -256, 2**63 - 1, -(2**63)]
)
OPERATIONS = (
    "int_and",
    "int_or",
    "int_xor",
    "int_add",
    "int_sub",
    "int_mul",
    "int_add_ovf",
    "int_lshift",
    "int_rshift",
    "uint_rshift",
)


@st.composite
def word_traces(draw: st.DrawFn) -> str:
    """Bit operations on two numbers, with guards on bits that hold or not, straight or as a loop."""
    lines, values = [" guard_no_attention() -> [r0, r1]"], ["i0", "i1"]
    lines += [" i0 = int_unbox(r0) -> [r0, r1]", " i1 = int_unbox(r1) -> [r0, r1]"]
    for number in range(2, draw(st.integers(3, 16))):
        name = draw(st.sampled_from([*OPERATIONS, "int_and", "guard", "switch"]))
        left = draw(st.sampled_from(values))
        if name == "guard":
            constant, side = draw(CONSTANTS), draw(st.sampled_from(["true", "false"]))
            comparison = draw(st.sampled_from(["int_eq", "int_ne", "int_lt", "uint_lt"]))
            lines.append(f" b{number} = {comparison}({left}, {constant})")
            lines.append(f" guard_{side}(b{number}) -> [{', '.join(['r0', 'r1', *values])}]")
        elif name == "switch":
            lines.append(f" guard_int_value({left}) {{{draw(CONSTANTS)}}} -> [{', '.join(['r0', 'r1', *values])}]")
        else:
            right = (
                str(draw(st.integers(0, 63))) if "shift" in name else draw(st.sampled_from(values) | CONSTANTS.map(str))
            )
            snapshot = f" -> [{', '.join(['r0', 'r1', *values])}]" if OPCODES[name].is_guard else ""
            lines.append(f" i{number} = {name}({left}, {right}){snapshot}")
            values.append(f"i{number}")
    ends = draw(st.tuples(st.sampled_from(values), st.sampled_from(values)))
    lines += [f" r{90 + n} = int_box({end})" for n, end in enumerate(ends)]
    if draw(st.booleans()):
        return "t(r0: int, r1: int)\n" + "\n".join([*lines, " jump(r90, r91)"])
    return "t(r0: int, r1: int)\n" + "\n".join([*lines, " r92 = new_tuple(r90, r91)", " finish(r92)"])


@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=200)
@given(word_traces(), CONSTANTS | MACHINE, CONSTANTS | MACHINE, st.integers(1, 5))
def test_words_are_the_same_before_and_after(text: str, a: int, b: int, leave: int) -> None:
    before, after = parse(text), optimize(parse(text), passes=LOOP)
    verify(after)
    outcomes = [
        observable(run(trace, [a, b], max_iterations=6, force_exit=leave_at_attention(leave)), [a, b])
        for trace in (before, after)
    ]
    assert outcomes[0] == outcomes[1]
