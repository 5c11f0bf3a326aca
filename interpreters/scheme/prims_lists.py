"""Pairs and lists.

What walks along a list is a portal with a driver of its own: its loop gets traces, which the program's traces call. Called
from Python that is not traced these would cost more than they save with short lists: such callers use what `objects` has.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from interpreters.scheme.arithmetic import add, multiply
from interpreters.scheme.equality import is_equal, is_eqv
from interpreters.scheme.objects import (
    NIL, UNSPECIFIED, Pair, error, is_circular, is_list, make_list, wrong_type,
)  # fmt: skip
from interpreters.scheme.primitives import driver, index, opaque, primitive
from metatracer import unroll_safe


@primitive("pair?")
def is_pair(value: Any) -> bool:
    return type(value) is Pair


@primitive("null?")
def is_null(value: Any) -> bool:
    return value is NIL


@primitive("cons")
def cons(first: Any, rest: Any) -> Any:
    return Pair(first, rest)


@primitive("car")
def car(pair: Any) -> Any:
    if type(pair) is not Pair:
        raise wrong_type("car", "a pair", pair)
    return pair.car


@primitive("cdr")
def cdr(pair: Any) -> Any:
    if type(pair) is not Pair:
        raise wrong_type("cdr", "a pair", pair)
    return pair.cdr


@primitive("set-car!")
def set_car(pair: Any, value: Any) -> Any:
    if type(pair) is not Pair:
        raise wrong_type("set-car!", "a pair", pair)
    pair.car = value
    return UNSPECIFIED


@primitive("set-cdr!")
def set_cdr(pair: Any, value: Any) -> Any:
    if type(pair) is not Pair:
        raise wrong_type("set-cdr!", "a pair", pair)
    pair.cdr = value
    return UNSPECIFIED


def _path(name: str, letters: str) -> None:
    steps = tuple([letter == "a" for letter in reversed(letters)])

    @primitive(name)
    @unroll_safe
    def follow(pair: Any) -> Any:
        value = pair
        for is_car in steps:
            if type(value) is not Pair:
                raise wrong_type(name, "a pair", pair)
            value = value.car if is_car else value.cdr
        return value


for _first in "ad":
    for _second in "ad":
        _path(f"c{_first}{_second}r", _first + _second)
        for _third in "ad":
            _path(f"c{_first}{_second}{_third}r", _first + _second + _third)
            for _fourth in "ad":
                _path(f"c{_first}{_second}{_third}{_fourth}r", _first + _second + _third + _fourth)


@primitive("list")
@unroll_safe
def make(*items: Any) -> Any:
    if len(items) > 6:
        return list_from(items, NIL)
    result: Any = NIL
    for number in range(len(items) - 1, -1, -1):
        result = Pair(items[number], result)
    return result


@primitive("cons*", "list*")
def cons_star(first: Any, *items: Any) -> Any:
    return make_list((first, *items)[:-1], (first, *items)[-1])


@opaque("make-list")
def make_filled(count: Any, fill: Any = UNSPECIFIED) -> Any:
    result: Any = NIL
    for _ in range(index("make-list", count)):
        result = Pair(fill, result)
    return result


@primitive("list?", "proper-list?")
@driver.portal
def is_proper(value: Any) -> bool:
    slow = value
    while True:
        driver.jit_merge_point()
        if value is NIL:
            return True
        if type(value) is not Pair:
            return False
        value = value.cdr
        if value is NIL:
            return True
        if type(value) is not Pair:
            return False
        value = value.cdr
        slow = slow.cdr
        if value is slow:
            return False


@driver.portal
def list_from(items: Any, tail: Any) -> Any:
    """A Scheme list of the items of a Python list or tuple."""
    result = tail
    number = len(items)
    while number > 0:
        driver.jit_merge_point()
        number -= 1
        result = Pair(items[number], result)
    return result


@driver.portal
def items_of(value: Any, who: str) -> list[Any]:
    """The items of a proper list."""
    result: list[Any] = []
    start = value
    while type(value) is Pair:
        driver.jit_merge_point()
        result.append(value.car)
        value = value.cdr
        if len(result) & 0xFFFFF == 0 and is_circular(start):
            break
    if value is not NIL:
        raise wrong_type(who, "a proper list", start)
    return result


@primitive("length")
@driver.portal
def length(value: Any) -> int:
    count = 0
    rest = value
    while type(rest) is Pair:
        driver.jit_merge_point()
        rest = rest.cdr
        count += 1
        if count & 0xFFFF == 0 and not is_list(value):
            break
    if rest is not NIL:
        raise wrong_type("length", "a proper list", value)
    return count


@primitive("append")
@unroll_safe
def append(*lists: Any) -> Any:
    count = len(lists)
    if count == 2:
        return append_two(lists[0], lists[1])
    if count == 0:
        return NIL
    result = lists[-1]
    for number in range(count - 2, -1, -1):
        result = append_two(lists[number], result)
    return result


@driver.portal
def append_two(items: Any, tail: Any) -> Any:
    """A copy of a proper list with another tail."""
    first = last = Pair(NIL, tail)
    rest = items
    count = 0
    while type(rest) is Pair:
        driver.jit_merge_point()
        pair = Pair(rest.car, tail)
        last.cdr = pair
        last = pair
        rest = rest.cdr
        count += 1
        if count & 0xFFFFF == 0 and not is_list(items):
            break
    if rest is not NIL:
        raise wrong_type("append", "a proper list", items)
    return first.cdr


@primitive("reverse")
@driver.portal
def reverse(items: Any) -> Any:
    result: Any = NIL
    rest = items
    while type(rest) is Pair:
        driver.jit_merge_point()
        result = Pair(rest.car, result)
        rest = rest.cdr
    if rest is not NIL:
        raise wrong_type("reverse", "a proper list", items)
    return result


@primitive("reverse!")
@driver.portal
def reverse_in_place(items: Any) -> Any:
    result: Any = NIL
    while type(items) is Pair:
        driver.jit_merge_point()
        items.cdr, result, items = result, items, items.cdr
    return result


@primitive("append-reverse", "append-reverse!")
@driver.portal
def append_reverse(items: Any, tail: Any) -> Any:
    while type(items) is Pair:
        driver.jit_merge_point()
        tail = Pair(items.car, tail)
        items = items.cdr
    return tail


@opaque("append!")
def append_in_place(*lists: Any) -> Any:
    parts = [items for items in lists if items is not NIL]
    for items, following in pairwise(parts):
        last_pair(items).cdr = following
    return parts[0] if parts else NIL


@primitive("list-tail", "drop")
def list_tail(items: Any, count: Any) -> Any:
    return _tail("list-tail", items, index("list-tail", count))


@driver.portal
def _tail(who: str, items: Any, count: int) -> Any:
    rest = items
    left = count
    while left > 0:
        driver.jit_merge_point()
        if type(rest) is not Pair:
            raise error(who, "the list is too short:", items, count)
        rest = rest.cdr
        left -= 1
    return rest


@primitive("list-ref")
def list_ref(items: Any, number: Any) -> Any:
    rest = _tail("list-ref", items, index("list-ref", number))
    if type(rest) is not Pair:
        raise error("list-ref", "the list is too short:", items, number)
    return rest.car


@primitive("list-set!")
def list_set(items: Any, number: Any, value: Any) -> Any:
    rest = _tail("list-set!", items, index("list-set!", number))
    if type(rest) is not Pair:
        raise error("list-set!", "the list is too short:", items, number)
    rest.car = value
    return UNSPECIFIED


@primitive("list-head", "take")
def take(items: Any, count: Any) -> Any:
    return _head(items, index("list-head", count))


@driver.portal
def _head(items: Any, count: int) -> Any:
    first = last = Pair(NIL, NIL)
    rest = items
    left = count
    while left > 0:
        driver.jit_merge_point()
        if type(rest) is not Pair:
            raise error("list-head", "the list is too short:", items, count)
        pair = Pair(rest.car, NIL)
        last.cdr = pair
        last = pair
        rest = rest.cdr
        left -= 1
    return first.cdr


@primitive("list-copy")
@driver.portal
def list_copy(items: Any) -> Any:
    first = last = Pair(NIL, NIL)
    while type(items) is Pair:
        driver.jit_merge_point()
        pair = Pair(items.car, NIL)
        last.cdr = pair
        last = pair
        items = items.cdr
    last.cdr = items
    return first.cdr


@primitive("last-pair")
@driver.portal
def last_pair(items: Any) -> Any:
    if type(items) is not Pair:
        raise wrong_type("last-pair", "a pair", items)
    rest = items.cdr
    while type(rest) is Pair:
        driver.jit_merge_point()
        items = rest
        rest = items.cdr
    return items


@primitive("last")
def last(items: Any) -> Any:
    return last_pair(items).car


@primitive("memq", "memv")
@driver.portal
def memv(value: Any, items: Any) -> Any:
    rest = items
    while type(rest) is Pair:
        driver.jit_merge_point()
        if rest.car is value or is_eqv(rest.car, value):
            return rest
        rest = rest.cdr
    if rest is not NIL:
        raise wrong_type("memv", "a proper list", items)
    return False


@primitive("%member")
@driver.portal
def member(value: Any, items: Any) -> Any:
    rest = items
    while type(rest) is Pair:
        driver.jit_merge_point()
        if is_equal(value, rest.car):
            return rest
        rest = rest.cdr
    if rest is not NIL:
        raise wrong_type("member", "a proper list", items)
    return False


@primitive("assq", "assv")
@driver.portal
def assv(value: Any, items: Any) -> Any:
    rest = items
    while type(rest) is Pair:
        driver.jit_merge_point()
        entry = rest.car
        if type(entry) is not Pair:
            raise wrong_type("assv", "an association list", items)
        if entry.car is value or is_eqv(entry.car, value):
            return entry
        rest = rest.cdr
    if rest is not NIL:
        raise wrong_type("assv", "a proper list", items)
    return False


@primitive("%assoc")
@driver.portal
def assoc(value: Any, items: Any) -> Any:
    rest = items
    while type(rest) is Pair:
        driver.jit_merge_point()
        entry = rest.car
        if type(entry) is not Pair:
            raise wrong_type("assoc", "an association list", items)
        if is_equal(value, entry.car):
            return entry
        rest = rest.cdr
    if rest is not NIL:
        raise wrong_type("assoc", "a proper list", items)
    return False


@opaque("iota")
def iota(count: Any, start: Any = 0, step: Any = 1) -> Any:
    size = index("iota", count)
    if type(start) is int and type(step) is int and step != 0:
        return make_list(range(start, start + size * step, step))
    return make_list([add(start, multiply(number, step)) for number in range(size)])
