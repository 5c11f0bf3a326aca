"""Arithmetic that is masked at once wraps; all other is checked, and both do what CPython does."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metatracer import intmask
from tests.recorder.recording import agrees, cases, check, recorded

MASK = 0xFFFFFFFF
FULL = 2**63 - 1
LARGER = 2**65 - 1


class Fickle:
    """Adds, and cannot be told from an int by the operator."""

    def __init__(self, value):
        self.value = value

    def __radd__(self, other):
        return other // 2**40 + self.value


@recorded(2**62, 2**40 + 3)
def a_masked_product_may_wrap(a, b):
    """
    ...
    i4 = int_mul(i2, i3)
    i5 = int_and(i4, 4294967295)
    ...
    ! _ovf
    """
    return (a * b) & 0xFFFFFFFF


@recorded(2**62, 2**62)
def a_mask_of_a_global_counts(a, b):
    """
    ...
    i4 = int_add(i2, i3)
    i5 = int_and(i4, 9223372036854775807)
    ...
    ! _ovf
    """
    return (a + b) & FULL


@recorded(6364136223846793005, 1442695040888963407)
def all_that_leads_to_a_mask_may_wrap(a, b):
    """
    ...
    ! _ovf
    """
    b = intmask(b)
    return 0x7FFF & ((((intmask(a) * 3 + b) ^ 0x55) - b) << 2)


@recorded(6364136223846793005, 1442695040888963407)
def all_that_leads_to_intmask_may_wrap(a, b):
    """
    ...
    i4 = int_mul(i3, 3)
    i5 = int_add(i4, i2)
    ...
    ! _ovf
    """
    b = intmask(b)
    return intmask(a * 3 + b)


@recorded(100, 7)
def an_operand_on_the_way_is_guarded_to_be_an_int_first(a, b):
    """
    guard_type(r1) {int}
    guard_type(r0) {int}
    i2 = int_unbox(r0)
    i3 = int_mul(i2, 3)
    ...
    """
    return (a * 3 + b) & 1023


@recorded(100, 7)
def what_is_kept_is_checked(a, b):
    """
    ...
    i4 = int_add_ovf(i2, i3)
    i5 = int_and(i4, 255)
    ...
    """
    c = a + b
    return c & 255


@recorded(100, 7)
def a_negative_mask_shows_all_bits(a, b):
    """
    ...
    i4 = int_add_ovf(i2, i3)
    i5 = int_and(i4, -4)
    ...
    """
    return (a + b) & -4


@recorded(100, 7)
def a_mask_that_is_not_constant_may_be_negative(a, b):
    """
    ...
    i4 = int_add_ovf(i2, i3)
    i5 = int_and(i4, i3)
    ...
    """
    return (a + b) & b


@recorded(100, 7)
def a_division_on_the_way_shows_all_bits(a, b):
    """
    ...
    i4 = int_add_ovf(i2, i3)
    ...
    """
    return ((a + b) >> 1) & 255


@recorded(100, 7)
def a_mask_beyond_64_bits_shows_all_bits(a, b):
    """
    ...
    i4 = int_add_ovf(i2, i3)
    ...
    """
    return (a + b) & LARGER


@pytest.mark.parametrize("step", cases(globals()), ids=lambda step: step.__name__)
def test_recorded(step):
    check(step)


def multiply_add(a, b):
    return ((a * 0x5851F42D4C957F2D + 12345) & 0x7FFFFFFFFFFFFFFF) ^ (b & 3)


def add_fickle(a, b):
    return (a * 2**44 + b[a & 7]) & 0xFFFF


def test_an_operand_that_turns_out_to_be_no_int_sees_the_exact_number():
    agrees(add_fickle, 123456, [3, 4, 5, Fickle(1), 6, 7, 8, 9])


WORDS = st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 5) | st.sampled_from([2**63, -(2**63) - 1, 2**65 + 1])


@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=6)
@given(WORDS, WORDS)
def test_wrapping_sums_agree(a, b):
    agrees(multiply_add, a, b, 12)


@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=6)
@given(WORDS, WORDS)
def test_wrapping_chains_agree(a, b):
    agrees(all_that_leads_to_a_mask_may_wrap, a, b, 12)
