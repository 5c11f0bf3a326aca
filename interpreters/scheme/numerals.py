"""Numbers as text: what `read`, `string->number` and `number->string` share."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Any

from interpreters.scheme.arithmetic import exact, inexact, normal

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_RADIX = {"b": 2, "o": 8, "d": 10, "x": 16}
_CLASS = {
    radix: "0-" + _DIGITS[min(radix, 10) - 1] + ("a-" + _DIGITS[radix - 1] if radix > 10 else "") for radix in range(2, 37)
}
_SPECIAL = {"+inf.0": math.inf, "-inf.0": -math.inf, "+nan.0": math.nan, "-nan.0": math.nan}
_BITS_OF_STR = 13_000
"""Numbers of so many bits have fewer than the 4300 digits that `str` gives."""
_SHORT = 4000
"""Digits that `int` takes."""
_DECIMAL = re.compile(r"[+-]?[0-9]+\.[0-9]+")
_MAYBE_NUMBER = re.compile(r"[#+\-.0-9]", re.IGNORECASE)


def _ureal_pattern(radix: int) -> str:
    digits = f"[{_CLASS[radix]}]+"
    if radix == 10:
        return r"(?:[0-9]+/[0-9]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?)"
    return f"(?:{digits}/{digits}|{digits[:-1]}+[.]?{digits[:-1]}*|[.]{digits})"


def _patterns(radix: int) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    real = rf"(?:[+-]?{_ureal_pattern(radix)}|[+-](?:inf|nan)\.0)"
    signed = rf"(?:[+-]{_ureal_pattern(radix)}|[+-](?:inf|nan)\.0|[+-])"
    return (
        re.compile(real),
        re.compile(rf"(?P<real>{real})?(?P<imag>{signed})i"),
        re.compile(rf"(?P<size>{real})@(?P<angle>{real})"),
    )


_PATTERNS = {radix: _patterns(radix) for radix in (2, 8, 10, 16)}
_UREALS = {radix: re.compile(_ureal_pattern(radix)) for radix in _CLASS}


def _parse_real(text: str, radix: int, exactness: str) -> Any:
    if text in _SPECIAL:
        return exact(_SPECIAL[text]) if exactness == "e" else _SPECIAL[text]
    if "/" in text:
        top, bottom = text.split("/")
        denominator = int(bottom, radix)
        if denominator == 0:
            if exactness == "i":
                return math.nan if int(top, radix) == 0 else math.copysign(math.inf, int(top, radix))
            return None
        value: Any = normal(Fraction(int(top, radix), denominator))
    elif radix == 10 and ("." in text or "e" in text):
        if exactness == "e":
            return normal(
                Fraction(text if not text.endswith(".") else text[:-1])
                if ".e" not in text
                else Fraction(text.replace(".e", "e"))
            )
        return float(text)
    elif "." in text:
        whole, _, rest = text.partition(".")
        value = normal(Fraction(_parse_integer(whole + rest, radix), radix ** len(rest)))
        return value if exactness == "e" else math.copysign(inexact(value), -1.0 if text[0] == "-" else 1.0)
    else:
        value = _parse_integer(text, radix)
    return inexact(value) if exactness == "i" else value


def _parse_integer(text: str, radix: int) -> int:
    """Python limits the length of texts that it converts, but for radices that are powers of 2; Scheme does not."""
    if len(text) < _SHORT or radix & (radix - 1) == 0:
        return int(text, radix)
    sign = -1 if text[0] == "-" else 1
    return sign * _join(text.lstrip("+-"), radix)


def _join(digits: str, radix: int) -> int:
    if len(digits) < _SHORT:
        return int(digits, radix)
    half = len(digits) // 2
    return _join(digits[:-half], radix) * radix**half + _join(digits[-half:], radix)  # type: ignore[no-any-return]


def parse_number(text: str, radix: int = 10) -> Any:
    """The number that the text is in Scheme's syntax, or None."""
    if radix == 10:
        if text.isdigit() and text.isascii():
            return _parse_integer(text, 10)
        if _MAYBE_NUMBER.match(text) is None:
            return None
        if _DECIMAL.fullmatch(text) is not None:
            return float(text)
    text = text.lower()
    exactness = ""
    while text[:1] == "#":
        mark = text[1:2]
        if mark in _RADIX:
            radix = _RADIX[mark]
        elif mark in ("e", "i") and mark and not exactness:
            exactness = mark
        else:
            return None
        text = text[2:]
    if radix not in _PATTERNS:
        return _parse_odd_radix(text, radix, exactness)
    real, rectangular, polar = _PATTERNS[radix]
    if real.fullmatch(text):
        return _parse_real(text, radix, exactness)
    match = rectangular.fullmatch(text)
    if match is not None:
        imag_text = match["imag"]
        imag = _parse_real(imag_text + "1" if imag_text in "+-" else imag_text, radix, exactness)
        base = _parse_real(match["real"], radix, exactness) if match["real"] else 0
        if imag is None or base is None:
            return None
        return base if imag == 0 and type(imag) is int else normal(complex(float(base), float(imag)))
    match = polar.fullmatch(text)
    if match is not None:
        size, angle = (_parse_real(match[part], radix, exactness) for part in ("size", "angle"))
        if angle == 0 and type(angle) is int:
            return size
        return normal(complex(size * math.cos(angle), size * math.sin(angle)))
    return None


