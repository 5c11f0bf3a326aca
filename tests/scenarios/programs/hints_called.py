"""Hints that interpreters written for RPython call, in traced code."""

from metatracer import (
    conditional_call,
    conditional_call_elidable,
    elidable,
    enter_portal_frame,
    leave_portal_frame,
    promote,
    record_exact_class,
    record_exact_value,
    record_known_result,
)
from tests.scenarios.loops import fold


class Thing:
    def __init__(self, size):
        self.size = size
        self.code = None
        self.number = 0


@elidable
def code_of(size):
    return f"code {size}"


@elidable
def number_of(size):
    return size * size


THINGS = [Thing(k) for k in range(5)]
SEEN = []


def lazily(i, value):
    thing = THINGS[i % 5]
    if i % 40 == 0:
        thing.code, thing.number = None, 0
    thing.code = conditional_call_elidable(thing.code, code_of, thing.size)
    thing.number = conditional_call_elidable(thing.number, number_of, thing.size)
    return value + len(thing.code) + thing.number


def promises(i, value):
    enter_portal_frame(i)
    thing = THINGS[i % 5]
    record_exact_class(thing, Thing)
    record_exact_value(thing.size, i % 5)
    record_known_result(thing.size * thing.size, number_of, thing.size)
    conditional_call(i % 50 == 0, SEEN.append, i)
    value += number_of(promote(thing.size))
    leave_portal_frame(i)
    return value


def main():
    for step in (lazily, promises):
        print(step.__name__, fold(step, 200, 0), fold(step, 300, 1))
    print([thing.code for thing in THINGS], SEEN)


if __name__ == "__main__":
    main()
