"""Loops of helpers that get traces of their own; that programs do the same is tested by `scenarios/programs/helper_loops.py`."""

from __future__ import annotations

import pytest

from metatracer import JitDriver, dont_look_inside, parameters, unroll_safe
from metatracer.frontend.decode import jitcode_for
from metatracer.runtime.driver import explain_records
from metatracer.runtime.implicit import headers_of, make_header
from metatracer.runtime.iterators import count, put_together_again, take_apart_own
from metatracer.statistics import STATISTICS

EAGERLY = {"threshold": 3, "function_threshold": 3, "trace_eagerness": 3}


def caller(name):
    driver = JitDriver(greens=["step"], reds="auto", name=name)

    @driver.portal
    def run(step, n):
        total = i = 0
        while i < n:
            driver.jit_merge_point(step=step)
            total += step(i)
            i += 1
        return total

    return run


def counting():
    """A function with a loop, with a code object of its own."""

    def count(n):
        i = 0
        while i < n:
            i += 1
        return i

    count.__code__ = count.__code__.replace()
    return count


def loops_of(function):
    return [
        loop for header in headers_of(function).values() for portal in header.portals for loop in portal.loops.values()
    ]


def test_a_loop_that_is_not_unrolled_has_traces_of_its_own():
    count = counting()
    code = count.__code__
    run = caller("long")
    with parameters(**EAGERLY):
        assert run(lambda i: count(100), 200) == 20_000
    (loop,) = loops_of(count)
    assert loop.piece is not None
    assert count.__code__ is code, "the author's function is not touched"
    (shown,) = [record for record in explain_records() if record["driver"] == loop.portal.driver.name]
    assert shown["status"] == "compiled"
    assert shown["lineno"] == code.co_firstlineno + 3
    assert shown["location"] == f"loop in line {shown['lineno']}"


def test_short_loops_are_unrolled():
    count = counting()
    run = caller("short")
    with parameters(**EAGERLY):
        assert run(lambda i: count(5), 200) == 1000
    assert not headers_of(count)


def test_two_portals_call_one_loop():
    count = counting()
    before = STATISTICS.loops_compiled
    with parameters(**EAGERLY):
        for name in ("first", "second"):
            assert caller(name)(lambda i: count(100), 200) == 20_000
    assert len(loops_of(count)) == 1
    assert STATISTICS.loops_compiled - before == 3


@pytest.mark.parametrize("why", ["helper_loops", "unroll_safe", "dont_look_inside"])
def test_helpers_without_loops_of_their_own(why):
    count = counting()
    if why == "unroll_safe":
        unroll_safe(count)
    elif why == "dont_look_inside":
        dont_look_inside(count)
    with parameters(**EAGERLY, helper_loops=why != "helper_loops"):
        assert caller(why)(lambda i: count(60), 100) == 6000
    assert not headers_of(count)
    is_called = "called, not traced" in jitcode_for(count.__code__).notes
    assert is_called == (why == "helper_loops")


def test_loops_where_the_stack_or_the_thread_holds_more_are_called():
    def in_handler(n):
        try:
            raise ValueError
        except ValueError:
            i = 0
            while i < n:
                i += 1
        return i

    in_handler.__code__ = in_handler.__code__.replace()
    run = caller("handler")
    with parameters(**EAGERLY):
        assert run(lambda i: in_handler(100), 100) == 10_000
    assert not headers_of(in_handler)
    assert "unrolled" in jitcode_for(in_handler.__code__).notes["called, not traced"]


def test_a_loop_that_cannot_be_recorded_is_called():
    def reads_frame(n):
        i = 0
        while i < n:
            i += 1
            if i > 50:
                locals()
        return i

    reads_frame.__code__ = reads_frame.__code__.replace()
    with parameters(**EAGERLY):
        assert caller("reader")(lambda i: reads_frame(100), 300) == 30_000
    assert jitcode_for(reads_frame.__code__).notes["called, not traced"]


def test_recordings_given_up_again_and_again_are_the_last():
    count = counting()
    notes = jitcode_for(count.__code__).notes
    with parameters(**EAGERLY):
        caller("given up again")(lambda i: count(100), 300)
    (loop,) = loops_of(count)
    portal = loop.portal
    loop.attempts = 3
    portal.given_up(loop)
    assert "called, not traced" not in notes, "it has code"
    assert loop.piece is not None
    loop.piece.invalidate("the test wants it")
    loop.attempts = 2
    portal.given_up(loop)
    assert "called, not traced" not in notes
    loop.attempts = 3
    portal.given_up(loop)
    assert "given up" in notes["called, not traced"]
    assert caller("called")(lambda i: count(100), 300) == 30_000