def _parse_odd_radix(text: str, radix: int, exactness: str) -> Any:
    is_real = _UREALS[radix].fullmatch(text[1:] if text[:1] in ("+", "-") else text) is not None
    return _parse_real(text, radix, exactness) if is_real or text in _SPECIAL else None


def _decimal(value: int) -> str:
    """All digits, also of numbers that Python's `str` refuses."""
    if value.bit_length() <= _BITS_OF_STR:
        return str(value)
    sign, value = ("-", -value) if value < 0 else ("", value)
    parts: list[str] = []
    _split(value, parts, math.ceil(value.bit_length() * 0.30103) + 1)
    return sign + "".join(parts).lstrip("0")


def _split(value: int, parts: list[str], digits: int) -> None:
    if digits <= 4000:
        parts.append(str(value).rjust(digits, "0"))
        return
    half = digits // 2
    high, low = divmod(value, 10**half)
    _split(high, parts, digits - half)
    _split(low, parts, half)


def _in_radix(value: int, radix: int) -> str:
    if radix == 10:
        return _decimal(value)
    if radix in (2, 8, 16):
        return format(value, {2: "b", 8: "o", 16: "x"}[radix])
    sign, value = ("-", -value) if value < 0 else ("", value)
    digits = []
    while True:
        value, digit = divmod(value, radix)
        digits.append(_DIGITS[digit])
        if value == 0:
            return sign + "".join(reversed(digits))


def _float_text(value: float) -> str:
    if value != value:
        return "+nan.0"
    if math.isinf(value):
        return "+inf.0" if value > 0 else "-inf.0"
    text = repr(value)
    if "e" in text:
        mantissa, exponent = text.split("e")
        return f"{mantissa}e{int(exponent)}"
    return text


def _float_in_radix(value: float, radix: int) -> str:
    """The fewest digits that read as the same number (Steele and White, "How to print floating-point numbers accurately")."""
    whole, rest = divmod(Fraction(abs(value)), 1)
    below = (Fraction(abs(value)) - Fraction(math.nextafter(abs(value), 0.0))) / 2
    above = Fraction(math.ulp(value)) / 2
    digits: list[str] = []
    while True:
        rest, below, above = rest * radix, below * radix, above * radix
        digit, rest = divmod(rest, 1)
        is_low, is_high = rest < below, rest > 1 - above
        if is_low or is_high:
            digits.append(_DIGITS[digit + (not is_low or (is_high and rest > Fraction(1, 2)))])
            return f"{'-' if value < 0 else ''}{_in_radix(whole, radix)}.{''.join(digits)}"
        digits.append(_DIGITS[digit])


def _float_text_in(value: float, radix: int) -> str:
    if radix == 10 or not math.isfinite(value):
        return _float_text(value)
    if value.is_integer():
        return f"{'-' if math.copysign(1.0, value) < 0 else ''}{_in_radix(abs(int(value)), radix)}.0"
    return _float_in_radix(value, radix)


def number_text(value: Any, radix: int = 10) -> str:
    """The shortest text that reads as the same number."""
    if type(value) is int:
        return _in_radix(value, radix)
    if type(value) is Fraction:
        return f"{_in_radix(value.numerator, radix)}/{_in_radix(value.denominator, radix)}"
    if type(value) is float:
        return _float_text_in(value, radix)
    imag = _float_text_in(value.imag, radix)
    return f"{_float_text_in(value.real, radix)}{imag if imag[0] in '+-' else '+' + imag}i"
