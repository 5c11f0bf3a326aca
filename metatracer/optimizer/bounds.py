"""Arithmetic on bounds: what the bounds of an operation's arguments say of its result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metatracer.ir.opcodes import (
    INT_ADD,
    INT_AND,
    INT_EQ,
    INT_FLOORDIV,
    INT_GE,
    INT_GT,
    INT_LE,
    INT_LSHIFT,
    INT_LT,
    INT_MOD,
    INT_MUL,
    INT_NE,
    INT_OR,
    INT_RSHIFT,
    INT_SUB,
    INT_XOR,
    UINT_FLOORDIV,
    UINT_MOD,
    UINT_RSHIFT,
    Opcode,
)
from metatracer.optimizer.state import MAX_INT, MIN_INT

if TYPE_CHECKING:
    from collections.abc import Callable

Bounds = tuple[int, int]
FULL: Bounds = (MIN_INT, MAX_INT)


def _add(a: int, b: int, c: int, d: int) -> Bounds:
    return a + c, b + d


def _sub(a: int, b: int, c: int, d: int) -> Bounds:
    return a - d, b - c


def _mul(a: int, b: int, c: int, d: int) -> Bounds:
    corners = (a * c, a * d, b * c, b * d)
    return min(corners), max(corners)


def _lshift(a: int, b: int, c: int, d: int) -> Bounds:
    if not 0 <= c <= d < 64:
        return MIN_INT - 1, MAX_INT + 1
    corners = (a << c, a << d, b << c, b << d)
    return min(corners), max(corners)


def _and(a: int, b: int, c: int, d: int) -> Bounds:
    if a >= 0 and c >= 0:
        return 0, min(b, d)
    if a >= 0:
        return 0, b
    if c >= 0:
        return 0, d
    return FULL


def _or(a: int, b: int, c: int, d: int) -> Bounds:
    return (max(a, c), (1 << max(b, d).bit_length()) - 1) if a >= 0 and c >= 0 else FULL


def _xor(a: int, b: int, c: int, d: int) -> Bounds:
    return (0, (1 << max(b, d).bit_length()) - 1) if a >= 0 and c >= 0 else FULL


def _rshift(a: int, b: int, c: int, d: int) -> Bounds:
    if not 0 <= c <= d < 64:
        return FULL
    corners = (a >> c, a >> d, b >> c, b >> d)
    return min(corners), max(corners)


def _uint_rshift(a: int, b: int, c: int, d: int) -> Bounds:
    if a >= 0:
        return _rshift(a, b, c, d)
    return (0, MAX_INT) if 0 < c <= d < 64 else FULL


def _floordiv(a: int, b: int, c: int, d: int) -> Bounds:
    if c <= 0:
        return FULL
    corners = (a // c, a // d, b // c, b // d)
    return min(corners), max(corners)


def _mod(a: int, b: int, c: int, d: int) -> Bounds:
    if c > 0:
        return 0, (min(b, d - 1) if a >= 0 else d - 1)
    if d < 0:
        return c + 1, 0
    return FULL


def _uint_floordiv(a: int, b: int, c: int, _: int) -> Bounds:
    return (0, b // c) if a >= 0 and c > 0 else FULL


def _uint_mod(a: int, b: int, c: int, d: int) -> Bounds:
    if c > 0:
        return 0, (min(b, d - 1) if a >= 0 else d - 1)
    return FULL


BINARY: dict[Opcode, Callable[[int, int, int, int], Bounds]] = {
    INT_ADD: _add,
    INT_SUB: _sub,
    INT_MUL: _mul,
    INT_LSHIFT: _lshift,
    INT_AND: _and,
    INT_OR: _or,
    INT_XOR: _xor,
    INT_RSHIFT: _rshift,
    UINT_RSHIFT: _uint_rshift,
    INT_FLOORDIV: _floordiv,
    INT_MOD: _mod,
    UINT_FLOORDIV: _uint_floordiv,
    UINT_MOD: _uint_mod,
}
"""Bounds of the exact result from bounds of the arguments."""


def decide(opcode: Opcode, left: Bounds, right: Bounds) -> bool | None:
    """How a signed comparison of values within these bounds comes out, if that is known."""
    a, b = left
    c, d = right
    if opcode is INT_LT:
        return True if b < c else False if a >= d else None
    if opcode is INT_LE:
        return True if b <= c else False if a > d else None
    if opcode is INT_GT:
        return True if a > d else False if b <= c else None
    if opcode is INT_GE:
        return True if a >= d else False if b < c else None
    if b < c or a > d:
        return opcode is INT_NE
    if a == b == c == d:
        return opcode is INT_EQ
    return None
