"""Machine arithmetic against the definition: numbers modulo 2**64."""

from __future__ import annotations

import enum
import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metatracer import LONG_BIT, intmask, ovfcheck, r_longlong, r_uint

ANY = st.one_of(
    st.integers(-(2**70), 2**70),
    st.sampled_from([0, 1, -1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64 - 1, 2**64]),
)
U64 = 2**64


@given(ANY)
def test_intmask_is_the_signed_remainder(n):
    found = intmask(n)
    assert type(found) is int
    assert -(2**63) <= found < 2**63
    assert (found - n) % U64 == 0
    assert r_longlong(n) == found


def test_intmask_takes_what_has_an_index():
    class Colour(enum.IntEnum):
        RED = 3

    assert (intmask(True), type(intmask(True))) == (1, int)
    assert (intmask(Colour.RED), type(intmask(Colour.RED))) == (3, int)
    assert intmask(r_uint(-1)) == -1


@pytest.mark.parametrize("wrong", [1.0, "1", None])
def test_intmask_refuses_other_things(wrong):
    with pytest.raises(TypeError):
        intmask(wrong)


@given(ANY)
def test_ovfcheck_passes_or_raises(n):
    if -(2**63) <= n < 2**63:
        assert ovfcheck(n) is n
    else:
        with pytest.raises(OverflowError, match="signed 64-bit"):
            ovfcheck(n)


def test_long_bit():
    assert LONG_BIT == 64


@given(ANY)
def test_r_uint_is_the_unsigned_remainder(n):
    number = r_uint(n)
    assert int(number) == n % U64
    assert -(2**63) <= number.bits < 2**63
    assert repr(number) == f"r_uint({n % U64})"
    assert str(number) == str(n % U64)
    assert float(number) == float(n % U64)
    assert bool(number) is (n % U64 != 0)
    assert hash(number) == hash(n % U64)
    assert [0] * 3 == [0] * operator.index(r_uint(3))


@pytest.mark.parametrize(
    "operation", [operator.add, operator.sub, operator.mul, operator.and_, operator.or_, operator.xor]
)
@given(a=ANY, b=ANY)
def test_r_uint_wraps(operation, a, b):
    expected = operation(a % U64, b % U64) % U64
    for found in (operation(r_uint(a), r_uint(b)), operation(r_uint(a), b), operation(a, r_uint(b))):
        assert type(found) is r_uint
        assert int(found) == expected


@pytest.mark.parametrize("operation", [operator.floordiv, operator.mod])
@given(a=ANY, b=ANY.filter(lambda n: n % U64))
def test_r_uint_divides_unsigned(operation, a, b):
    expected = operation(a % U64, b % U64)
    for found in (operation(r_uint(a), r_uint(b)), operation(r_uint(a), b), operation(a, r_uint(b))):
        assert int(found) == expected


def test_r_uint_division_by_zero():
    with pytest.raises(ZeroDivisionError):
        r_uint(1) // 0


@given(ANY, st.integers(0, 63))
def test_r_uint_shifts(n, places):
    assert int(r_uint(n) >> places) == (n % U64) >> places
    assert int(r_uint(n) << places) == ((n % U64) << places) % U64


@pytest.mark.parametrize("places", [-1, 64])
def test_r_uint_shift_count_is_checked(places):
    with pytest.raises(ValueError, match=f"from 0 to 63, not {places}"):
        r_uint(1) >> places


@given(ANY)
def test_r_uint_unary(n):
    assert int(~r_uint(n)) == ~n % U64
    assert int(-r_uint(n)) == -n % U64
    assert int(+r_uint(n)) == n % U64


@pytest.mark.parametrize("operation", [operator.lt, operator.le, operator.gt, operator.ge])
@given(a=ANY, b=ANY)
def test_r_uint_is_ordered_unsigned(operation, a, b):
    assert operation(r_uint(a), r_uint(b)) is operation(a % U64, b % U64)


@given(ANY, ANY)
def test_r_uint_equality(a, b):
    assert (r_uint(a) == r_uint(b)) is (a % U64 == b % U64)
    assert (r_uint(a) != r_uint(b)) is (a % U64 != b % U64)
    assert r_uint(a) == a % U64
    assert r_uint(a) != "x"
