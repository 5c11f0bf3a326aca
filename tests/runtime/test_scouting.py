"""Recursion outside of traced loops is found, recorded and run natively; what has no business there is left alone."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import textwrap
import threading
import weakref
from typing import Any

import pytest

from metatracer import parameters
from metatracer.runtime import scouting
from metatracer.runtime.host import PORTALS
from metatracer.runtime.implicit import original_code
from metatracer.runtime.implicit_entry import entry_layout, entry_of, entry_with
from metatracer.runtime.scouting import Scout
from tests.scenarios.loops import fold


class Stop(Exception):
    """Ends a guest function."""


class Guest:
    """A function of a guest."""

    def __init__(self, least: int) -> None:
        self.least = least
        self.calls = 0

    def fib(self, n: int) -> int:
        return n if n < self.least else self.fib(n - 1) + self.fib(n - 2)

    def raising(self, n: int) -> None:
        if n < self.least:
            raise Stop(n)
        raise Stop(self.caught(n - 1) + self.caught(n - 2))

    def caught(self, n: int) -> int:
        try:
            self.raising(n)
        except Stop as stop:
            return stop.args[0]
        return -1

    def giving(self, n: int) -> None:
        if n < 0:
            return
        raise Stop(n if n < self.least else self.taken(n - 1) + self.taken(n - 2))

    def taken(self, n: int) -> int:
        try:
            self.giving(n)
        except Stop as stop:
            return stop.args[0]
        return -1

    def down(self, n: int) -> int:
        self.calls += 1
        return 0 if n == 0 else 1 + self.down(n - 1)


class Walker:
    """An interpreter object, and a node for each call of the guest's function."""

    def value(self, node: Any, n: int) -> int:
        kind, *parts = node
        if kind == "n":
            return n
        if kind == "fib":
            return n if n < 2 else self.value(parts[0], n)
        if kind == "call":
            return self.value(parts[0], self.value(parts[1], n))
        if kind == "minus":
            return self.value(parts[0], n) - parts[1]
        return self.value(parts[0], n) + self.value(parts[1], n)


class Name(str):
    """Of a procedure: not exactly a string, so it has no place in a dict that a trace knows."""

    __slots__ = ()


class Words:
    """An interpreter object that looks procedures up by their names."""

    def __init__(self) -> None:
        self.stack: list[int] = []
        self.words: dict[str, Any] = {}

    def run(self, body: tuple[Any, ...]) -> None:
        for word in body:
            if word == "down":
                self.stack.append(self.stack.pop() - 1)
            elif word == "dup":
                self.stack.append(self.stack[-1])
            elif word == "swap":
                self.stack[-1], self.stack[-2] = self.stack[-2], self.stack[-1]
            elif word == "add":
                self.stack.append(self.stack.pop() + self.stack.pop())
            elif type(word) is tuple:
                self.run(word if self.stack[-1] > 1 else ())
            else:
                self.run(self.words[word])


def fib_node() -> Any:
    n = ("n",)
    node: list[Any] = ["fib"]
    node.append(("plus", ("call", node, ("minus", n, 1)), ("call", node, ("minus", n, 2))))
    return node


def fib(n: int) -> int:
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def fresh(method: Any) -> Any:
    """The function with a code object of its own."""
    method.__code__ = original_code(method).replace()
    return method


@pytest.fixture(autouse=True)
def compiling_always_pays():
    with parameters(payback=0.0):
        yield


def sent(function: Any) -> Scout:
    code = original_code(function)
    entry = entry_layout(code, ())
    assert entry is not None
    scout = Scout(code, function.__globals__, entry, PORTALS[fold.__code__])
    scout.send(function)
    return scout


def test_a_recording_from_the_entry_finds_the_recursion():
    function = fresh(Guest.fib)
    code, guest = function.__code__, Guest(2)
    sent(function)
    assert function.__code__ is not code
    assert guest.fib(12) == fib(12)
    portal = entry_of(function)
    assert portal is not None
    assert [loop.greens for loop in portal.loops.values()] == [(guest,)]
    assert all(loop.piece is not None for loop in portal.loops.values())
    assert entry_with(code) is portal
    assert guest.fib(15) == fib(15)


def test_what_is_the_same_in_all_calls_is_no_green_where_something_else_tells_them_apart():
    function = fresh(Walker.value)
    node = fib_node()
    sent(function)
    assert Walker().value(node, 12) == fib(12)
    portal = entry_of(function)
    assert portal is not None
    assert portal.driver.greens == ("node",)
    entries = sum(loop.record.entries for loop in portal.loops.values())
    assert Walker().value(node, 15) == fib(15)
    assert sum(loop.record.entries for loop in portal.loops.values()) > entries


def test_a_procedure_that_is_looked_up_by_its_name_tells_what_is_run():
    function = fresh(Words.run)
    call = Name("fib")
    body = (("down", "dup", call, "swap", "down", call, "add"),)
    sent(function)
    for n in (12, 15):
        words = Words()
        words.stack.append(n)
        words.words["fib"] = body
        words.run((call,))
        assert words.stack == [fib(n)]
    portal = entry_of(function)
    assert portal is not None
    assert portal.driver.greens == ("body",)


