"""Portals: found, checked, rewritten, stripped, driven through their twins."""

from __future__ import annotations

import dis
import inspect
import itertools
import sys
import traceback
import types
import weakref
from dataclasses import dataclass
from typing import Any

import pytest

from metatracer.errors import UsageError
from metatracer.ir.values import NULL_OBJECT
from metatracer.runtime.rewrite import analyse_portal, build_portal_twin, rewrite_portal, strip_portal
from metatracer.runtime.twin import twin_for


class Driver:
    def __init__(self, greens, reds=None, name="test"):
        self.greens = tuple(greens)
        self.reds = None if reds is None else tuple(reds)
        self.name = name

    def jit_merge_point(self, **names):
        pass

    can_enter_jit = loop_header = jit_merge_point


def resolve(value):
    return value if isinstance(value, Driver) else None


@dataclass
class Request:
    token: Any
    values: list


class Marker:
    pass


class Portal:
    """A runtime that "compiles" nothing: it runs the twin from the merge point instead."""

    def __init__(self, function, driver=None, period=1, takes=lambda count: True, limit=None):
        self.function = function
        self.layout = analyse_portal(function, resolve, driver)
        markers = [None] * (period - 1)
        self.entry_ticker = itertools.cycle([*markers, "entry"]) if limit is None else iter(["entry"] * limit)
        self.back_edge_ticker = (
            itertools.cycle([*markers, "back edge"]) if limit is None else iter(["back edge"] * limit)
        )
        self.takes = takes
        self.ticks = []
        self.drives = []
        self.requests = 0
        self.refills = 0
        build_portal_twin(self.layout, self)
        self.original = function.__code__
        function.__code__ = rewrite_portal(self.layout, self)

    def tick(self, marker, *greens):
        self.ticks.append((marker, greens))
        return len(self.ticks) if self.takes(len(self.ticks)) else None

    @property
    def twin(self):
        return twin_for(self.layout.code)

    def refill(self):
        self.refills += 1
        return "refilled"

    def request(self, token, values):
        self.requests += 1
        return Request(token, values)

    def drive(self, token, values):
        self.drives.append((token, list(values)))
        while True:
            pairs = [(n, v) for n, v in zip(self.layout.value_numbers, values, strict=True) if v is not NULL_OBJECT]
            error, value = self.twin.run(self.function, self.layout.merge_start, pairs, ())
            if isinstance(value, Request):
                values = value.values
                continue
            return error, value


driver = Driver(["pc", "code"])
declared = Driver(["pc", "code"], ["stack"])

PROGRAM = (("push", 5), ("push", 0), ("add", 3), ("dec", None), ("jump", 2), ("halt", None))


def vm(code, stack):
    """A guest program: adds 3, five times."""
    pc = 0
    while True:
        driver.jit_merge_point(pc=pc, code=code)
        op, arg = code[pc]
        pc += 1
        if op == "push":
            stack.append(arg)
        elif op == "add":
            stack[-1] += arg
        elif op == "dec":
            stack[0] -= 1
        elif op == "jump":
            if stack[0]:
                pc = arg
                driver.can_enter_jit(pc=pc, code=code)
        elif op == "raise":
            raise ValueError(arg)
        else:
            return stack.pop()


def vm_counting_at_the_merge_point(code, stack):
    pc = 0
    while pc < len(code):
        declared.jit_merge_point(pc=pc, code=code, stack=stack)
        op, arg = code[pc]
        if op == "again":
            continue
        pc += 1
        if op == "push":
            stack.append(arg)
        elif op == "add":
            stack[-1] += arg
        elif op == "dec":
            stack[0] -= 1
        elif op == "jump" and stack[0]:
            pc = arg
        elif op == "raise":
            raise ValueError(arg)
    return stack.pop()


def vm_counting_at_jumps(code, stack):
    pc = 0
    while True:
        driver.jit_merge_point(pc=pc, code=code)
        op, arg = code[pc]
        pc = pc + 1
        if op == "push":
            stack.append(arg)
        elif op == "add":
            stack[-1] += arg
        elif op == "dec":
            stack[0] -= 1
        elif op == "jump":
            if stack[0]:
                pc = arg
        elif op == "raise":
            raise ValueError(arg)
        else:
            return stack.pop()


