"""Numbers below 2**64 stay in machine words: hashes, random numbers, emulated processors; and do what CPython does."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.recorder.recording import agrees, cases, check, recorded

M = 0xFFFFFFFFFFFFFFFF
LARGE = 2**63 + 12345


@recorded(LARGE, 7)
def a_masked_sum_is_a_word(a, b):
    """
    guard_type(r0) {int}
    i2 = int_truncate(r0)
    guard_type(r1) {int}
    i3 = int_truncate(r1)
    i4 = int_add(i2, i3)
    r5 = uint_box(i4)
    jump(r5, r1)
    """
    return (a + b) & M


@recorded(LARGE, 7)
def a_chain_stays_in_words(a, b):
    """
    ...
    ! call
    i14 = int_invert(i13)
    i15 = int_or(i14, i9)
    r16 = uint_box(i15)
    jump(r16, r1)
    """
    return (~((a ^ b) * 0x100000001B3 - (a << 5) + (b >> 2) * a) | b) & M


@recorded(LARGE, 7)
def shifts_and_divisions_are_unsigned(a, b):
    """
    ...
    i2 = uint_unbox(r0)
    i3 = uint_rshift(i2, 7)
    i4 = uint_floordiv(i2, 10)
    i5 = int_add_ovf(i3, i4)
    i6 = uint_mod(i2, 1000)
    ...
    """
    return (a >> 7) + a // 10 + a % 1000


@recorded(LARGE, 2**63)
def comparisons_are_unsigned(a, b):
    """
    ...
    i2 = uint_unbox(r0)
    ...
    i3 = uint_unbox(r1)
    b4 = uint_lt(i2, i3)
    ...
    """
    return a + 1 if a < b else b


@recorded(LARGE, 5)
def a_signed_number_is_guarded_not_to_be_negative(a, b):
    """
    ...
    i4 = uint_unbox(r0)
    b5 = int_le(0, i3)
    guard_true(b5)
    i6 = int_xor(i4, i3)
    ...
    """
    b = int(b) + 0
    return a ^ b


@recorded(LARGE, 5)
def the_sign_is_changed_without_an_object(a, b):
    """
    ...
    i2 = uint_unbox(r0)
    b3 = uint_le(-9223372036854775808, i2)
    guard_true(b3)
    i4 = int_sub(i2, 0)
    i5 = int_rshift(i4, 3)
    r6 = int_box(i5)
    jump(r6, r1)
    """
    return (a - 2**64) >> 3


@recorded(2**70 + 5, 5)
def a_narrow_mask_of_a_large_number_is_a_word(a, b):
    """
    guard_type(r0) {int}
    i2 = int_truncate(r0)
    i3 = int_and(i2, 65535)
    r4 = int_box(i3)
    jump(r4, r1)
    """
    return a & 0xFFFF


@recorded(17, 5)
def a_function_that_masks_shifts_unsigned_numbers(a, b):
    """
    ...
    i2 = uint_unbox(r0)
    i3 = uint_rshift(i2, 3)
    ...
    """
    return ((a >> 3) | (a << 61)) & M


@recorded(17, 5)
def other_functions_shift_signed_ones(a, b):
    """
    ...
    i2 = int_unbox(r0)
    i3 = int_rshift(i2, 3)
    ...
    """
    return a >> 3


@recorded(LARGE, 5)
def bits_are_counted(a, b):
    """
    ...
    i2 = uint_unbox(r0)
    i3 = uint_bit_length(i2)
    i4 = uint_bit_count(i2)
    ...
    ! call
    """
    return a.bit_length() + a.bit_count()


@pytest.mark.parametrize("step", cases(globals()), ids=lambda step: step.__name__)
def test_recorded(step):
    check(step)


# --- whole loops ----------------------------------------------------------------------------------------------------------


def xorshift(a, b):
    a ^= (a << 13) & M
    a ^= a >> 7
    a ^= (a << 17) & M
    return a


def kept_in_objects(a, b):
    b.append(a)
    b[0] = (b[0] ^ b[-1]) * 3 & M
    kept = {"x": b.pop()}
    return (kept["x"] * 0x5851F42D4C957F2D + b[0]) & M


def goes_both_ways(a, b):
    a = (a * 0x5851F42D4C957F2D + 99) & M
    signed = a - 2**64 if a >> 63 else a
    return (signed // 3) & M if signed < 0 else signed + 2**63


def sometimes_larger(a, b):
    a = (a * 0x5851F42D4C957F2D + 99) & M
    total = a + a
    return total >> 1 if a % 5 else total - a


def sometimes_a_float(a, b):
    a = (a * 0x5851F42D4C957F2D + 99) & M
    return int(a * 0.5) if a % 7 == 3 else a


def counts_and_tests(a, b):
    n = 0
    a = (a + 0x9E3779B97F4A7C15) & M
    while a:
        a &= a - 1
        n += 1
    return (M << (n % 64)) & M | n


def negative_then_masked(a, b):
    return (-a - b) & M if a & 1 else (~a * 3) & M


def as_an_argument(a, b):
    return (hash(str(a)[-5:]) * 0 + len(f"{a:x}") + (a ^ b) * 0x100000001B3) & M


def shifted_by_what_varies(a, b):
    n = a % 64
    return ((a << n) | (a >> (64 - n) % 64)) & M


def truth_and_identity(a, b):
    a = (a * 0x5851F42D4C957F2D) & M
    return (a + 1) & M if a and a == a and not a < 0 else 17


def bits_of_any(a, b):
    a = (a * 0x5851F42D4C957F2D) & M
    signed = (a & 0xFFFF) - 0x8000
    return a + (a.bit_length() << 8) + a.bit_count() * signed.bit_length() + (a << 70).bit_count() + signed.bit_count() & M


@pytest.mark.parametrize(
    "step",
    [
        xorshift, goes_both_ways, sometimes_larger, sometimes_a_float, counts_and_tests, negative_then_masked, as_an_argument,
        shifted_by_what_varies, truth_and_identity, bits_of_any,
    ],
    ids=lambda step: step.__name__,
)  # fmt: skip
def test_same_as_plain(step):
    agrees(step, 88172645463325252, 4)
    agrees(step, LARGE, 4)


def test_kept_in_objects():
    agrees(kept_in_objects, 88172645463325252, [LARGE])


CONSTANTS = ["M", "2**63", "2**63 - 1", "2**64 - 1000", "0xFFFFFFFF", "0x5851F42D4C957F2D", "1", "10", "255"]
LEAVES = st.sampled_from(["a", "a", "b", "a", *CONSTANTS])


def _larger(inner):
    shifts = st.integers(0, 65).map(str)
    return st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "^", "|", "&"]), inner),
        st.builds("(({} {} {}) & M)".format, inner, st.sampled_from(["+", "-", "*", "^", "|"]), inner),
        st.builds("(({} << {}) & M)".format, inner, shifts),
        st.builds("({} >> {})".format, inner, shifts),
        st.builds("({} & M)".format, inner),
        st.builds("({}{} & M)".format, st.sampled_from(["~", "-"]), inner),
        st.builds("({} {} {})".format, inner, st.sampled_from(["//", "%"]), st.sampled_from(CONSTANTS)),
        st.builds("({} if {} {} {} else {})".format, inner, inner, st.sampled_from(["<", "<=", "==", "!=", ">"]), inner, inner),
        st.builds("({}).{}()".format, inner, st.sampled_from(["bit_count", "bit_length"])),
        st.builds("({0} - 2**64 if {0} >> 63 == 1 else {0})".format, inner),
        st.builds("({0} + 2**64 if {0} < 0 else {0})".format, inner),
    )


EXPRESSIONS = st.recursive(LEAVES, _larger, max_leaves=8)
WORDS = st.integers(0, M) | st.integers(-(2**63), 2**63) | st.sampled_from([0, 2**63, M, 2**64, -(2**70)])


@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=25)
@given(EXPRESSIONS, EXPRESSIONS, WORDS, WORDS)
def test_generated_steps_agree(first, second, a, b):
    namespace = {"M": M}
    exec(f"def step(a, b):\n    x = {first}\n    a = (x * 0xD1342543DE82EF95 + a) & M\n    return {second} & M\n", namespace)
    agrees(namespace["step"], a, b, 20)
