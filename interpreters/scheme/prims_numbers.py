"""Numbers."""

from __future__ import annotations

import cmath
import math
import time
from fractions import Fraction
from typing import Any

from interpreters.scheme import arithmetic as a
from interpreters.scheme.nodes import OF_TWO
from interpreters.scheme.numerals import number_text, parse_number
from interpreters.scheme.objects import String, Values, error, wrong_type
from interpreters.scheme.primitives import driver, opaque, primitive
from metatracer import dont_look_inside, unroll_safe


@primitive("+")
@unroll_safe
def plus(*items: Any) -> Any:
    if len(items) == 2:
        left, right = items
        if type(left) is int and type(right) is int:
            return left + right
        return a.add(left, right)
    if len(items) == 0:
        return 0
    if len(items) > 6:
        return _sum(items)
    total = items[0] if len(items) > 1 else a.add(0, items[0])
    for item in items[1:]:
        total = a.add(total, item)
    return total


@driver.portal
def _sum(items: Any) -> Any:
    total = items[0]
    number = 1
    while number < len(items):
        driver.jit_merge_point()
        total = a.add(total, items[number])
        number += 1
    return total


@primitive("*")
@unroll_safe
def times(*items: Any) -> Any:
    if len(items) == 2:
        return a.multiply(items[0], items[1])
    if len(items) == 0:
        return 1
    product = items[0] if len(items) > 1 else a.multiply(1, items[0])
    for item in items[1:]:
        product = a.multiply(product, item)
    return product


@primitive("-")
@unroll_safe
def minus(first: Any, *items: Any) -> Any:
    if len(items) == 0:
        return a.subtract(0, first) if type(first) is not float else -first
    for item in items:
        first = a.subtract(first, item)
    return first


@primitive("/")
@unroll_safe
def over(first: Any, *items: Any) -> Any:
    if len(items) == 0:
        return a.divide(1, first)
    for item in items:
        first = a.divide(first, item)
    return first


@primitive("=")
@unroll_safe
def num_equal(first: Any, *items: Any) -> bool:
    a.check_number("=", first)
    result = True
    for item in items:
        if not a.equal(first, item):
            result = False
        first = item
    return result


@primitive("<")
@unroll_safe
def num_less(first: Any, *items: Any) -> bool:
    a.check_real("<", first)
    result = True
    for item in items:
        if not a.less(first, item):
            result = False
        first = item
    return result


@primitive(">")
@unroll_safe
def num_greater(first: Any, *items: Any) -> bool:
    a.check_real(">", first)
    result = True
    for item in items:
        if not a.greater(first, item):
            result = False
        first = item
    return result


@primitive("<=")
@unroll_safe
def num_less_equal(first: Any, *items: Any) -> bool:
    a.check_real("<=", first)
    result = True
    for item in items:
        if not a.less_equal(first, item):
            result = False
        first = item
    return result


@primitive(">=")
@unroll_safe
def num_greater_equal(first: Any, *items: Any) -> bool:
    a.check_real(">=", first)
    result = True
    for item in items:
        if not a.greater_equal(first, item):
            result = False
        first = item
    return result


primitive("quotient", "truncate-quotient")(a.quotient)
primitive("remainder", "truncate-remainder")(a.remainder)
primitive("modulo", "floor-remainder")(a.modulo)
primitive("floor-quotient")(a.floor_quotient)
primitive("exact", "inexact->exact")(a.exact)
primitive("inexact", "exact->inexact")(a.inexact)
primitive("sqrt")(a.square_root)
primitive("expt")(a.power)
primitive("round")(a.rounded)
primitive("floor")(a.floored)
primitive("ceiling")(a.ceiled)
primitive("truncate")(a.truncated)
opaque("rationalize")(a.rationalize)


@primitive("number?", "complex?")
def is_number(value: Any) -> bool:
    return type(value) in a.NUMBERS


@primitive("real?")
def is_real(value: Any) -> bool:
    return type(value) in a.REALS


