"""The numeric tower: int and Fraction are exact, float and complex inexact."""

from __future__ import annotations

import cmath
import math
from fractions import Fraction
from typing import Any

from interpreters.scheme.objects import error, wrong_type
from metatracer import dont_look_inside

NUMBERS = frozenset((int, float, Fraction, complex))
REALS = frozenset((int, float, Fraction))
MODERATE = 1e15
"""Floats below have all integers among them."""


def normal(value: Any) -> Any:
    """A result in its simplest type: 4/2 is an integer, 1.0+0.0i is real."""
    if type(value) is Fraction:
        return value.numerator if value.denominator == 1 else value
    if type(value) is complex:
        return value.real if value.imag == 0 else value
    return value


def check_number(who: str, value: Any) -> Any:
    if type(value) not in NUMBERS:
        raise wrong_type(who, "a number", value)
    return value


def check_real(who: str, value: Any) -> Any:
    if type(value) not in REALS:
        raise wrong_type(who, "a real number", value)
    return value


def check_integer(who: str, value: Any) -> Any:
    """An exact or inexact integer."""
    if type(value) is int or (type(value) is float and value.is_integer()):
        return value
    raise wrong_type(who, "an integer", value)


def check_index(who: str, value: Any) -> int:
    if type(value) is not int or value < 0:
        raise wrong_type(who, "an exact nonnegative integer", value)
    return value


def to_float(value: Any) -> float:
    """The nearest float; infinite when there is none."""
    if type(value) is float:
        return value
    try:
        if type(value) is Fraction:
            return value.numerator / value.denominator
        return float(value)
    except OverflowError:
        return _infinity(value)


@dont_look_inside
def _infinity(value: Any) -> float:
    return math.inf if value > 0 else -math.inf


def _floats(left: Any, right: Any) -> tuple[float, float]:
    return to_float(left), to_float(right)


def add(left: Any, right: Any) -> Any:
    if type(left) is int and type(right) is int:
        return left + right
    if type(left) is float and type(right) is float:
        return left + right
    return add_mixed(left, right)


def add_mixed(left: Any, right: Any) -> Any:
    if type(left) is float and (type(right) is int or type(right) is Fraction):
        return left + to_float(right)
    if type(right) is float and (type(left) is int or type(left) is Fraction):
        return to_float(left) + right
    return add_others(left, right)


@dont_look_inside
def add_others(left: Any, right: Any) -> Any:
    check_number("+", left)
    check_number("+", right)
    try:
        return normal(left + right)
    except OverflowError:
        left, right = _floats(left, right)
        return left + right


def subtract(left: Any, right: Any) -> Any:
    if type(left) is int and type(right) is int:
        return left - right
    if type(left) is float and type(right) is float:
        return left - right
    return subtract_mixed(left, right)


def subtract_mixed(left: Any, right: Any) -> Any:
    if type(left) is float and (type(right) is int or type(right) is Fraction):
        return left - to_float(right)
    if type(right) is float and (type(left) is int or type(left) is Fraction):
        return to_float(left) - right
    return subtract_others(left, right)


@dont_look_inside
def subtract_others(left: Any, right: Any) -> Any:
    check_number("-", left)
    check_number("-", right)
    try:
        return normal(left - right)
    except OverflowError:
        left, right = _floats(left, right)
        return left - right


def multiply(left: Any, right: Any) -> Any:
    if type(left) is int and type(right) is int:
        return left * right
    if type(left) is float and type(right) is float:
        return left * right
    return multiply_mixed(left, right)


def multiply_mixed(left: Any, right: Any) -> Any:
    if type(left) is float and (type(right) is int or type(right) is Fraction):
        return left * to_float(right)
    if type(right) is float and (type(left) is int or type(left) is Fraction):
        return to_float(left) * right
    return multiply_others(left, right)


@dont_look_inside
def multiply_others(left: Any, right: Any) -> Any:
    check_number("*", left)
    check_number("*", right)
    try:
        return normal(left * right)
    except OverflowError:
        left, right = _floats(left, right)
        return left * right


def divide(left: Any, right: Any) -> Any:
    if type(left) is float and type(right) is float and right != 0.0:
        return left / right
    return divide_mixed(left, right)


def divide_mixed(left: Any, right: Any) -> Any:
    if type(right) is int and right != 0:
        if type(left) is float:
            return left / to_float(right)
        if type(left) is int and left % right == 0:
            return left // right
    if type(right) is float and right != 0.0 and (type(left) is int or type(left) is Fraction):
        return to_float(left) / right
    return divide_others(left, right)


@dont_look_inside
def divide_others(left: Any, right: Any) -> Any:
    check_number("/", left)
    check_number("/", right)
    if right == 0:
        if type(right) in (int, Fraction):
            raise error("/", "division by zero", left, right)
        if type(left) is complex or type(right) is complex:
            return math.nan
        if left == 0 or left != left:
            return math.nan
        return math.copysign(math.inf, left) * math.copysign(1.0, right)
    if type(left) is int and type(right) is int:
        quotient, remainder = divmod(left, right)
        return quotient if remainder == 0 else Fraction(left, right)
    try:
        return normal(left / right)
    except OverflowError:
        left, right = _floats(left, right)
        return left / right


