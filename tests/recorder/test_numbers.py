"""Numbers and strings: arithmetic on known classes, comparisons, truth, conversions."""

from __future__ import annotations

import pytest

from metatracer import intmask, ovfcheck
from tests.recorder.recording import agrees, cases, check, record, recorded


@recorded(3, 4)
def int_addition(a, b):
    """
    guard_type(r0) {int}
    i2 = int_unbox(r0)
    guard_type(r1) {int}
    i3 = int_unbox(r1)
    i4 = int_add_ovf(i2, i3)
    r5 = int_box(i4)
    jump(r5, r1)
    """
    return a + b


@recorded(3, 4)
def truth_is_guarded_once(a, b):
    """
    guard_type(r0) {int}
    i2 = int_unbox(r0)
    guard_type(r1) {int}
    i3 = int_unbox(r1)
    b4 = int_lt(i2, i3)
    b5 = bool_not(b4)
    guard_true(b4)
    i6 = int_add_ovf(i2, 1)
    i7 = int_sub_ovf(i6, 1)
    r8 = int_box(i7)
    jump(r8, r1)
    """
    less = a < b
    more = not less
    if not more:
        a += 1
    if less is not False and less:
        a -= 1
    return a


@recorded(3, "x")
def identity_is_compared_once(a, b):
    """
    b2 = ptr_eq(r1, r0)
    i3 = bool_to_int(b2)
    i4 = bool_to_int(b2)
    i5 = int_add_ovf(i3, i4)
    guard_type(r0) {int}
    i6 = int_unbox(r0)
    i7 = int_add_ovf(i5, i6)
    r8 = int_box(i7)
    jump(r8, r1)
    """
    return (b is a) + (b is a) + a


@recorded(3, 4)
def limits_of_machine_integers_are_not_compared(a, b):
    """
    guard_type(r0) {int}
    i2 = int_unbox(r0)
    guard_type(r1) {int}
    i3 = int_unbox(r1)
    i4 = int_add_ovf(i2, i3)
    b5 = int_lt(i4, 9223372036854775807)
    guard_true(b5)
    r6 = int_box(i4)
    jump(r6, r1)
    """
    c = a + b
    if -0x8000_0000_0000_0000 <= c <= 0x7FFF_FFFF_FFFF_FFFF and 0x7FFF_FFFF_FFFF_FFFF >= c and c < 0x7FFF_FFFF_FFFF_FFFF:
        return c
    return a


@recorded(100, 7)
def int_multiplication_by_constants(a, b):
    """
    guard_type(r1) {int}
    guard_type(r0) {int}
    i2 = int_unbox(r0)
    i3 = int_mul(i2, 3)
    i4 = int_unbox(r1)
    i5 = int_sub(i3, i4)
    i6 = int_and(i5, 1023)
    r7 = int_box(i6)
    jump(r7, r1)
    """
    return (a * 3 - b) & 1023


@recorded(1000, 7)
def int_division(a, b):
    """
    guard_type(r0) {int}
    i2 = int_unbox(r0)
    guard_type(r1) {int}
    i3 = int_unbox(r1)
    i4 = int_add(i3, 1)
    b5 = uint_lt(1, i4)
    guard_true(b5)
    i6 = int_floordiv(i2, i3)
    i7 = int_add(i3, 1)
    b8 = uint_lt(1, i7)
    guard_true(b8)
    i9 = int_mod(i2, i3)
    i10 = int_add_ovf(i6, i9)
    i11 = int_add_ovf(i10, 900)
    r12 = int_box(i11)
    jump(r12, r1)
    """
    return a // b + a % b + 900


@recorded(1, 3)
def int_shifts(a, b):
    """
    guard_type(r0) {int}
    i2 = int_unbox(r0)
    guard_type(r1) {int}
    i3 = int_unbox(r1)
    b4 = uint_lt(i3, 64)
    guard_true(b4)
    i5 = int_lshift_ovf(i2, i3)
    i6 = int_rshift(i5, 1)
    i7 = int_and(i6, 255)
    i8 = int_or(i7, 1)
    r9 = int_box(i8)
    jump(r9, r1)
    """
    return ((a << b) >> 1) & 255 | 1


@recorded(5, True)
def bools_are_numbers(a, b):
    """
    guard_type(r0) {int}
    i2 = int_unbox(r0)
    guard_type(r1) {bool}
    b3 = bool_unbox(r1)
    i4 = bool_to_int(b3)
    i5 = int_add_ovf(i2, i4)
    r6 = int_box(i5)
    jump(r6, r1)
    """
    return a + b


@recorded(2**63 - 1, 1)
def wrapped_addition(a, b):
    """
    guard_type(r0) {int}
    i2 = int_unbox(r0)
    guard_type(r1) {int}
    i3 = int_unbox(r1)
    i4 = int_add(i2, i3)
    r5 = int_box(i4)
    jump(r5, r1)
    """
    return intmask(a + b)


