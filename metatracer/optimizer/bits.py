"""Arithmetic on known bits: what the bits known of an operation's arguments say of those of its result.

A `Bits` is a pair of signed 64-bit numbers, (ones, unknown): the bits that are certainly 1, and those that may be either; all
others are certainly 0. No bit is in both. Sums and differences are those of tristate numbers (Vishwanathan, Shachnai, Narayana,
Nagarakatte: "Sound, Precise, and Fast Abstract Interpretation with Tristate Numbers", CGO 2022); Python's numbers behave like
infinitely long two's complement, so everything is cut to 64 bits only at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metatracer.ir.opcodes import (
    INT_ADD,
    INT_ADD_OVF,
    INT_AND,
    INT_INVERT,
    INT_LSHIFT,
    INT_LSHIFT_OVF,
    INT_MUL,
    INT_MUL_OVF,
    INT_NEG,
    INT_OR,
    INT_RSHIFT,
    INT_SUB,
    INT_SUB_OVF,
    INT_XOR,
    UINT_RSHIFT,
    Opcode,
    wrap_i64,
)
from metatracer.optimizer.state import MAX_INT, MIN_INT

if TYPE_CHECKING:
    from collections.abc import Callable

Bits = tuple[int, int]
UNKNOWN: Bits = (0, -1)
_ALL = (1 << 64) - 1


def of_range(lo: int, hi: int) -> Bits:
    """The bits that all numbers within these bounds have in common: those before the first that differs."""
    differing = lo ^ hi
    if differing < 0:
        return UNKNOWN
    unknown = (1 << differing.bit_length()) - 1
    return lo & ~unknown, unknown


def to_range(bits: Bits) -> tuple[int, int]:
    """The least and the greatest number with these bits."""
    ones, unknown = bits
    if unknown < 0:
        return ones | MIN_INT, ones | (unknown & MAX_INT)
    return ones, ones | unknown


def both(left: Bits, right: Bits) -> Bits | None:
    """What is known when both hold; None when they contradict."""
    unknown = left[1] & right[1]
    ones = left[0] | right[0]
    if (ones ^ left[0]) & ~left[1] or (ones ^ right[0]) & ~right[1]:
        return None
    return ones, unknown


def _and(a: Bits, b: Bits) -> Bits:
    ones = a[0] & b[0]
    return ones, (a[0] | a[1]) & (b[0] | b[1]) & ~ones


def _or(a: Bits, b: Bits) -> Bits:
    ones = a[0] | b[0]
    return ones, (a[1] | b[1]) & ~ones


def _xor(a: Bits, b: Bits) -> Bits:
    unknown = a[1] | b[1]
    return (a[0] ^ b[0]) & ~unknown, unknown


def _add(a: Bits, b: Bits) -> Bits:
    least = a[0] + b[0]
    unknown = (least ^ (least + a[1] + b[1])) | a[1] | b[1]
    return wrap_i64(least & ~unknown), wrap_i64(unknown)


def _sub(a: Bits, b: Bits) -> Bits:
    difference = a[0] - b[0]
    unknown = ((difference + a[1]) ^ (difference - b[1])) | a[1] | b[1]
    return wrap_i64(difference & ~unknown), wrap_i64(unknown)


def _trailing(mask: int) -> int:
    """The number of zeros at the end of a mask's 64 bits."""
    mask &= _ALL
    return (mask & -mask).bit_length() - 1 if mask else 64


def _mul(a: Bits, b: Bits) -> Bits:
    """Zeros at the ends add up; above them as many bits are known as of the factor of which less is known."""
    zeros_a, zeros_b = _trailing(a[0] | a[1]), _trailing(b[0] | b[1])
    known = zeros_a + zeros_b + min(_trailing(a[1]) - zeros_a, _trailing(b[1]) - zeros_b)
    if known >= 64:
        return wrap_i64(a[0] * b[0]), 0
    unknown = -1 << known
    return a[0] * b[0] & ~unknown, unknown


def _lshift(a: Bits, b: Bits) -> Bits:
    if b[1] or not 0 <= b[0] < 64:
        return UNKNOWN
    return wrap_i64(a[0] << b[0]), wrap_i64(a[1] << b[0])


def _rshift(a: Bits, b: Bits) -> Bits:
    if b[1] or not 0 <= b[0] < 64:
        return UNKNOWN
    return a[0] >> b[0], a[1] >> b[0]


def _uint_rshift(a: Bits, b: Bits) -> Bits:
    if b[1] or not 0 <= b[0] < 64:
        return UNKNOWN
    return wrap_i64((a[0] & _ALL) >> b[0]), wrap_i64((a[1] & _ALL) >> b[0])


BINARY: dict[Opcode, Callable[[Bits, Bits], Bits]] = {
    INT_AND: _and,
    INT_OR: _or,
    INT_XOR: _xor,
    INT_ADD: _add,
    INT_ADD_OVF: _add,
    INT_SUB: _sub,
    INT_SUB_OVF: _sub,
    INT_MUL: _mul,
    INT_MUL_OVF: _mul,
    INT_LSHIFT: _lshift,
    INT_LSHIFT_OVF: _lshift,
    INT_RSHIFT: _rshift,
    UINT_RSHIFT: _uint_rshift,
}
UNARY: dict[Opcode, Callable[[Bits], Bits]] = {
    INT_INVERT: lambda a: (~(a[0] | a[1]), a[1]),
    INT_NEG: lambda a: _sub((0, 0), a),
}


def _through_and(result: Bits, other: int) -> Bits:
    return result[0] & other, result[1] | ~other


def _through_or(result: Bits, other: int) -> Bits:
    return result[0] & ~other, result[1] | other


def _through_xor(result: Bits, other: int) -> Bits:
    return (result[0] ^ other) & ~result[1], result[1]


def _through_add(result: Bits, other: int) -> Bits:
    return _sub(result, (other, 0))


def _through_lshift(result: Bits, other: int) -> Bits:
    if not 0 <= other < 64:
        return UNKNOWN
    lost = -1 << (64 - other)  # these have been shifted out
    return wrap_i64((result[0] & _ALL) >> other), wrap_i64((result[1] & _ALL) >> other | lost)


def _through_rshift(result: Bits, other: int) -> Bits:
    if not 0 <= other < 64:
        return UNKNOWN
    return wrap_i64(result[0] << other), wrap_i64(result[1] << other | ((1 << other) - 1))


THROUGH: dict[Opcode, Callable[[Bits, int], Bits]] = {
    INT_AND: _through_and,
    INT_OR: _through_or,
    INT_XOR: _through_xor,
    INT_ADD: _through_add,
    INT_ADD_OVF: _through_add,
    INT_LSHIFT: _through_lshift,
    INT_LSHIFT_OVF: _through_lshift,
    INT_RSHIFT: _through_rshift,
    UINT_RSHIFT: _through_rshift,
}
"""What the bits of an operation's result say of its first argument, when the other is this constant."""