def equal(left: Any, right: Any) -> bool:
    if type(left) is int and type(right) is int:
        return left == right
    if type(left) is float and type(right) is float:
        return left == right
    check_number("=", left)
    check_number("=", right)
    return bool(left == right)


def less(left: Any, right: Any) -> bool:
    if type(left) is int and type(right) is int:
        return left < right
    if type(left) is float and type(right) is float:
        return left < right
    check_real("<", left)
    check_real("<", right)
    return bool(left < right)


def greater(left: Any, right: Any) -> bool:
    if type(left) is int and type(right) is int:
        return left > right
    if type(left) is float and type(right) is float:
        return left > right
    check_real(">", left)
    check_real(">", right)
    return bool(left > right)


def less_equal(left: Any, right: Any) -> bool:
    if type(left) is int and type(right) is int:
        return left <= right
    if type(left) is float and type(right) is float:
        return left <= right
    check_real("<=", left)
    check_real("<=", right)
    return bool(left <= right)


def greater_equal(left: Any, right: Any) -> bool:
    if type(left) is int and type(right) is int:
        return left >= right
    if type(left) is float and type(right) is float:
        return left >= right
    check_real(">=", left)
    check_real(">=", right)
    return bool(left >= right)


# --- integer division


def _divide_integers(who: str, left: Any, right: Any) -> bool:
    """Check both; True when the result is exact."""
    check_integer(who, left)
    check_integer(who, right)
    if right == 0:
        raise error(who, "division by zero", left, right)
    return type(left) is int and type(right) is int