def vm_in_try(code, stack):
    pc = 0
    seen = []
    while True:
        try:
            driver.jit_merge_point(pc=pc, code=code)
            op, arg = code[pc]
            pc += 1
            if op == "raise":
                raise ValueError(arg)
            if op == "jump" and stack[0]:
                pc = arg
                driver.can_enter_jit(pc=pc, code=code)
            elif op == "halt":
                return stack, seen
            elif op == "dec":
                stack[0] -= 1
            elif op == "push":
                stack.append(arg)
        except ValueError as error:
            seen.append(str(error))
        finally:
            seen.append(pc)


def vm_with_cells(code, stack, *rest, flag=True, **named):
    pc = 0
    total = 0

    def bump(by):
        nonlocal total
        total += by + len(rest) + len(named)

    while True:
        driver.jit_merge_point(pc=pc, code=code)
        op, arg = code[pc]
        pc += 1
        bump(pc)
        if op == "push":
            stack.append(arg)
        elif op == "dec":
            stack[0] -= 1
        elif op == "jump":
            if stack[0]:
                pc = arg
                driver.can_enter_jit(pc=pc, code=code)
        elif op == "raise":
            raise ValueError(arg, total)
        elif op == "halt":
            return total, flag, [total + x for x in stack], lambda: (total, stack)


def vm_maybe_unbound(code, stack):
    pc = 0
    while True:
        driver.jit_merge_point(pc=pc, code=code)
        op, arg = code[pc]
        pc += 1
        if op == "push":
            stack.append(arg)
        elif op == "add":
            last = arg
        elif op == "dec":
            stack[0] -= 1
        elif op == "jump":
            if stack[0]:
                pc = arg
                driver.can_enter_jit(pc=pc, code=code)
        elif op == "raise":
            raise ValueError(arg, last)
        elif op == "halt":
            return last


def vm_back_edge_in_for(code, stack):
    pc = 0
    while True:
        driver.jit_merge_point(pc=pc, code=code)
        for _ in range(2):
            op, arg = code[pc]
            pc += 1
            if op == "push":
                stack.append(arg)
            elif op == "dec":
                stack[0] -= 1
            elif op == "jump" and stack[0]:
                pc = arg
                driver.can_enter_jit(pc=pc, code=code)
            elif op == "raise":
                raise ValueError(arg)
            elif op == "halt":
                return stack


def vm_big(code, stack):
    """Jumps and constants that need EXTENDED_ARG, more than 16 locals."""
    a = b = c = d = e = f = g = h = i = j = k = l = m = n = o = 1
    pc = 0
    while True:
        driver.jit_merge_point(pc=pc, code=code)
        op, arg = code[pc]
        pc += 1
        if op == "push":
            stack.append(arg)
        elif op == "add":
            a += b
            b += c
            c += d
            d += e
            e += f
            f += g
            g += h
            h += i
            i += j
            j += k
            k += l
            l += m
            m += n
            n += o
            o += a
            a ^= 0x101
            b ^= 0x102
            c ^= 0x103
            a, b, c, d, e, f, g, h, i, j, k, l, m, n, o = b, c, d, e, f, g, h, i, j, k, l, m, n, o, a
            if a > 1000:
                a %= 1001
                b %= 1002
                c %= 1003
                d %= 1004
                e %= 1005
                f %= 1006
                g %= 1007
                h %= 1008
                i %= 1009
                j %= 1010
                k %= 1011
                l %= 1012
                m %= 1013
                n %= 1014
            if b > 2000:
                a %= 2001
                b %= 2002
                c %= 2003
                d %= 2004
                e %= 2005
                f %= 2006
                g %= 2007
                h %= 2008
                i %= 2009
                j %= 2010
                k %= 2011
                l %= 2012
                m %= 2013
                n %= 2014
        elif op == "dec":
            stack[0] -= 1
        elif op == "jump":
            if stack[0]:
                pc = arg
                driver.can_enter_jit(pc=pc, code=code)
        elif op == "raise":
            raise ValueError(arg)
        else:
            return (a, b, c, d, e, f, g, h, i, j, k, l, m, n, o)


