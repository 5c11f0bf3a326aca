"""Loops around portals: their functions are found on the stack, tried, and recorded from their entry."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from collections import deque
from contextlib import contextmanager
from typing import Any

import pytest

from metatracer import parameters
from metatracer.runtime import outer, scouting
from metatracer.runtime.given_code import original_code
from metatracer.runtime.host import PORTALS
from metatracer.runtime.implicit_entry import entry_of, make_entry
from metatracer.runtime.outer import give_entry, is_in_loop, loop_around
from metatracer.runtime.twin import twin_for
from tests.scenarios.loops import fold

EAGERLY = {"threshold": 3, "function_threshold": 3, "trace_eagerness": 3}


def portal() -> Any:
    return PORTALS[fold.__code__]


def fresh(function: Any) -> Any:
    """The function with a code object of its own."""
    function.__code__ = original_code(function).replace()
    return function


def add(i: int, total: int) -> int:
    return total + i


def multiply(i: int, total: int) -> int:
    return (total * 3 + i) % 1009


class Task:
    def __init__(self, number: int, work: int) -> None:
        self.number = number
        self.work = work
        self.total = 0


class Scheduler:
    """Runs tasks in turn; each of its turns is a run of a portal."""

    def __init__(self, *tasks: Task) -> None:
        self.ready = deque(tasks)
        self.current: Task | None = None
        self.turns = 0

    @contextmanager
    def running(self, task: Task) -> Any:
        before, self.current = self.current, task
        try:
            yield task
        finally:
            self.current = before

    def loop(self, least: int) -> int:
        while self.ready:
            task = self.ready.popleft()
            self.turns += 1
            with self.running(task):
                task.total = fold(multiply if task.number else add, 5, task.total)
                if task.total % 7 == least:
                    task.work -= 1
            task.work -= 1
            if task.work > 0:
                self.ready.append(task)
        return self.turns


def schedule(count: int, least: int = 3) -> tuple[int, ...]:
    tasks = [Task(number, count + number) for number in range(3)]
    return (Scheduler(*tasks).loop(least), *[task.total for task in tasks])


def failing(count: int) -> int:
    """Ends with an exception in the middle of its loop, when it is asked to."""
    total = 0
    for number in range(60):
        total = fold(add, 3, total)
        if number == count:
            raise ValueError(total)
    return total


def summed(count: int) -> int:
    return sum(fold(add, 3, number) for number in range(count))


def seldom(count: int) -> int:
    return fold(add, count, 0)


@pytest.mark.parametrize("force_exits", [0, 1, 2, 3])
def test_a_loop_around_a_portal_does_the_same(force_exits):
    with parameters(enable=False):
        expected = [schedule(20 + turn, turn % 7) for turn in range(12)]
    fresh(Scheduler.loop)
    with parameters(force_exits=force_exits, **EAGERLY):
        schedule(20)
        give_entry(Scheduler.loop, portal())
        assert [schedule(20 + turn, turn % 7) for turn in range(12)] == expected
    entry = entry_of(Scheduler.loop)
    assert entry is not None
    (loop,) = entry.loops.values()
    assert loop.record.traces == 1
    assert loop.record.location == "calls of Scheduler.loop"


def test_its_loop_calls_the_portals_natively():
    fresh(summed)
    with parameters(**EAGERLY):
        expected = [summed(40) for _ in range(3)]
        give_entry(summed, portal())
        for _ in range(8):
            assert summed(40) == expected[0]
        before = portal().loops[portal().key([add])].record.entries
        assert summed(40) == expected[0]
        assert portal().loops[portal().key([add])].record.entries == before


def test_an_exception_leaves_it():
    fresh(failing)
    with parameters(**EAGERLY):
        expected = failing(-1)
        give_entry(failing, portal())
        for turn in range(12):
            assert failing(-1) == expected
            with pytest.raises(ValueError, match=str(fold(add, 3 * 1, 0) * (turn + 1))):
                failing(turn)


def test_a_function_that_enters_portals_too_seldom_is_left_alone():
    code = fresh(seldom).__code__
    with parameters(**EAGERLY):
        give_entry(seldom, portal())
        assert seldom.__code__ is not code
        for _ in range(60):
            assert seldom(4) == 6
    assert seldom.__code__ is code
    assert entry_of(seldom) is None
    assert code in outer.refused


def test_a_recursion_that_is_found_takes_its_place():
    fresh(summed)
    give_entry(summed, portal())
    first = entry_of(summed)
    assert first is not None
    assert first.is_outer
    found = make_entry(portal(), summed, [0])
    assert found is not None
    assert not found.is_outer
    assert entry_of(summed) is found
    assert make_entry(portal(), summed, [0]) is None


def test_the_loop_is_found_on_the_stack():
    places: list[Any] = []

    def step(i: int, total: int) -> int:
        places[:] = scouting._places(threading.get_ident())
        return total + i

    def around() -> int:
        total = 0
        while total < 3:
            total += fold(step, 3, 0)
        return total

    def through_a_generator() -> int:
        return sum(fold(step, 3, 0) for _ in range(2))

    def once() -> int:
        return fold(step, 3, 0)

    own = {around.__code__, through_a_generator.__code__, once.__code__, through_a_generator.__code__.co_consts[1]}
    with parameters(enable=False):
        for function, expected in ((around, around), (through_a_generator, through_a_generator), (once, None)):
            function()
            found = loop_around(places, PORTALS, own.__contains__)
            assert found is (None if expected is None else expected.__code__)
        around()
        assert loop_around(places, PORTALS, lambda code: False) is None
        inner = next(place for place in places if place[0] in PORTALS)
        assert loop_around([inner, *places], PORTALS, own.__contains__) is None


def test_frames_that_twins_go_on_with_are_left_alone():
    def around(n: int) -> int:
        total = 0
        for _ in range(n):
            total += fold(add, 3, 0)
        return total

    twin = twin_for(around.__code__).code
    first, last = outer._loops(twin)[-1]
    assert is_in_loop(twin, last)
    assert loop_around([(twin, last)], PORTALS, lambda code: True) is None
    first, last = outer._loops(around.__code__)[0]
    assert loop_around([(around.__code__, first), (twin, last)], PORTALS, lambda code: True) is around.__code__
    assert scouting._recurring([twin, twin], []) == []


def test_positions_in_loops():
    def function(n: int) -> tuple[int, int, int]:
        before = sys._getframe().f_lasti
        within = -1
        for _ in range(n):
            within = sys._getframe().f_lasti
        return before, within, sys._getframe().f_lasti

    assert [is_in_loop(function.__code__, offset) for offset in function(2)] == [False, True, False]


PROGRAM = """
import sys, time
import metatracer

driver = metatracer.JitDriver(greens=["code"], reds=["task", "left"], name="step")

@driver.portal
def step(code, task, left):
    while left:
        driver.jit_merge_point(code=code, task=task, left=left)
        task[0] = (task[0] * 3 + len(code)) % 1009
        left -= 1

def loop(tasks):
    turns = 0
    while tasks:
        task = tasks.pop(0)
        step("abc", task, 3)
        turns += 1
        task[1] -= 1
        if task[1]:
            tasks.append(task)
    return turns

def found():
    return any(each["location"] == "calls of loop" and each["traces"] for each in metatracer.explain_records())

end = time.monotonic() + 60.0
results = set()
while not found() and time.monotonic() < end:
    results.add(loop([[0, 500], [1, 400]]))
results.add(loop([[0, 500], [1, 400]]))
print(results, found())
"""


def test_a_scheduler_is_compiled(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(PROGRAM))
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "{900} True\n"
