"""Arithmetic on numbers alone: integers wrap to 64 bits, floats follow C; no strings and no metamethods here."""

from __future__ import annotations

import math
from collections.abc import Callable

from interpreters.lua.errors import lua_error
from metatracer import elidable, intmask

Number = int | float


def add(a: Number, b: Number) -> Number:
    if type(a) is int and type(b) is int:
        return intmask(a + b)
    return float(a) + float(b)


def subtract(a: Number, b: Number) -> Number:
    if type(a) is int and type(b) is int:
        return intmask(a - b)
    return float(a) - float(b)


def multiply(a: Number, b: Number) -> Number:
    if type(a) is int and type(b) is int:
        return intmask(a * b)
    return float(a) * float(b)


def divide(a: Number, b: Number) -> float:
    x, y = float(a), float(b)
    if y != 0.0:
        return x / y
    if x == 0.0 or x != x:
        return float_nan(x)
    return math.inf if (x > 0.0) == (math.copysign(1.0, y) > 0.0) else -math.inf


def float_nan(x: float) -> float:
    """Return the NaN that a processor makes of 0/0: a negative one, unless there was one already."""
    return x if x != x else NEGATIVE_NAN


NEGATIVE_NAN = -math.nan


def floor_divide(a: Number, b: Number) -> Number:
    if type(a) is int and type(b) is int:
        if b == 0:
            raise lua_error(b"attempt to divide by zero")
        return intmask(a // b)
    quotient = divide(a, b)
    if -4503599627370496.0 < quotient < 4503599627370496.0:
        floor = float(math.floor(quotient))
        return math.copysign(floor, quotient) if floor == 0.0 else floor
    return quotient


def modulo(a: Number, b: Number) -> Number:
    if type(a) is int and type(b) is int:
        if b == 0:
            raise lua_error(b"attempt to perform 'n%0'")
        return a % b
    return float_modulo(float(a), float(b))


def float_modulo(x: float, y: float) -> float:
    if y == 0.0 or x - x != 0.0:  # fmod refuses a zero divisor and an infinite dividend
        return x if x != x else (y if y != y else NEGATIVE_NAN)
    remainder = math.fmod(x, y)
    if remainder * y < 0.0:
        remainder += y
    return remainder


def power(a: Number, b: Number) -> float:
    x, y = float(a), float(b)
    if y == 2.0:
        return x * x
    return float_power(x, y)


@elidable
def float_power(x: float, y: float) -> float:
    try:
        return math.pow(x, y)
    except OverflowError:
        return -math.inf if x < 0.0 and y % 2.0 == 1.0 else math.inf
    except ValueError:
        if x == 0.0:
            return math.copysign(math.inf, x) if y % 2.0 == 1.0 else math.inf
        return NEGATIVE_NAN


def to_bits(value: Number) -> int:
    """Return a number's integer value, for bitwise operations."""
    if type(value) is int:
        return value
    if value == math.floor(value) if value - value == 0.0 else False:
        number = int(value)
        if -(2**63) <= number < 2**63:
            return number
    raise lua_error(b"number has no integer representation")


def bit_and(a: Number, b: Number) -> int:
    return to_bits(a) & to_bits(b)


def bit_or(a: Number, b: Number) -> int:
    return to_bits(a) | to_bits(b)


def bit_xor(a: Number, b: Number) -> int:
    return to_bits(a) ^ to_bits(b)


def shift_left(a: Number, b: Number) -> int:
    value, count = to_bits(a), to_bits(b)
    return shift(value, count)


def shift_right(a: Number, b: Number) -> int:
    value, count = to_bits(a), to_bits(b)
    return shift(value, -count)


def shift(value: int, count: int) -> int:
    """Shift left, or right for a negative count, filling with zeros."""
    if count >= 0:
        return intmask(value << count) if count < 64 else 0
    if count <= -64:
        return 0
    # A right shift that fills with zeros: the sign's copies are masked away.
    return (value >> -count) & ((1 << (64 + count)) - 1)


def negate(a: Number) -> Number:
    return intmask(-a) if type(a) is int else -a


def complement(a: Number) -> int:
    return ~to_bits(a)


BINARY: dict[bytes, Callable[[Number, Number], Number]] = {
    b"+": add, b"-": subtract, b"*": multiply, b"/": divide, b"//": floor_divide, b"%": modulo, b"^": power,
    b"&": bit_and, b"|": bit_or, b"~": bit_xor, b"<<": shift_left, b">>": shift_right,
}  # fmt: skip
EVENTS: dict[bytes, bytes] = {
    b"+": b"__add", b"-": b"__sub", b"*": b"__mul", b"/": b"__div", b"//": b"__idiv", b"%": b"__mod", b"^": b"__pow",
    b"&": b"__band", b"|": b"__bor", b"~": b"__bxor", b"<<": b"__shl", b">>": b"__shr", b"..": b"__concat",
}  # fmt: skip
