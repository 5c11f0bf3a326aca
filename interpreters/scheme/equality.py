"""`eqv?` and `equal?`."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from interpreters.scheme.objects import Pair, String
from interpreters.scheme.primitives import driver
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


@driver.portal
def _equal_compound(left: Any, right: Any) -> bool:
    """Along the cdrs, with a list of what is still to be compared; after a while, pairs that were compared already are
    taken for equal, so that cycles end."""
    work: list[tuple[Any, Any]] = []
    seen: set[tuple[int, int]] = set()
    count = 0
    while True:
        driver.jit_merge_point()
        kind = type(left)
        if left is right:
            pass
        elif kind is Pair and type(right) is Pair:
            count += 1
            if count <= 10000 or _is_new(seen, left, right):
                first = left.car
                second = right.car
                left = left.cdr
                right = right.cdr
                kind = type(first)
                if kind is Pair or kind is list:
                    work.append((left, right))
                    left = first
                    right = second
                elif not is_equal(first, second):
                    return False
                continue
        elif kind is list and type(right) is list:
            count += 1
            if count <= 10000 or _is_new(seen, left, right):
                if len(left) != len(right):
                    return False
                _add_items(work, left, right)
        elif kind is Pair or kind is list or not is_equal(left, right):
            return False
        if len(work) == 0:
            return True
        left, right = work.pop()


@dont_look_inside
def _is_new(seen: set[tuple[int, int]], left: Any, right: Any) -> bool:
    """Whether a pair of compounds was not compared before; it is noted."""
    key = (id(left), id(right))
    if key in seen:
        return False
    seen.add(key)
    return True


@dont_look_inside
def _add_items(work: list[tuple[Any, Any]], left: list[Any], right: list[Any]) -> None:
    work.extend(zip(reversed(left), reversed(right), strict=True))