def quotient(left: Any, right: Any) -> Any:
    if type(left) is int and type(right) is int and left >= 0 and right > 0:
        return left // right
    if _divide_integers("quotient", left, right):
        return -(-left // right) if (left < 0) != (right < 0) else left // right
    return float(quotient(int(left), int(right)))


def remainder(left: Any, right: Any) -> Any:
    if type(left) is int and type(right) is int and left >= 0 and right > 0:
        return left % right
    if _divide_integers("remainder", left, right):
        result = abs(left) % abs(right)
        return -result if left < 0 else result
    return float(remainder(int(left), int(right)))


def modulo(left: Any, right: Any) -> Any:
    if type(left) is int and type(right) is int and right != 0:
        return left % right
    if _divide_integers("modulo", left, right):
        return left % right
    return float(int(left) % int(right))


def floor_quotient(left: Any, right: Any) -> Any:
    if _divide_integers("floor-quotient", left, right):
        return left // right
    return float(int(left) // int(right))


def is_integer(value: Any) -> bool:
    return type(value) is int or (type(value) is float and value.is_integer())


def is_rational(value: Any) -> bool:
    kind = type(value)
    return kind is int or kind is Fraction or (kind is float and math.isfinite(value))


def is_exact(who: str, value: Any) -> bool:
    kind = type(check_number(who, value))
    return kind is int or kind is Fraction


def exact(value: Any) -> Any:
    if type(value) is int or type(value) is Fraction:
        return value
    if type(value) is float and -MODERATE < value < MODERATE:
        number = int(value)
        if number == value:
            return number
    return _exact_of_others(value)


@dont_look_inside
def _exact_of_others(value: Any) -> Any:
    if type(value) is float:
        if not math.isfinite(value):
            raise error("exact", "there is no exact number for", value)
        return int(value) if value.is_integer() else normal(Fraction(value))
    if type(value) is complex:
        raise error("exact", "there are no exact complex numbers here:", value)
    raise wrong_type("exact", "a number", value)


def inexact(value: Any) -> Any:
    if type(value) is float or type(value) is complex:
        return value
    return to_float(check_number("inexact", value))


def square_root(value: Any) -> Any:
    if type(value) is float and value >= 0.0:
        return math.sqrt(value)
    return _square_root_of_others(value)


@dont_look_inside
def _square_root_of_others(value: Any) -> Any:
    check_number("sqrt", value)
    if type(value) is int and value >= 0:
        root = math.isqrt(value)
        return root if root * root == value else _float_root(value)
    if type(value) is Fraction and value > 0:
        top, bottom = math.isqrt(value.numerator), math.isqrt(value.denominator)
        if top * top == value.numerator and bottom * bottom == value.denominator:
            return Fraction(top, bottom)
        return math.sqrt(to_float(value))
    if type(value) is float and not value < 0:
        return math.sqrt(value)
    if type(value) is complex:
        return normal(cmath.sqrt(value))
    root = square_root(-value)
    return complex(0.0, to_float(root))


def _float_root(value: int) -> float:
    try:
        return math.sqrt(value)
    except OverflowError:
        return to_float(math.isqrt(value))


def power(base: Any, exponent: Any) -> Any:
    if type(exponent) is int and exponent > 0:
        if type(base) is int:
            return base**exponent
        if type(base) is float and base != 0.0:
            try:
                return base**exponent
            except OverflowError:
                return _power_of_others(base, exponent)
    return _power_of_others(base, exponent)


@dont_look_inside
def _power_of_others(base: Any, exponent: Any) -> Any:
    check_number("expt", base)
    check_number("expt", exponent)
    kind = type(exponent)
    if kind is int:
        if type(base) is int or type(base) is Fraction:
            if exponent >= 0:
                return normal(base**exponent)
            if base == 0:
                raise error("expt", "division by zero", base, exponent)
            return normal(Fraction(1) / Fraction(base) ** -exponent)
        if exponent == 0:
            return 1
    if base == 0:
        if type(base) is int and kind is not complex and exponent > 0:
            return 0
        if kind is complex:
            return 0 if type(base) is int else 0.0
        return 1.0 if exponent == 0 else (0.0 if exponent > 0 else math.inf)
    if kind is Fraction and is_exact("expt", base) and base > 0 and exponent.denominator == 2:
        root = square_root(base)
        if type(root) is not float:
            return power(root, exponent.numerator)
    if type(base) is complex or kind is complex:
        return normal(complex(base) ** complex(exponent))
    left, right = to_float(base), to_float(exponent)
    try:
        result = left**right
    except OverflowError:
        return -math.inf if left < 0 and right % 2 == 1 else math.inf
    return normal(result)


def logarithm(value: Any, base: Any = None) -> Any:
    check_number("log", value)
    if base is not None:
        return divide(logarithm(value), logarithm(base))
    if type(value) is int and value == 1:
        return 0
    if value == 0:
        if type(value) is not float:
            raise error("log", "undefined for", value)
        return -math.inf
    if type(value) is complex or value < 0:
        return normal(cmath.log(complex(value)))
    return math.log(value) if type(value) is not Fraction else math.log(value.numerator) - math.log(value.denominator)


def rounded(value: Any) -> Any:
    """To the nearest integer, halves to even, in the number's exactness."""
    if type(value) is int:
        return value
    if type(value) is float and (0.0 < value < MODERATE or -MODERATE < value <= -1.0):
        below = math.floor(value)
        more = value - below
        return float(below + 1 if more > 0.5 or (more == 0.5 and below % 2 == 1) else below)
    return _round_others(value)


@dont_look_inside
def _round_others(value: Any) -> Any:
    if type(value) is Fraction:
        return round(value)
    if type(value) is float:
        return math.copysign(float(round(value)), value) if math.isfinite(value) else value
    raise wrong_type("round", "a real number", value)


def floored(value: Any) -> Any:
    if type(value) is int:
        return value
    if type(value) is float and (0.0 < value < MODERATE or -MODERATE < value < 0.0):
        return float(math.floor(value))
    return _floor_of_others(value)


@dont_look_inside
def _floor_of_others(value: Any) -> Any:
    if type(value) is Fraction:
        return math.floor(value)
    if type(value) is float:
        return float(math.floor(value)) if math.isfinite(value) and value else value  # -0.0 stays
    raise wrong_type("floor", "a real number", value)


def ceiled(value: Any) -> Any:
    if type(value) is int:
        return value
    if type(value) is float and (0.0 < value < MODERATE or -MODERATE < value <= -1.0):
        return float(math.ceil(value))
    return _ceiling_of_others(value)


@dont_look_inside
def _ceiling_of_others(value: Any) -> Any:
    if type(value) is Fraction:
        return math.ceil(value)
    if type(value) is float:
        return math.copysign(float(math.ceil(value)), value) if math.isfinite(value) else value
    raise wrong_type("ceiling", "a real number", value)


def truncated(value: Any) -> Any:
    if type(value) is int:
        return value
    if type(value) is float and (0.0 < value < MODERATE or -MODERATE < value <= -1.0):
        return float(int(value))
    return _truncate_others(value)


@dont_look_inside
def _truncate_others(value: Any) -> Any:
    if type(value) is Fraction:
        return math.trunc(value)
    if type(value) is float:
        return math.copysign(float(math.trunc(value)), value) if math.isfinite(value) else value
    raise wrong_type("truncate", "a real number", value)


def _simplest(low: Fraction, high: Fraction) -> Fraction:
    whole = low.numerator // low.denominator
    if whole == low:
        return Fraction(whole)
    if whole + 1 <= high:
        return Fraction(whole + 1)
    return whole + 1 / _simplest(1 / (high - whole), 1 / (low - whole))


def rationalize(value: Any, tolerance: Any) -> Any:
    """The simplest rational not further from the value than the tolerance."""
    check_real("rationalize", value)
    check_real("rationalize", tolerance)
    is_inexact = type(value) is float or type(tolerance) is float
    if is_inexact and not (math.isfinite(value) and math.isfinite(tolerance)):
        if math.isinf(tolerance):
            return math.nan if math.isinf(value) else 0.0
        return value if math.isinf(value) else math.nan
    low, high = Fraction(value) - abs(Fraction(tolerance)), Fraction(value) + abs(Fraction(tolerance))
    if low <= 0 <= high:
        result = Fraction(0)
    elif low > 0:
        result = _simplest(low, high)
    else:
        result = -_simplest(-high, -low)
    return float(result) if is_inexact else normal(result)
