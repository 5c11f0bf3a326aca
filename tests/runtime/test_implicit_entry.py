"""Helpers that call themselves get traces of their own; that programs do the same: `scenarios/programs/recursive_helpers.py`."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from metatracer import JitDriver, parameters
from metatracer.runtime.implicit import original_code
from metatracer.runtime.implicit_entry import entry_of
from metatracer.statistics import STATISTICS
from tests.scenarios.loops import fold

EAGERLY = {"threshold": 3, "function_threshold": 3, "trace_eagerness": 3}


def run(step, n):
    return fold(lambda i, total: total + step(i), n, 0)


class Guest:
    """A function of a guest."""

    def __init__(self, least: int) -> None:
        self.least = least

    def fib(self, n: int) -> int:
        return n if n < self.least else self.fib(n - 1) + self.fib(n - 2)


def fresh(method: Any) -> Any:
    """The function with a code object of its own."""
    method.__code__ = original_code(method).replace()
    return method


def loops_of(function):
    portal = entry_of(function)
    return [] if portal is None else list(portal.loops.values())


def test_recursion_is_called_natively():
    fib = fresh(Guest.fib)
    code, guest = fib.__code__, Guest(2)
    with parameters(**EAGERLY):
        assert run(lambda i: guest.fib(i % 8), 300) == sum(guest.fib(i % 8) for i in range(300))
    (loop,) = loops_of(fib)
    assert loop.piece is not None
    assert loop.greens == (guest,)
    assert loop.record.location == "calls of Guest.fib"
    assert original_code(fib) is code
    assert fib.__code__.co_name == code.co_name
    assert fib.__code__.co_firstlineno == code.co_firstlineno


def test_what_cpython_calls_enters_the_code():
    fib = fresh(Guest.fib)
    guest = Guest(2)
    with parameters(**EAGERLY):
        run(lambda i: guest.fib(i % 8), 300)
        before = STATISTICS.loop_entries
        assert guest.fib(9) == 34
    assert STATISTICS.loop_entries == before + 1
    assert loops_of(fib)


def test_nothing_is_kept_of_guests_that_no_trace_has_called():
    fresh(Guest.fib)
    with parameters(**EAGERLY):
        guest = Guest(2)
        run(lambda i: guest.fib(i % 8), 300)
        other = Guest(2)
        assert other.fib(9) == 34
        gone = weakref.ref(other)
        del other
        gc.collect()
    assert gone() is None


@pytest.mark.parametrize("why", ["helper_loops", "other arguments"])
def test_helpers_without_traces_of_their_own(why):
    class Node:
        def __init__(self, depth):
            self.left = self.right = Node(depth - 1) if depth else None

        def count(self):
            return 1 if self.left is None else self.left.count() + self.right.count()

    fib, guest, tree = fresh(Guest.fib), Guest(2), Node(5)
    with parameters(**EAGERLY, helper_loops=why != "helper_loops"):
        if why == "helper_loops":
            run(lambda i: guest.fib(i % 8), 300)
        else:
            assert run(lambda i: tree.count(), 200) == 200 * 32
    assert not loops_of(fib)
    assert entry_of(Node.count) is None


def test_what_calls_itself_once_is_no_recursion():
    """As the procedure that applies procedures does, whose primitive for call/cc applies another one to what it has made."""

    class Frame:
        """A continuation: made for each call."""

    def apply(procedure: Any, frame: Frame) -> int:
        if procedure is call_cc:
            return apply(lambda: 1, frame)
        return procedure()

    call_cc = object()

    def step(i: int) -> int:
        return apply(call_cc, Frame())

    with parameters(**EAGERLY):
        assert run(step, 300) == 300
    assert entry_of(apply) is None


def test_what_recurs_through_a_portal_is_left_to_the_portal():
    driver = JitDriver(greens=["body"], reds="auto", name="bodies")

    class Function:
        """Made anew by each run of the guest, as its definitions are."""

        def __init__(self, body: tuple[str, int]) -> None:
            self.body = body

    def call(function: Function, n: int) -> int:
        return execute(function.body, function, n)

    @driver.portal
    def execute(body: tuple[str, int], function: Function, n: int) -> int:
        driver.jit_merge_point(body=body)
        if body[0] == "main":
            fib = Function(("fib", 2))
            return run(lambda i: call(fib, 8), n)
        return n if n < body[1] else call(function, n - 1) + call(function, n - 2)

    with parameters(**EAGERLY):
        assert call(Function(("main", 0)), 300) == 300 * 21
    assert entry_of(call) is None