def test_another_guest_function_is_found_from_the_same_entry():
    function = fresh(Walker.value)
    code, walker, nodes = function.__code__, Walker(), [fib_node(), fib_node()]
    for node in nodes:
        sent(function)
        assert walker.value(node, 12) == fib(12)
        assert original_code(function) is code
    portal = entry_of(function)
    assert portal is not None
    made = [loop.greens[0] for loop in portal.loops.values() if loop.piece is not None]
    assert all(any(each is node or each is node[1] for each in made) for node in nodes)
    tick = function.__code__
    assert tick is not code
    sent(function).take_back()
    assert function.__code__ is tick


def test_greens_that_each_run_brings_anew_are_given_up():
    function = fresh(Guest.fib)
    for _ in range(5):
        sent(function)
        assert Guest(2).fib(12) == fib(12)
    portal = entry_of(function)
    assert portal is not None
    assert portal.is_short_lived()
    assert len(portal.loops) == 3
    assert scouting._is_given_up(original_code(function))
    assert portal.is_hopeless(portal.key([Guest(2)]))
    assert not any(map(portal.is_hopeless, portal.loops))


def test_greens_that_are_met_again_are_not_given_up():
    function = fresh(Guest.fib)
    for _ in range(5):
        guest = Guest(2)
        sent(function)
        assert guest.fib(12) == fib(12)
        portal = entry_of(function)
        assert portal is not None
        assert portal.is_in_use()
        assert not portal.is_in_use()
        portal.uses += 4
    assert not portal.is_short_lived()
    assert len(portal.loops) == 5


def test_a_call_that_goes_no_deeper_is_not_the_last_that_is_recorded():
    function = fresh(Guest.fib)
    guest = Guest(2)
    sent(function)._until = math.inf
    assert [guest.fib(n) for n in (1, 0, 1, 9)] == [1, 0, 1, 34]
    assert entry_of(function) is not None


def test_it_is_taken_back_after_the_call():
    function = fresh(Guest.down)
    code, guest = function.__code__, Guest(0)
    scout = sent(function)
    scout._until = 0.0
    assert guest.down(0) == 0
    assert function.__code__ is code
    assert guest.calls == 1


def test_what_always_ends_with_an_exception_is_no_entry():
    raising, caught = fresh(Guest.raising), fresh(Guest.caught)
    guest = Guest(2)
    assert entry_layout(raising.__code__, ()) is None
    sent(caught)
    assert guest.caught(12) == fib(12)
    assert entry_of(raising) is None
    assert entry_of(caught) is not None


def test_an_entry_whose_recording_ends_with_an_exception_is_refused():
    giving = fresh(Guest.giving)
    fresh(Guest.taken)
    guest = Guest(2)
    sent(giving)
    assert guest.taken(12) == fib(12)
    portal = entry_of(giving)
    assert portal is not None
    (loop,) = portal.loops.values()
    assert loop.piece is None
    assert loop.record.status == "refused"
    assert portal.is_hopeless(loop.key)
    assert entry_with(original_code(giving)) is None


def test_what_was_sent_is_taken_back_when_another_recording_begins():
    function = fresh(Guest.down)
    code, guest = function.__code__, Guest(0)
    entry = entry_layout(code, ())
    scout = scouting._Watch.scouts[code] = Scout(code, function.__globals__, entry, PORTALS[fold.__code__])
    try:
        scout.send(function)
        with parameters(threshold=3):
            assert fold(lambda i, total: total + guest.down(0), 50, 0) == 0
        assert function.__code__ is code
    finally:
        del scouting._Watch.scouts[code]


def test_nothing_is_recorded_while_tracing_is_off():
    function = fresh(Guest.fib)
    guest = Guest(2)
    with parameters(enable=False):
        sent(function)
        assert guest.fib(10) == fib(10)
    assert entry_of(function) is None


def test_a_look_keeps_no_frame():
    def inner():
        guest = Guest(2)
        return weakref.ref(guest), scouting._places(threading.get_ident())

    reference, places = inner()
    assert reference() is None
    assert inner.__code__ in [code for code, _ in places]
    assert len(places) <= scouting._DEEPEST
    assert scouting._places(-1) == []


def recurring(function: Any, depth: int) -> list[Any]:
    """What is charged when a function has called itself so often."""
    found: list[Any] = []

    def go(n: int) -> None:
        if n:
            function(go, n - 1)
        else:
            found.extend(scouting._recurring([frame.f_code for frame in scouting._frames(sys._getframe())], []))

    function(go, depth)
    return found


def test_what_has_code_is_charged_unless_that_is_in_use():
    function = fresh(Guest.fib)
    code, guest = function.__code__, Guest(2)
    sent(function)
    assert guest.fib(12) == fib(12)
    portal = entry_of(function)
    assert portal is not None
    assert portal.is_in_use()
    assert not portal.is_in_use()
    stack = [code, calls.__code__] * 2
    assert scouting._recurring(stack, [portal]) == []
    assert scouting._recurring(stack, []) == [code]