@primitive("rational?")
def is_rational(value: Any) -> bool:
    return a.is_rational(value)


@primitive("integer?")
def is_integer(value: Any) -> bool:
    return a.is_integer(value)


@primitive("exact?")
def is_exact(value: Any) -> bool:
    return a.is_exact("exact?", value)


@primitive("inexact?")
def is_inexact(value: Any) -> bool:
    return not a.is_exact("inexact?", value)


@primitive("exact-integer?", "fixnum?")
def is_exact_integer(value: Any) -> bool:
    return type(value) is int


@primitive("exact-rational?")
def is_exact_rational(value: Any) -> bool:
    return type(value) is int or type(value) is Fraction


@primitive("exact-nonnegative-integer?")
def is_natural(value: Any) -> bool:
    return type(value) is int and value >= 0


@primitive("flonum?")
def is_flonum(value: Any) -> bool:
    return type(value) is float


@primitive("finite?")
def is_finite(value: Any) -> bool:
    a.check_number("finite?", value)
    return type(value) in (int, Fraction) or cmath.isfinite(value)


@primitive("infinite?")
def is_infinite(value: Any) -> bool:
    a.check_number("infinite?", value)
    return type(value) not in (int, Fraction) and cmath.isinf(value)


@primitive("nan?")
def is_nan(value: Any) -> bool:
    a.check_number("nan?", value)
    return bool(value != value)


@primitive("zero?")
def is_zero(value: Any) -> bool:
    if type(value) is int:
        return value == 0
    return bool(a.check_number("zero?", value) == 0)


@primitive("positive?")
def is_positive(value: Any) -> bool:
    if type(value) is int:
        return value > 0
    return bool(a.check_real("positive?", value) > 0)


@primitive("negative?")
def is_negative(value: Any) -> bool:
    if type(value) is int:
        return value < 0
    return bool(a.check_real("negative?", value) < 0)


@primitive("odd?")
def is_odd(value: Any) -> bool:
    if type(value) is int:
        return value % 2 == 1
    return bool(a.check_integer("odd?", value) % 2 == 1)


@primitive("even?")
def is_even(value: Any) -> bool:
    if type(value) is int:
        return value % 2 == 0
    return bool(a.check_integer("even?", value) % 2 == 0)


@primitive("1+")
def add_one(value: Any) -> Any:
    return a.add(value, 1)


@primitive("-1+", "1-")
def subtract_one(value: Any) -> Any:
    return a.subtract(value, 1)


def _extreme(who: str, items: tuple[Any, ...], largest: bool) -> Any:
    best = a.check_real(who, items[0])
    inexact = type(best) is float
    for item in items[1:]:
        a.check_real(who, item)
        inexact = inexact or type(item) is float
        if item != item or (item > best if largest else item < best):
            best = item
    return a.to_float(best) if inexact else best


@primitive("max")
def maximum(first: Any, *items: Any) -> Any:
    return _extreme("max", (first, *items), largest=True)


@primitive("min")
def minimum(first: Any, *items: Any) -> Any:
    return _extreme("min", (first, *items), largest=False)


def larger(first: Any, second: Any) -> Any:
    if type(first) is int and type(second) is int:
        return second if second > first else first
    return _extreme("max", (first, second), largest=True)


def smaller(first: Any, second: Any) -> Any:
    if type(first) is int and type(second) is int:
        return second if second < first else first
    return _extreme("min", (first, second), largest=False)


OF_TWO["max"] = larger
OF_TWO["min"] = smaller


@primitive("abs", "magnitude")
def absolute(value: Any) -> Any:
    if type(value) is complex:
        return abs(value)
    return abs(a.check_real("abs", value))


@primitive("square")
def square(value: Any) -> Any:
    return a.multiply(value, value)


@primitive("floor/")
def floor_divide(left: Any, right: Any) -> Any:
    return Values((a.floor_quotient(left, right), a.modulo(left, right)))