@recorded(5, 6)
def checked_addition(a, b):
    """
    guard_type(r0) {int}
    i2 = int_unbox(r0)
    guard_type(r1) {int}
    i3 = int_unbox(r1)
    i4 = int_add_ovf(i2, i3)
    r5 = int_box(i4)
    jump(r5, r1)
    """
    return ovfcheck(a + b)


@recorded(2**70, 1)
def big_ints_are_left_to_calls(a, b):
    """
    ...
    ! int_add
    """
    return a + b


@recorded(1.5, 2.0)
def float_arithmetic(a, b):
    """
    guard_type(r0) {float}
    f2 = float_unbox(r0)
    f3 = float_mul(f2, 0.5)
    guard_type(r1) {float}
    f4 = float_unbox(r1)
    f5 = float_sub(f3, f4)
    f6 = float_neg(f5)
    r7 = float_box(f6)
    jump(r7, r1)
    """
    return -(a * 0.5 - b)


@recorded(1.5, 2)
def float_with_int(a, b):
    """
    guard_type(r0) {float}
    f2 = float_unbox(r0)
    guard_type(r1) {int}
    i3 = int_unbox(r1)
    f4 = int_to_float(i3)
    b5 = float_ne(f4, 0.0)
    guard_true(b5)
    f6 = float_truediv(f2, f4)
    r7 = float_box(f6)
    jump(r7, r1)
    """
    return a / b


@recorded(3, 4)
def int_true_division(a, b):
    """
    guard_type(r0) {int}
    i2 = int_unbox(r0)
    guard_type(r1) {int}
    i3 = int_unbox(r1)
    i4 = int_add(i2, 9007199254740992)
    b5 = uint_le(i4, 18014398509481984)
    guard_true(b5)
    i6 = int_add(i3, 9007199254740992)
    b7 = uint_le(i6, 18014398509481984)
    guard_true(b7)
    b8 = int_ne(i3, 0)
    guard_true(b8)
    f9 = int_to_float(i2)
    f10 = int_to_float(i3)
    f11 = float_truediv(f9, f10)
    i12 = float_to_int(f11)
    i13 = int_add_ovf(i12, 5)
    r14 = int_box(i13)
    jump(r14, r1)
    """
    return int(a / b) + 5


@recorded(3, 4)
def comparison_chain(a, b):
    """
    guard_type(r0) {int}
    i2 = int_unbox(r0)
    b3 = int_lt(0, i2)
    guard_true(b3)
    guard_type(r1) {int}
    i4 = int_unbox(r1)
    b5 = int_le(i2, i4)
    guard_true(b5)
    i6 = int_add_ovf(i2, 1)
    r7 = int_box(i6)
    jump(r7, r1)
    """
    if 0 < a <= b:
        return a + 1
    return 1


@recorded(2.5, 4)
def mixed_comparison(a, b):
    """
    guard_type(r1) {int}
    i2 = int_unbox(r1)
    i3 = int_add(i2, 9007199254740992)
    b4 = uint_le(i3, 18014398509481984)
    guard_true(b4)
    guard_type(r0) {float}
    f5 = float_unbox(r0)
    f6 = int_to_float(i2)
    b7 = float_lt(f5, f6)
    guard_true(b7)
    f8 = float_add(f5, 0.25)
    r9 = float_box(f8)
    jump(r9, r1)
    """
    if a < b:
        return a + 0.25
    return 0.5


@recorded(None, 4)
def identity_with_none(a, b):
    """
    guard_value(r0) {None}
    jump(None, r1)
    """
    if a is None:
        return None
    return b


@recorded(3, 0)
def truth_of_ints(a, b):
    """
    guard_type(r1) {int}
    i2 = int_unbox(r1)
    b3 = int_ne(i2, 0)
    guard_false(b3)
    jump(r0, r1)
    """
    if not b:
        return a
    return b


@recorded("", "xy")
def truth_of_strings(a, b):
    """
    guard_type(r0) {str}
    i2 = str_len(r0)
    b3 = int_ne(i2, 0)
    guard_false(b3)
    jump(r0, r1)
    """
    if a:
        return b
    return a


@recorded(2, 9)
def least_and_absolute(a, b):
    """
    guard_type(r0) {int}
    i2 = int_unbox(r0)
    i3 = int_sub_ovf(i2, 5)
    b4 = int_lt(i3, 0)
    guard_true(b4)
    i5 = int_sub_ovf(0, i3)
    guard_type(r1) {int}
    i6 = int_unbox(r1)
    b7 = int_lt(i6, i5)
    guard_false(b7)
    r8 = int_box(i5)
    jump(r8, r1)
    """
    return min(abs(a - 5), b)