def calls(go: Any, n: int) -> None:
    go(n)


def test_only_functions_of_the_interpreter_are_charged():
    names = {code.co_name for code in recurring(calls, 3)}
    assert names == {"calls", "go"}
    assert scouting._home_of(json.loads.__code__) is None
    assert scouting._home_of(scouting.watch.__code__) is None


PROGRAM = """
import sys, time
import metatracer

driver = metatracer.JitDriver(greens=["node"], reds="auto", name="tree")

class Return(Exception):
    pass

class Function:
    def __init__(self, body):
        self.body = body

    def call(self, n):
        scope = {"n": n}
        try:
            self.body(scope)
        except Return as result:
            return result.args[0]

class While:
    @driver.portal
    def run(node, scope):
        while True:
            driver.jit_merge_point(node=node)
            if not node.test(scope):
                return
            node.body(scope)

def constant(value):
    return lambda scope: value

def name(text):
    return lambda scope: scope[text]

def less(left, right):
    return lambda scope: left(scope) < right(scope)

def minus(left, right):
    return lambda scope: left(scope) - right(scope)

def plus(left, right):
    return lambda scope: left(scope) + right(scope)

def if_else(test, then, other):
    return lambda scope: then(scope) if test(scope) else other(scope)

def give(value):
    def run(scope):
        raise Return(value(scope))
    return run

def call(function, argument):
    return lambda scope: function.call(argument(scope))

fib = Function(None)
n = name("n")
fib.body = if_else(less(n, constant(2)), give(n),
    give(plus(call(fib, minus(n, constant(1))), call(fib, minus(n, constant(2))))))
end = time.monotonic() + 60.0
results = set()
while not metatracer.statistics_snapshot()["loops_compiled"] and time.monotonic() < end:
    results.add(fib.call(14))
results.add(fib.call(14))
print(sorted(results), metatracer.statistics_snapshot()["loops_compiled"] > 0)
"""


def python(text: str, *options: str) -> str:
    """The output of a program with the default parameters."""
    environment = {key: value for key, value in os.environ.items() if key != "METATRACER"}
    done = subprocess.run(
        [sys.executable, *options, "-c", textwrap.dedent(text)], capture_output=True, text=True, env=environment, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


def test_a_program_that_only_recurs_is_compiled(tmp_path):
    script = tmp_path / "tree.py"
    script.write_text(PROGRAM)
    assert python(f"import runpy; runpy.run_path({str(script)!r})") == "[377] True\n"


def test_there_is_no_thread_where_thresholds_are_counts():
    text = """
        import time, _thread
        import metatracer
        metatracer.set_param(None, "threshold", 100)
        driver = metatracer.JitDriver(greens=[], reds="auto", name="loop")
        @driver.portal
        def run(n):
            while n:
                driver.jit_merge_point()
                n -= 1
        def become(count):
            end = time.monotonic() + 60
            while _thread._count() != count and time.monotonic() < end:
                time.sleep(0.01)
            return _thread._count()
        run(1)
        time.sleep(0.1)
        counts = [_thread._count()]
        for threshold in (0, 100):
            metatracer.set_param(None, "threshold", threshold)
            counts.append(become(not threshold))
        print(counts)
    """
    assert python(text) == "[0, 1, 0]\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_forks_without_the_thread():
    text = """
        import os, time, _thread
        import metatracer
        driver = metatracer.JitDriver(greens=[], reds="auto", name="loop")
        @driver.portal
        def run(n):
            while n:
                driver.jit_merge_point()
                n -= 1
        def threads():
            end = time.monotonic() + 60
            while not _thread._count() and time.monotonic() < end:
                time.sleep(0.01)
            return _thread._count()
        run(1)
        before = threads()
        child = os.fork()
        if not child:
            os._exit(threads())
        here = _thread._count()
        print(before, here, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    assert python(text, "-W", "error::DeprecationWarning") == "1 0 1\n"


def test_the_home_of_a_package_is_its_top():
    portal = PORTALS[fold.__code__]
    top = fold.__code__.co_filename.rpartition(f"tests{os.sep}scenarios")[0] + "tests"
    assert scouting._home(portal) == f"{top}{os.sep}**"


def test_a_mistake_of_the_thread_is_told_and_ends_it(monkeypatch):
    def fail() -> bool:
        raise ZeroDivisionError

    told: list[str] = []
    monkeypatch.setattr(scouting, "look", fail)
    monkeypatch.setattr(scouting, "warn_mistake", lambda sentence, place: told.append(place))
    bell, ended = threading.Lock(), threading.Lock()
    bell.acquire()
    ended.acquire()
    scouting._run(bell, ended)
    assert set(told) == {"what only recurs"}  # the process' own thread may have looked, too
    assert not ended.locked()
