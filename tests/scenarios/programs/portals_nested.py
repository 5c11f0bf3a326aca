"""Portals that call portals, and one entered again from functions that are called, not traced."""

import functools

from metatracer import dont_look_inside
from tests.scenarios.loops import each, fold


def add(i, value):
    return value + i


def outer(i, value):
    return fold(add, i % 5, value) + 1


def outermost(i, value):
    return fold(outer, 10, value) % 1000003


@dont_look_inside
def from_residual_call(n):
    return fold(add, n, 0)


def calls_residual(i, value):
    return value + from_residual_call(i % 20)


def key(item):
    return fold(add, item % 7, item)


def compare(a, b):
    return fold(add, 3, a) - fold(add, 3, b)


def sorts(i, log):
    items = [(i * k) % 11 for k in range(6)]
    items.sort(key=key)
    log.append(items[0])
    items.sort(key=functools.cmp_to_key(compare))
    log.append(items[-1])
    del log[:-4]


class Item:
    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return fold(add, 2, self.value) == fold(add, 2, other.value)

    def __hash__(self):
        return fold(add, 3, self.value % 4)


TABLE = {Item(k): k for k in range(10)}


def looks_up(i, value):
    return value + TABLE[Item(i % 10)]


def fails_inside(i, value):
    if i == 300:
        raise ValueError("in the inner loop")
    return value + 1


def outer_of_failing(i, value):
    try:
        return fold(fails_inside, 250 + i, value)
    except ValueError:
        return value - 1


def main():
    print(fold(outer, 400, 0))
    print(fold(outermost, 100, 0))
    print(fold(calls_residual, 400, 0))
    print(each(sorts, 300, []))
    print(fold(looks_up, 500, 0))
    print(fold(outer_of_failing, 80, 0))