@recorded("ab", "c")
def str_concatenation(a, b):
    """
    guard_type(r0) {str}
    guard_type(r1) {str}
    r2 = call_c_r(r0, r1) {str_concat}
    guard_no_exception(r2)
    r3 = call_c_r(r2, 1, 9223372036854775807) {str_slice}
    guard_no_exception(r3)
    jump(r3, r1)
    """
    return (a + b)[1:]


@recorded("ab", "c")
def str_equality(a, b):
    """
    guard_type(r0) {str}
    b2 = str_eq(r0, 'ab')
    guard_true(b2)
    jump(r0, r1)
    """
    if a == "ab":
        return a
    return b


@recorded(b"ab", b"c")
def bytes_equality(a, b):
    """
    guard_type(r0) {bytes}
    b2 = bytes_eq(r0, b'ab')
    guard_true(b2)
    guard_type(r1) {bytes}
    b3 = bytes_eq(r1, r0)
    b4 = bool_not(b3)
    guard_false(b3)
    jump(r0, r1)
    """
    return a if a == b"ab" and b != a else b


@recorded("abc", 1)
def str_item(a, b):
    """
    guard_type(r1) {int}
    i2 = int_unbox(r1)
    guard_type(r0) {str}
    i3 = str_len(r0)
    b4 = uint_lt(i2, i3)
    guard_true(b4)
    r5 = call_c_r(r0, i2) {str_getitem}
    guard_no_exception(r5)
    r6 = call_c_r(r5, 'bc') {str_concat}
    guard_no_exception(r6)
    jump(r6, r1)
    """
    return a[b] + "bc"


@recorded("abc", "b")
def str_length(a, b):
    """
    guard_type(r0) {str}
    i2 = str_len(r0)
    b3 = int_eq(i2, 3)
    guard_true(b3)
    jump(r0, r1)
    """
    if len(a) == 3:
        return a
    return b


@recorded(7, "n=")
def str_of_int(a, b):
    """
    ...
    i2 = int_unbox(r0)
    r3 = call_c_r(i2) {str_of_int}
    guard_no_exception(r3)
    r4 = call_c_r(r1, r3) {str_concat}
    guard_no_exception(r4)
    i5 = str_len(r4)
    r6 = int_box(i5)
    jump(r6, r1)
    """
    return len(f"{b}{a}")


@recorded(2**70, "n=")
def str_of_large_int(a, b):
    """
    ...
    r2 = call_c_r(r0) {int_str}
    ...
    """
    return len(b + str(a))


@recorded(7, "n=")
def digits_by_a_format(a, b):
    """
    ...
    i2 = int_unbox(r0)
    r3 = call_c_r(i2) {bytes_of_int}
    ...
    r5 = call_c_r(i2) {str_of_int}
    ...
    """
    return len(b"%d" % a) + len("%d" % a)  # noqa: UP031 - the thing that is tested


@pytest.mark.parametrize("step", cases(globals()), ids=lambda step: step.__name__)
def test_recorded(step):
    check(step)


@pytest.mark.parametrize(
    ("step", "a", "b"),
    [
        (lambda a, b: a * b, 3, 3),  # leaves 64 bits on the way
        (lambda a, b: a + b, 2**63 - 5, 1),
        (lambda a, b: -a, -(2**63), 0),
        (lambda a, b: a // b, 100, 0),
        (lambda a, b: a % b, 100.5, 0.0),
        (lambda a, b: (a - b) // 3, 100, 7),
        (lambda a, b: a**b % 1000003, 3, 5),
        (lambda a, b: a << b, 1, 9),
        (lambda a, b: a >> b, 5, -1),
        (lambda a, b: a * b, 1e300, 1e10),
        (lambda a, b: a * b, "ab", 1),
        (lambda a, b: a + b, "ab", 1),
        (lambda a, b: a + b, (1,), (2,)),
        (lambda a, b: a @ b, 1, 2),
        (lambda a, b: not a, 1, 2),
        (lambda a, b: (a, b)[a < b], 4, 3),
        (lambda a, b: int(float(str(a))) + b, 4, 3),
        (lambda a, b: round(a * 1.1, 2) + divmod(b, 2)[0], 4, 3),
        (lambda a, b: float("nan") if a == a else b, 1.0, 2.0),
        (lambda a, b: a - b if a > b else b - a, 1j.imag, 0.25),
        (lambda a, b: complex(a, b) * 1j, 0.5, 2),
        (lambda a, b: ~a ^ b, 12, 2**62),
        (lambda a, b: max(a, b) - 1, 12, 3),
    ],
)
def test_same_as_plain(step, a, b):
    agrees(step, a, b)


def test_overflow_leaves_the_iteration_to_bigger_numbers():
    recording = record(lambda a, b: a + b, 2**63 - 1, 1)
    assert recording.result == 2**63
    assert "int_add_ovf" not in recording.names
