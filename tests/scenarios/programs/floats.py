"""NaN, -0.0, infinities, formatting, and conversions."""

import math

from tests.scenarios.loops import each, fold

VALUES = [0.0, -0.0, float("nan"), float("inf"), float("-inf"), 1.5, -2.5, 1e308, 5e-324, 0.1]


def compares(i, log):
    a = VALUES[i % 10]
    b = VALUES[i // 10 % 10]
    log[i % 100] = (a < b, a <= b, a == b, a != b, a > b, a >= b, not a, bool(b), a == a)


def computes(i, log):
    a = VALUES[i % 10]
    b = VALUES[i // 10 % 10]
    try:
        log[i % 100] = repr((a + b, a - b, a * b, -a, abs(a), a / b, a // b, a % b))
    except ZeroDivisionError as error:
        log[i % 100] = str(error)


def signed_zero(i, value):
    zero = 0.0 if i % 2 else -0.0
    return value + math.copysign(1.0, zero * 1.0) + math.copysign(1.0, zero + 0.0) + math.copysign(2.0, -zero)


def overflows(i, value):
    return value * 10.0 if i < 400 else value / 7.0


def int_conversions(i, log):
    value = VALUES[i % 10]
    try:
        log[i % 10] = (int(value), round(value), math.floor(value), float(int(value)))
    except (ValueError, OverflowError) as error:
        log[i % 10] = str(error)


def formats(i, log):
    value = VALUES[i % 10] * 3
    log[i % 10] = f"{value} {value:.3f} {value:>12.4g} {value!r} {value:e}" + "%s %5.1f" % (value, value) + str(value)


def big_int_to_float(i, log):
    try:
        log[0] = (2 ** (i * 4)) * 1.0
    except OverflowError as error:
        log[1] = str(error)


def mixes(i, value):
    return value + (i if i % 2 else i * 0.5)


def nan_identity(i, log):
    nan = VALUES[2]
    other = nan * 1.0
    log[0] = (nan in VALUES, nan == nan, nan is VALUES[2], [nan] == [nan], [other] == [nan])


def main():
    print(each(compares, 400, [None] * 100))
    for line in each(computes, 400, [None] * 100):
        print(line)
    print(fold(signed_zero, 401, 0.0))
    print(fold(overflows, 600, 1.0))
    print(each(int_conversions, 300, [None] * 10))
    print(each(formats, 300, [None] * 10))
    print(each(big_int_to_float, 400, [0, 0]))
    print(fold(mixes, 500, 0))
    print(each(nan_identity, 300, [0]))