@primitive("truncate/")
def truncate_divide(left: Any, right: Any) -> Any:
    return Values((a.quotient(left, right), a.remainder(left, right)))


def _euclid(who: str, items: tuple[Any, ...], function: Any) -> Any:
    exact = True
    values = []
    for item in items:
        exact = exact and type(a.check_integer(who, item)) is int
        values.append(int(item))
    result = function(*values)
    return result if exact else float(result)


@primitive("gcd")
def gcd(*items: Any) -> Any:
    return _euclid("gcd", items, math.gcd)


@primitive("lcm")
def lcm(*items: Any) -> Any:
    return _euclid("lcm", items, math.lcm)


@primitive("numerator")
def numerator(value: Any) -> Any:
    if type(value) is float:
        return float(Fraction(value).numerator)
    return a.check_real("numerator", value).numerator


@primitive("denominator")
def denominator(value: Any) -> Any:
    if type(value) is float:
        return float(Fraction(value).denominator)
    return a.check_real("denominator", value).denominator


@primitive("floor->exact")
def floor_exact(value: Any) -> Any:
    return a.exact(a.floored(value))


@primitive("round->exact")
def round_exact(value: Any) -> Any:
    return a.exact(a.rounded(value))


@primitive("exact-integer-sqrt")
def exact_integer_sqrt(value: Any) -> Any:
    if type(value) is not int or value < 0:
        raise wrong_type("exact-integer-sqrt", "an exact nonnegative integer", value)
    root = math.isqrt(value)
    return Values((root, value - root * root))


def _transcendental(name: str, real: Any, other: Any, exact_zero: Any = None, domain: Any = None) -> None:
    def function(value: Any) -> Any:
        if domain is None and (type(value) is float or (type(value) is int and value > 1)):
            try:
                return real(a.to_float(value))
            except (OverflowError, ValueError):
                return other_value(value)
        return other_value(value)

    @dont_look_inside
    def other_value(value: Any) -> Any:
        a.check_number(name, value)
        if exact_zero is not None and type(value) is int and value == exact_zero[0]:
            return exact_zero[1]
        if type(value) is complex or (domain is not None and not domain(value)):
            return a.normal(other(complex(value)))
        number = a.to_float(value)
        try:
            return real(number)
        except OverflowError:
            return math.inf
        except ValueError:
            return math.nan

    primitive(name)(function)


_transcendental("exp", math.exp, cmath.exp, (0, 1))
_transcendental("sin", math.sin, cmath.sin, (0, 0))
_transcendental("cos", math.cos, cmath.cos, (0, 1))
_transcendental("tan", math.tan, cmath.tan, (0, 0))
_transcendental("asin", math.asin, cmath.asin, (0, 0), lambda value: -1 <= value <= 1 or value != value)
_transcendental("acos", math.acos, cmath.acos, (1, 0), lambda value: -1 <= value <= 1 or value != value)


@primitive("log")
def log(value: Any, radix: Any = None) -> Any:
    return a.logarithm(value, radix)


@primitive("atan")
def atan(value: Any, other: Any = None) -> Any:
    a.check_number("atan", value)
    if other is None:
        if type(value) is int and value == 0:
            return 0
        return cmath.atan(value) if type(value) is complex else math.atan(a.to_float(value))
    a.check_real("atan", other)
    if type(value) is int and value == 0 and type(other) is int:
        if other > 0:
            return 0
        if other == 0:
            raise error("atan", "undefined for", value, other)
    return math.atan2(a.to_float(value), a.to_float(other))


@opaque("make-rectangular")
def make_rectangular(real: Any, imag: Any) -> Any:
    a.check_real("make-rectangular", real)
    a.check_real("make-rectangular", imag)
    return real if type(imag) is int and imag == 0 else a.normal(complex(a.to_float(real), a.to_float(imag)))


@opaque("make-polar")
def make_polar(size: Any, angle: Any) -> Any:
    a.check_real("make-polar", size)
    a.check_real("make-polar", angle)
    return size if type(angle) is int and angle == 0 else a.normal(cmath.rect(a.to_float(size), a.to_float(angle)))