def test_the_same_code_with_other_globals_is_another_helper():
    first = counting()
    other = type(first)(first.__code__, {"__builtins__": __builtins__, "other": True}, "other")
    run = caller("globals")
    with parameters(**EAGERLY):
        assert run(lambda i: first(100), 100) == 10_000
        assert len(headers_of(first)) == 1
        assert not headers_of(other)
        (header,) = headers_of(first).values()
        assert not make_header(header.caller, other, header.index, ())
        assert run(lambda i: other(100), 100) == 10_000


def test_a_replaced_code_is_the_one_that_runs():
    count, other = counting(), counting()
    run = caller("replaced")

    def step(i):
        if i == 150:
            count.__code__ = (lambda n: n + 1).__code__
        return count(100) + other(50)

    with parameters(**EAGERLY):
        assert run(step, 300) == 150 * 150 + 150 * 151
    assert not headers_of(count)


def test_loops_in_loops_enter_the_inner_one():
    def table(n):
        total = 0
        for i in range(n):
            for j in range(i):
                total += j
        return total

    table.__code__ = table.__code__.replace()
    with parameters(**EAGERLY):
        assert caller("nested")(lambda i: table(30), 200) == 200 * sum(sum(range(i)) for i in range(30))
    assert any(loop.piece is not None for loop in loops_of(table))


# --- iterators ------------------------------------------------------------------------------------------------------------


def summing():
    def total(items):
        found = 0
        for item in items:
            found += item
        return found

    total.__code__ = total.__code__.replace()
    return total


def test_each_kind_of_iterator_has_a_loop():
    total = summing()
    given = [list(range(50)), tuple(range(50)), range(50), range(49, -1, -1), dict.fromkeys(range(50))]
    with parameters(**EAGERLY):
        assert caller("kinds")(lambda i: total(given[i % 5]), 500) == 500 * sum(range(50))
    kinds = {portal.kinds for header in headers_of(total).values() for portal in header.portals}
    assert kinds >= {(type(iter([])),), (type(iter(())),), (1,), (-1,), (None,)}


def test_an_iterator_that_somebody_else_holds_stays_whole():
    def twice(items):
        found = 0
        again = iter(items)
        for item in again:
            found += item
            found -= next(again, 0)
        return found

    twice.__code__ = twice.__code__.replace()
    numbers = list(range(60))
    with parameters(**EAGERLY):
        assert caller("shared")(lambda i: twice(numbers), 300) == -30 * 300
    assert {loop.portal.kinds for loop in loops_of(twice) if loop.piece is not None} == {(None,)}


def test_many_kinds_are_given_whole():
    total = summing()
    with parameters(**EAGERLY):
        assert caller("many")(lambda i: total(range(0, 50 * (1 + i % 12), 1 + i % 12)), 1200) == sum(
            sum(range(0, 50 * (1 + i % 12), 1 + i % 12)) for i in range(1200)
        )
    (header,) = headers_of(total).values()
    assert len(header.portals) <= 7
    assert (None,) in {portal.kinds for portal in header.portals}


@pytest.mark.parametrize("taken", [0, 3, 5])
@pytest.mark.parametrize(
    "make", [lambda: iter([1, 2, 3, 4, 5]), lambda: iter((1, 2, 3, 4, 5)), lambda: iter(range(9, -1, -2)), lambda: iter({1})]
)
def test_iterators_in_parts_go_on_where_they_were(make, taken):
    iterator, other = make(), make()
    for _ in range(taken):
        assert next(iterator, None) == next(other, None)
    values = [7, iterator]
    del iterator
    kinds = take_apart_own(values, 1)
    assert len(values) == 1 + count(kinds)
    (again,) = put_together_again(kinds, values[1:])
    assert list(again) == list(other)


def test_only_own_iterators_are_taken_apart():
    class Numbers(list):
        pass

    held = iter([1, 2])
    values = [held, iter(Numbers([1])), iter(range(2**70)), iter([3])]
    assert take_apart_own(values, 0) == (None, None, None, type(iter([])))
    assert values[0] is held


def test_a_loop_that_calls_itself_is_entered_with_what_it_has_not_allocated():
    def walk(tree, depth):
        total = 0
        for child in tree:
            total += walk(child, depth + 1) if isinstance(child, list) else child + depth
        return total

    walk.__code__ = walk.__code__.replace()
    tree = [[k, [k] * 18] for k in range(20)]
    with parameters(**EAGERLY):
        assert caller("walk")(lambda i: walk(tree, 0), 300) == 300 * walk(tree, 0)
    versions = [version for loop in loops_of(walk) for version in loop.versions.values()]
    assert any(version.piece is not None for version in versions)
