"""Merge points that are reached with very many green keys: one bridge for all where that is as good, else those that pay."""

from __future__ import annotations

import pytest

from metatracer import JitDriver, parameters
from metatracer.runtime.host import PORTALS
from metatracer.runtime.scattered import Keys
from metatracer.statistics import STATISTICS

COUNTS = {"threshold": 20, "function_threshold": 20, "trace_eagerness": 20, "compile_level": 0}


def bridges():
    return STATISTICS.bridges_compiled


def numbers(is_long):
    """A number that the guest computes is a green at its end; there may be much to do with it."""
    driver = JitDriver(greens=["head"], reds="auto", name="numbers")

    @driver.portal
    def run(head, n):
        total = 0
        while True:
            driver.jit_merge_point(head=head)
            if head == "count":
                n -= 1
                total = (total * 7 + n) % 100003
                if not n:
                    head = total
            elif head == "again":
                head = "count"
            elif is_long:
                for _ in (1, 2, 3, 4, 5, 6, 7):
                    total = (total * head + 1) % 10007
                return total
            else:
                return head
            driver.can_enter_jit(head=head)

    return run


def expected(n, is_long):
    total = 0
    for k in reversed(range(n)):
        total = (total * 7 + k) % 100003
    head = total
    for _ in range(7 if is_long else 0):
        total = (total * head + 1) % 10007
    return total


@pytest.mark.parametrize(("is_long", "most"), [(False, 14), (True, 10**9)])
def test_one_bridge_takes_numbers_that_are_done_with_soon(is_long, most):
    run, before = numbers(is_long), bridges()
    with parameters(**COUNTS):
        for n in range(1, 1500 if not is_long else 300):
            assert run("count", 20 + n % 400) == expected(20 + n % 400, is_long)
    assert 1 <= bridges() - before <= most
    (keys,) = [each for each in PORTALS[run.__code__].failed_with.values() if not each.can_be_passed or not is_long]
    assert keys.can_be_passed is not is_long
    named = [each["green"] for each in PORTALS[run.__code__].short_lived_greens()]
    assert named == ([] if is_long else ["head"])


def program(callers):
    """Each caller calls the same function, which goes back behind it: many places, and each is one."""
    code = []
    for number in range(callers):
        code += [("push", 3 * number + 2), ("jump", 3 * callers + 1), ("add", number)]
    return (*code, ("loop", 0), ("twice", 0), ("return", 0))


def calls():
    driver = JitDriver(greens=["pc"], reds="auto", name="calls")

    @driver.portal
    def run(code, rounds):
        pc = total = 0
        stack = []
        while True:
            driver.jit_merge_point(pc=pc)
            op, operand = code[pc]
            pc += 1
            if op == "push":
                stack.append(operand)
            elif op == "jump":
                pc = operand
                driver.can_enter_jit(pc=pc)
            elif op == "twice":
                total = total * 2 % 1000003
            elif op == "return":
                pc = stack.pop()
            elif op == "add":
                total += operand
            else:
                rounds -= 1
                if not rounds:
                    return total
                pc = 0
                driver.can_enter_jit(pc=pc)

    return run


def test_a_return_to_many_places_gets_a_bridge_for_each():
    run = calls()
    with parameters(**COUNTS):
        first = run(program(20), 400)
    assert first == calls()(program(20), 400)
    frequent = [keys for keys in PORTALS[run.__code__].failed_with.values() if keys._total > 200]
    assert frequent
    assert not any(keys.can_be_passed for keys in frequent)


class Portal:
    """As much of one as is asked here."""

    green_numbers = (0,)

    @staticmethod
    def key(greens):
        return tuple(greens)


class Frame:
    def __init__(self, number):
        self.locals = (number,)


def test_a_key_that_is_one_of_few_counts_for_all_its_guards_failures():
    keys = Keys(Portal())
    assert [keys.note(Frame(number % 4)) for number in range(100)] == [1.0] * 100
    assert not keys.may_be_passed(8)


def test_a_key_that_is_one_of_many_counts_for_its_own():
    keys = Keys(Portal())
    shares = [keys.note(Frame(number % 20)) for number in range(400)]
    assert shares[-1] == pytest.approx(1 / 20)
    assert keys.may_be_passed(8)
    assert not keys.may_be_passed(20)


def test_of_keys_without_end_the_frequent_ones_are_remembered():
    keys = Keys(Portal())
    for number in range(10000):
        keys.note(Frame(number))
        share = keys.note(Frame(-1))
    assert share == 1.0
    assert len(keys._counts) <= 256