@opaque("real-part")
def real_part(value: Any) -> Any:
    return value.real if type(value) is complex else a.check_number("real-part", value)


@opaque("imag-part")
def imag_part(value: Any) -> Any:
    a.check_number("imag-part", value)
    return value.imag if type(value) is complex else 0


@opaque("angle")
def angle(value: Any) -> Any:
    a.check_number("angle", value)
    if type(value) is complex:
        return cmath.phase(value)
    if value < 0:
        return math.pi
    return 0 if type(value) is not float else 0.0


SHORT = 10**18
"""Integers of fewer digits: what a trace does itself."""


@primitive("number->string")
def number_to_string(value: Any, radix: Any = 10) -> Any:
    if type(value) is int and type(radix) is int and radix == 10 and -SHORT < value < SHORT:
        return String(str(value))
    a.check_number("number->string", value)
    if type(radix) is not int or not 2 <= radix <= 36:
        raise wrong_type("number->string", "a radix", radix)
    return String(number_text(value, radix))


@opaque("string->number")
def string_to_number(text: Any, radix: Any = 10) -> Any:
    if type(text) is not String:
        raise wrong_type("string->number", "a string", text)
    if type(radix) is not int or not 2 <= radix <= 36:
        raise wrong_type("string->number", "a radix", radix)
    value = parse_number(text.text, radix)
    return False if value is None else value


def _check_exact(who: str, value: Any) -> int:
    if type(value) is not int:
        raise wrong_type(who, "an exact integer", value)
    return value


@primitive("bitwise-and", "logand")
@unroll_safe
def bitwise_and(*items: Any) -> int:
    result = -1
    for item in items:
        result &= _check_exact("bitwise-and", item)
    return result


@primitive("bitwise-or", "bitwise-ior", "logior")
@unroll_safe
def bitwise_or(*items: Any) -> int:
    result = 0
    for item in items:
        result |= _check_exact("bitwise-or", item)
    return result


@primitive("bitwise-xor", "logxor")
@unroll_safe
def bitwise_xor(*items: Any) -> int:
    result = 0
    for item in items:
        result ^= _check_exact("bitwise-xor", item)
    return result


@primitive("bitwise-not", "lognot")
def bitwise_not(value: Any) -> int:
    return ~_check_exact("bitwise-not", value)


@primitive("arithmetic-shift", "ash")
def arithmetic_shift(value: Any, count: Any) -> int:
    _check_exact("arithmetic-shift", value)
    if _check_exact("arithmetic-shift", count) >= 0:
        return int(value << count)
    return int(value >> -count)


@primitive("bit-count")
def bit_count(value: Any) -> int:
    return (value if _check_exact("bit-count", value) >= 0 else ~value).bit_count()  # type: ignore[no-any-return]


@primitive("integer-length")
def integer_length(value: Any) -> int:
    return (value if _check_exact("integer-length", value) >= 0 else ~value).bit_length()  # type: ignore[no-any-return]


_STATE = [int(time.time() * 1000) & 0x7FFFFFFF]


@opaque("random")
def random(limit: Any) -> Any:
    _STATE[0] = (_STATE[0] * 6364136223846793005 + 1442695040888963407) & (2**64 - 1)
    bits = _STATE[0] >> 11
    if type(limit) is float:
        return limit * (bits / 2.0**53)
    if type(limit) is not int or limit <= 0:
        raise wrong_type("random", "a positive number", limit)
    while bits.bit_length() < limit.bit_length() + 64:
        _STATE[0] = (_STATE[0] * 6364136223846793005 + 1442695040888963407) & (2**64 - 1)
        bits = (bits << 53) | (_STATE[0] >> 11)
    return bits % limit


@opaque("random-seed!")
def random_seed(seed: Any) -> Any:
    _STATE[0] = _check_exact("random-seed!", seed) & (2**64 - 1)
    return True