RAISING = (*PROGRAM[:-1], ("raise", "at the end"), ("halt", None))
PORTALS = [
    vm,
    vm_counting_at_the_merge_point,
    vm_counting_at_jumps,
    vm_in_try,
    vm_with_cells,
    vm_maybe_unbound,
    vm_back_edge_in_for,
    vm_big,
]


def fresh(function):
    """The same function with the code it was written with."""
    code = function.__code__.replace()
    copy = types.FunctionType(
        code, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


def outcome(function, code):
    stack = []
    try:
        result = function(code, stack)
        if isinstance(result, tuple) and callable(result[-1]):
            result = (*result[:-1], result[-1]())
    except Exception as error:  # noqa: BLE001 - compared
        names = [(e.name, e.lineno) for e in traceback.extract_tb(error.__traceback__)][1:]
        return type(error), error.args, names, stack
    return result, stack


@pytest.mark.parametrize("function", PORTALS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("program", [PROGRAM, RAISING], ids=["returns", "raises"])
class TestTheSameResult:
    def test_stripped(self, function, program):
        stripped = fresh(function)
        stripped.__code__ = strip_portal(analyse_portal(stripped, resolve))
        assert outcome(stripped, program) == outcome(function, program)
        assert "jit_merge_point" not in [i.argval for i in dis.get_instructions(stripped)]

    def test_cold(self, function, program):
        rewritten = fresh(function)
        portal = Portal(rewritten, period=1000)
        assert outcome(rewritten, program) == outcome(function, program)
        assert portal.ticks == []

    @pytest.mark.parametrize("period", [1, 2, 3])
    def test_ticking(self, function, program, period):
        rewritten = fresh(function)
        portal = Portal(rewritten, period=period, takes=lambda count: False)
        for _ in range(3):
            assert outcome(rewritten, program) == outcome(function, program)
        assert portal.ticks
        assert portal.drives == []

    @pytest.mark.parametrize("period", [1, 2, 3])
    @pytest.mark.parametrize("every", [1, 2])
    def test_driven(self, function, program, period, every):
        rewritten = fresh(function)
        portal = Portal(rewritten, period=period, takes=lambda count: count % every == 0)
        for _ in range(3):
            assert outcome(rewritten, program) == outcome(function, program)
        assert portal.drives
        assert period > 1 or every > 1 or portal.requests

    def test_exhausted_tickers(self, function, program):
        rewritten = fresh(function)
        portal = Portal(rewritten, limit=2)
        for _ in range(3):
            assert outcome(rewritten, program) == outcome(function, program)
        assert portal.refills
        assert ("refilled", (0, program)) in portal.ticks


# --- analysis ---------------------------------------------------------------------------------------------------------


def test_layout_of_an_automatic_driver():
    layout = analyse_portal(vm, resolve)
    assert layout.driver is driver
    assert layout.names == ("pc", "code", "stack")
    assert (layout.green_numbers, layout.red_numbers) == ((2, 0), (1,))
    assert len(layout.skips) == 1
    assert layout.maybe_unbound == frozenset()
    line = inspect.getsourcelines(vm)[1] + 4
    assert layout.lineno == line


def test_a_local_that_may_be_unbound_is_known():
    layout = analyse_portal(vm_maybe_unbound, resolve)
    assert [vm_maybe_unbound.__code__.co_varnames[n] for n in layout.maybe_unbound] == ["last"]


def test_without_hints_back_edges_are_counted_where_greens_are_set():
    assert not analyse_portal(vm_counting_at_jumps, resolve).counts_at_merge_point
    rewritten = fresh(vm_counting_at_jumps)
    portal = Portal(rewritten, takes=lambda count: False)
    rewritten(PROGRAM, [])
    assert [(marker, pc) for marker, (pc, _) in portal.ticks] == [("entry", 0), *[("back edge", 2)] * 4]


def test_without_hints_a_way_round_that_sets_no_green_is_counted_at_the_merge_point():
    layout = analyse_portal(vm_counting_at_the_merge_point, resolve)
    assert layout.counts_at_merge_point
    assert layout.jumps == ()


def test_a_merge_point_in_no_loop_is_counted_on_entry_only():
    def portal(pc):
        single.jit_merge_point(pc=pc)
        return pc

    single = Driver(["pc"])
    runtime = Portal(portal, takes=lambda count: False)
    assert portal(3) == 3
    assert [marker for marker, _ in runtime.ticks] == ["entry"]


def test_an_unbound_local_is_passed_as_null():
    rewritten = fresh(vm_maybe_unbound)
    portal = Portal(rewritten)
    rewritten(PROGRAM, [])
    names = portal.layout.names
    _, values = portal.drives[0]
    assert values[names.index("last")] is NULL_OBJECT
    assert values[names.index("pc")] == 0


def test_free_variables_are_no_values():
    offset = 3

    def portal(pc, n):
        driver2.jit_merge_point(pc=pc)
        return pc + n + offset

    driver2 = Driver(["pc"])
    layout = analyse_portal(portal, resolve)
    assert layout.names == ("pc", "n")
    runtime = Portal(portal)
    assert portal(1, 2) == 6
    assert runtime.drives == [(1, [1, 2])]


class Holder:
    driver = Driver(["self", "pc"])

    def run(self, pc):
        while pc:
            self.driver.jit_merge_point(pc=pc, self=self)
            pc -= 1
        return "done"


def test_a_receiver_known_only_at_run_time_is_taken_from_the_decorator():
    portal = Portal(fresh(Holder.run), Holder.driver)
    assert portal.function(Holder(), 3) == "done"
    assert portal.drives
    with pytest.raises(UsageError, match="no merge point"):
        analyse_portal(Holder.run, resolve)


def test_a_dotted_receiver():
    space = types.SimpleNamespace(driver=Driver(["pc"]))
    namespace = {"space": space}
    exec("def f(pc):\n    space.driver.jit_merge_point(pc=pc)\n    return pc", namespace)
    assert analyse_portal(namespace["f"], resolve).driver is space.driver


def test_an_imported_driver():
    """CPython calls what it finds in an imported name as a function, not as a method."""
    driver = sys.modules["module_of_a_driver"] = Driver(["pc"])  # type: ignore[assignment]
    namespace = {}
    try:
        exec(
            "import module_of_a_driver\n\ndef f(pc):\n    while pc:\n        module_of_a_driver.jit_merge_point(pc=pc)\n"
            "        pc -= 1\n    return pc",
            namespace,
        )
    finally:
        del sys.modules["module_of_a_driver"]
    layout = analyse_portal(namespace["f"], resolve)
    assert layout.driver is driver
    namespace["f"].__code__ = strip_portal(layout)
    assert namespace["f"](3) == 0


def test_hints_of_other_drivers_stay():
    other = Driver(["x"])

    def both(pc, x):
        driver2.jit_merge_point(pc=pc)
        other.jit_merge_point(x=x)
        return pc

    driver2 = Driver(["pc"])
    assert len(analyse_portal(both, resolve, driver2).statements) == 1
    assert analyse_portal(both, resolve, other).names == ("x", "pc")


def test_a_driver_without_greens():
    def portal(n):
        while n:
            empty.jit_merge_point()
            n -= 1
        return "done"

    empty = Driver([])
    runtime = Portal(portal)
    assert portal(3) == "done"
    assert runtime.ticks[0] == ("entry", ())


def test_loop_header_is_a_back_edge():
    def portal(pc, n):
        while n:
            header.jit_merge_point(pc=pc)
            n -= 1
            header.loop_header()
        return "done"

    header = Driver(["pc"])
    runtime = Portal(portal, takes=lambda count: False)
    assert portal(0, 3) == "done"
    assert [marker for marker, _ in runtime.ticks] == ["entry", "back edge", "back edge"]


# --- mistakes ---------------------------------------------------------------------------------------------------------

MISTAKES = {
    "a green is no local": (
        "def f(pc):\n    while pc:\n        d.jit_merge_point(pc=pc, code=code)\n",
        3,
        "code",
    ),
    "a green is missing": ("def f(pc, code):\n    while pc:\n        d.jit_merge_point(pc=pc)\n", 3, "green 'code'"),
    "a red is missing": (
        "def f(pc, code, x):\n    while pc:\n        r.jit_merge_point(pc=pc, code=code)\n",
        3,
        "red 'stack'",
    ),
    "a live local is not declared": (
        "def f(pc, code, stack, x):\n    while x:\n        r.jit_merge_point(pc=pc, code=code, stack=stack)\n",
        3,
        "x: a variable that is used after the merge point",
    ),
    "a keyword is not declared": (
        "def f(pc, code, x):\n    d.jit_merge_point(pc=pc, code=code, x=x)\n",
        2,
        "does not declare",
    ),
    "an argument is an expression": (
        "def f(pc, code):\n    d.jit_merge_point(pc=pc + 1, code=code)\n",
        2,
        "plain local variable",
    ),
    "an argument is another variable": (
        "def f(pc, code):\n    d.jit_merge_point(pc=code, code=pc)\n",
        2,
        "must have the name",
    ),
    "an argument is an attribute": (
        "def f(pc, code):\n    d.jit_merge_point(pc=pc, code=code.x)\n",
        2,
        "plain local variable",
    ),
    "arguments are positional": ("def f(pc, code):\n    d.jit_merge_point(pc, code)\n", 2, "positional"),
    "the merge point is in a for loop": (
        "def f(code):\n    for pc in code:\n        d.jit_merge_point(pc=pc, code=code)\n",
        3,
        "inside a `for`",
    ),
    "the merge point is in a with block": (
        "def f(pc, code):\n    with code:\n        d.jit_merge_point(pc=pc, code=code)\n",
        3,
        "`with`",
    ),
    "there are two merge points": (
        "def f(pc, code):\n    d.jit_merge_point(pc=pc, code=code)\n    d.jit_merge_point(pc=pc, code=code)\n",
        3,
        "second merge point .* line 2",
    ),
    "there is no merge point": ("\ndef f(pc, code):\n    d.can_enter_jit(pc=pc, code=code)\n", 2, "no merge point"),
    "the portal is a generator": (
        "def f(pc, code):\n    d.jit_merge_point(pc=pc, code=code)\n    yield 1\n",
        1,
        "generator",
    ),
    "the portal is a coroutine": ("async def f(pc, code):\n    d.jit_merge_point(pc=pc, code=code)\n", 1, "coroutine"),
    "the result is used": (
        "def f(pc, code):\n    d.jit_merge_point(pc=pc, code=code)\n    return d.can_enter_jit(pc=pc, code=code)\n",
        3,
        "gives nothing back",
    ),
    "the hint is a value": ("def f(pc, code):\n    m = d.jit_merge_point\n    m(pc=pc, code=code)\n", 2, "statement"),
    "a star call": ("def f(pc, **k):\n    d.jit_merge_point(**k)\n", 2, "statement"),
    "a green is captured": (
        "def f(pc, code):\n    d.jit_merge_point(pc=pc, code=code)\n    return lambda: pc\n",
        2,
        "nested function",
    ),
    "a back-edge without a green": (
        "def f(pc, code):\n    d.jit_merge_point(pc=pc, code=code)\n    d.can_enter_jit(pc=pc)\n",
        3,
        "green 'code'",
    ),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_gets_a_sentence_with_its_place(what):
    source, line, message = MISTAKES[what]
    namespace = {"d": Driver(["pc", "code"]), "r": Driver(["pc", "code"], ["stack"]), "code": ()}
    exec(compile(source, "author.py", "exec"), namespace)
    with pytest.raises(UsageError, match=message) as caught:
        analyse_portal(namespace["f"], resolve)
    assert (caught.value.filename, caught.value.lineno) == ("author.py", line)


# --- what the author sees ---------------------------------------------------------------------------------------------


def test_signature_names_and_lines_stay():
    rewritten = fresh(vm_with_cells)
    Portal(rewritten)
    code, original = rewritten.__code__, vm_with_cells.__code__
    assert inspect.signature(rewritten) == inspect.signature(vm_with_cells)
    for name in ("co_name", "co_qualname", "co_filename", "co_firstlineno", "co_freevars", "co_cellvars", "co_flags"):
        assert getattr(code, name) == getattr(original, name)
    assert {line for _, _, line in code.co_lines()} == {line for _, _, line in original.co_lines()}


def test_tracing_sees_the_authors_lines():
    def lines(function):
        seen = []

        def trace(frame, event, arg):
            if frame.f_code.co_name != "vm":
                return None
            if event == "line":
                seen.append(frame.f_lineno - frame.f_code.co_firstlineno)
            return trace

        previous = sys.gettrace()
        sys.settrace(trace)
        try:
            function(PROGRAM, [])
        finally:
            sys.settrace(previous)
        return seen

    stripped = fresh(vm)
    stripped.__code__ = strip_portal(analyse_portal(stripped, resolve))
    hints = {4, 16}  # the lines of the hint statements
    without_hints = [line for line in lines(vm) if line not in hints]
    assert [line for line in lines(stripped) if line not in hints] == without_hints
    cold = fresh(vm)
    Portal(cold, period=1000)
    assert [line for line in lines(cold) if line not in {0, *hints}] == without_hints


def test_locals_show_no_hidden_variable():
    def portal(pc, n):
        while n:
            visible.jit_merge_point(pc=pc)
            n -= 1
        return sorted(locals())

    visible = Driver(["pc"])
    Portal(portal, takes=lambda count: False)
    assert portal(0, 3) == ["n", "pc", "visible"]


def test_an_exception_of_the_tick_is_the_authors_to_catch():
    """Ctrl-C may arrive there."""

    def portal(pc, log):
        try:
            while True:
                here.jit_merge_point(pc=pc)
                log.append(pc)
                if pc == 3:
                    return "returned"
                pc = min(pc + 1, 9)
        except KeyboardInterrupt:
            return "interrupted"
        finally:
            log.append("finally")

    here = Driver(["pc"])

    def takes(count):
        if count == 3:
            raise KeyboardInterrupt
        return False

    Portal(portal, takes=takes)
    log = []
    assert portal(0, log) == "interrupted"
    assert log[-1] == "finally"


class Token:
    pass


def test_a_driven_frame_keeps_nothing_alive():
    seen = []

    def portal(pc):
        dead = Token()  # not read behind the merge point
        reference = weakref.ref(dead)
        keep.jit_merge_point(pc=pc)
        return reference

    class Observing(Portal):
        def drive(self, token, values):
            seen.append([value() for value in values if isinstance(value, weakref.ref)])
            return super().drive(token, values)

    keep = Driver(["pc"])
    Observing(portal)
    assert portal(1)() is None
    assert seen == [[None]]


def test_an_exception_leaves_with_one_entry_for_the_portal():
    rewritten = fresh(vm)
    Portal(rewritten)
    with pytest.raises(ValueError, match="at the end") as caught:
        rewritten(RAISING, [])
    entries = traceback.extract_tb(caught.value.__traceback__)[1:]
    assert [e.name for e in entries] == ["vm"]
    assert entries[0].line == "raise ValueError(arg)"


def test_resuming_inside_a_removed_statement_goes_on_behind_it():
    rewritten = fresh(vm)
    portal = Portal(rewritten, period=1000)
    start, end = portal.layout.merge_start, portal.layout.merge_end
    for index in range(start, end, 2):
        stack = ("driver", "method")[: 0 if index == start else 2]
        error, value = portal.twin.run(rewritten, index, [(0, PROGRAM), (1, [2, 6]), (2, 5)], stack)
        assert (error, value) == (None, 6)


def test_a_checked_argument_stays_checked():
    def portal(flag):
        if flag:
            pc = 1
        while True:
            checked.jit_merge_point(pc=pc)
            return pc

    checked = Driver(["pc"])
    stripped = fresh(portal)
    stripped.__code__ = strip_portal(analyse_portal(portal, resolve))
    Portal(portal)
    for function in (portal, stripped):
        assert function(True) == 1
        with pytest.raises(UnboundLocalError):
            function(False)
