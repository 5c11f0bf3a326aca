"""Numerals and numbers: how Lua reads and writes them."""

from __future__ import annotations

import math
import re
import struct

from metatracer import dont_look_inside

Number = int | float

MAX_INTEGER = 2**63 - 1
MIN_INTEGER = -(2**63)

# A decimal integer is by far the most frequent; a hexadecimal float is anything with a point or an exponent.
_NUMERAL = re.compile(
    rb"[ \t\n\v\f\r]*(?:"
    rb"(?P<integer>[+-]?[0-9]+)"
    rb"|(?P<float>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    rb"|(?P<sign>[+-]?)0[xX](?:"
    rb"(?P<hex_integer>[0-9a-fA-F]+)"
    rb"|(?P<hex_float>(?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][+-]?[0-9]+)?))"
    rb")[ \t\n\v\f\r]*"
)
_DIGITS_OF_BASE = re.compile(rb"[ \t\n\v\f\r]*([+-]?)([0-9a-zA-Z]+)[ \t\n\v\f\r]*")


def wrap(number: int) -> int:
    """Return the 64-bit signed integer with the same low bits."""
    return ((number + 2**63) & (2**64 - 1)) - 2**63


def parse_number(text: bytes) -> Number | None:
    """Return the number that a numeral stands for, with white space around it; None where it is no numeral."""
    found = _NUMERAL.fullmatch(text)
    if found is None:
        return None
    kind = found.lastgroup
    if kind == "integer":
        return _decimal_integer(found.group(1))
    if kind == "float":
        return float(found.group(2))
    negative = found.group(3) == b"-"
    if kind == "hex_integer":
        number = int(found.group(4), 16)
        return wrap(-number if negative else number)
    magnitude = _hex_float(found.group(5).decode("ascii"))
    return -magnitude if negative else magnitude


def _decimal_integer(digits: bytes) -> Number:
    if len(digits) <= 18:
        return int(digits)
    # CPython refuses to read very long integers; those are floats here anyway.
    if len(digits.lstrip(b"+-0")) > 19:
        return float(digits)
    negative = digits[:1] == b"-"
    magnitude = int(digits.lstrip(b"+-0") or b"0")
    number = -magnitude if negative else magnitude
    return number if MIN_INTEGER <= number <= MAX_INTEGER else float(digits)


def _hex_float(text: str) -> float:
    try:
        return float.fromhex("0x" + text)
    except OverflowError:
        return math.inf


@dont_look_inside
def parse_integer_base(text: bytes, base: int) -> int | None:
    """Return the integer written in a base of 2 to 36, wrapped to 64 bits; None where a digit is not of that base."""
    found = _DIGITS_OF_BASE.fullmatch(text)
    if found is None:
        return None
    number = 0
    for digit in found.group(2).lower():
        value = digit - 48 if digit <= 57 else digit - 87
        if value >= base:
            return None
        number = (number * base + value) & (2**64 - 1)
    return wrap(-number if found.group(1) == b"-" else number)


def format_number(number: Number) -> bytes:
    """Return what `tostring` makes of a number."""
    if type(number) is int:
        return b"%d" % number
    text = b"%.14g" % number
    if text.isdigit() or (text[1:].isdigit() and text[0] == 45):  # it reads as an integer does: say that it is none
        return text + b".0"
    if number != number and is_negative(number):
        return b"-nan"
    return text


def is_negative(number: float) -> bool:
    """Return a float's sign, which zeros and NaNs have too."""
    return math.copysign(1.0, number) < 0


def float_to_integer(number: float) -> int | None:
    """Return the integer that a float is equal to, or None."""
    if -9223372036854775808.0 <= number < 9223372036854775808.0:
        integer = int(number)
        if integer == number:
            return integer
    return None


def tointeger(value: object) -> int | None:
    """Return the integer that a value is equal to or, as a string, stands for; None where it is none."""
    if type(value) is bytes:
        value = parse_number(value)
    if type(value) is int:
        return value
    if type(value) is float:
        return float_to_integer(value)
    return None


def tonumber(value: object) -> Number | None:
    """Return the number that a value is or, as a string, stands for; None where it is none."""
    if type(value) is bytes:
        return parse_number(value)
    if type(value) is int or type(value) is float:
        return value
    return None


def hex_float(number: float, precision: int | None = None, *, point: bool = False) -> bytes:
    """Return a finite, non-negative float as C's `%a` writes it; `point` asks for a point even with no digit after it."""
    bits = struct.unpack("<Q", struct.pack("<d", number))[0]
    exponent, fraction = (bits >> 52) & 0x7FF, bits & (2**52 - 1)
    if exponent == 0:
        lead, power = 0, -1022 if fraction else 0
    else:
        lead, power = 1, exponent - 1023
    if precision is None:
        digits = (b"%013x" % fraction).rstrip(b"0")
    elif precision >= 13:
        digits = b"%013x" % fraction + b"0" * (precision - 13)
    else:
        # To nearest, ties to even, carrying into the leading digit as glibc does.
        shift = 4 * (13 - precision)
        whole = (lead << 52) | fraction
        kept, rest = whole >> shift, whole & ((1 << shift) - 1)
        half = 1 << (shift - 1)
        if rest > half or (rest == half and kept & 1):
            kept += 1
        lead = kept >> (4 * precision)
        digits = b"%0*x" % (precision, kept & ((1 << (4 * precision)) - 1)) if precision else b""
    mark = b"." if digits or point else b""
    return b"0x%d%s%sp%+d" % (lead, mark, digits, power)
