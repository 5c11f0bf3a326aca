"""`eqv?` and `equal?`."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from interpreters.scheme.objects import Pair, Record, String
from metatracer import dont_look_inside

_NUMBERS = frozenset((int, float, Fraction, complex))


def is_eqv(left: Any, right: Any) -> bool:
    if left is right:
        return True
    kind = type(left)
    if kind is int:
        return type(right) is int and left == right
    if kind in _NUMBERS:
        return _eqv_numbers(left, right)
    return kind is String and type(right) is String and len(left) == 0 and len(right) == 0


@dont_look_inside
def _eqv_numbers(left: Any, right: Any) -> bool:
    kind = type(left)
    if type(right) is not kind:
        return False
    if kind is float:
        if left != left:
            return bool(right != right)
        return left == right and math.copysign(1.0, left) == math.copysign(1.0, right)
    return bool(left == right)


def is_equal(left: Any, right: Any) -> bool:
    if left is right:
        return True
    kind = type(left)
    if kind is not type(right):
        return False
    if kind is Pair or kind is list:
        return _equal_compound(left, right)
    if kind is String:
        return bool(left.text == right.text)
    if kind is bytearray:
        return bool(left == right)
    return is_eqv(left, right)


@dont_look_inside
def _equal_compound(left: Any, right: Any) -> bool:
    """By a list of what is still to be compared; after a while, pairs that were compared already are taken for equal,
    so that cycles end."""
    work = [(left, right)]
    seen: set[tuple[int, int]] = set()
    count = 0
    while work:
        left, right = work.pop()
        while True:
            if left is right:
                break
            kind = type(left)
            if kind is not type(right):
                return False
            if kind is Pair or kind is list:
                count += 1
                if count > 10000:
                    key = (id(left), id(right))
                    if key in seen:
                        break
                    seen.add(key)
            if kind is Pair:
                work.append((left.cdr, right.cdr))
                left, right = left.car, right.car
                continue
            if kind is list:
                if len(left) != len(right):
                    return False
                work.extend(zip(left, right, strict=True))
                break
            if kind is String:
                if left.text != right.text:
                    return False
                break
            if kind is bytearray:
                if left != right:
                    return False
                break
            if kind is Record:
                return False
            if not is_eqv(left, right):
                return False
            break
    return True
