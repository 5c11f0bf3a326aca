"""The drive loop over real machine code: in, out, on in twins, in again; what hooks hear; what is thrown away."""

from __future__ import annotations

import sys
import traceback
from collections import Counter

import pytest

from metatracer import JitDriver, hooks, parameters, unroll_safe
from metatracer.backend.layout import write_word
from metatracer.runtime import driving
from metatracer.runtime.host import PORTALS
from metatracer.runtime.loops import GUARDS, retire
from metatracer.statistics import STATISTICS

EAGERLY = {"threshold": 2, "function_threshold": 2, "trace_eagerness": 2, "compile_level": 0}


def machine(name="machine", **options):
    """A portal for programs of (operation, argument) pairs, new for each test."""
    driver = JitDriver(greens=["pc", "code"], reds=["stack"], name=name, **options)

    @driver.portal
    def run(code, stack):
        pc = 0
        while True:
            driver.jit_merge_point(pc=pc, code=code, stack=stack)
            op, argument = code[pc]
            pc += 1
            if op == "add":
                stack[-1] += argument
            elif op == "odd":
                if stack[-1] & 1:
                    pc = argument
            elif op == "less":
                if stack[-1] < argument:
                    pc = 0
                    driver.can_enter_jit(pc=pc, code=code, stack=stack)
            elif op == "apply":
                stack[-1] = argument(stack[-1])
            elif op == "run":
                stack[-1] = run(argument, [stack[-1]])
            elif op == "recurse":
                if stack[-1] > 0:
                    stack[-1] = run(code, [stack[-1] - argument]) + 1
            else:
                return stack.pop()

    return run


END = ("end", 0)
COUNT = (("add", 1), ("less", 1000), END)


@pytest.fixture(autouse=True)
def _eagerly():
    with parameters(**EAGERLY):
        yield


@pytest.fixture
def counted():
    """How much each counter has grown, by name."""
    before = STATISTICS.as_dict()

    class Grown:
        def __getattr__(self, name):
            return STATISTICS.as_dict()[name] - before[name]

        @property
        def aborts(self):
            return Counter(STATISTICS.aborts) - Counter(before["aborts"])

    return Grown()


@pytest.fixture
def events():
    """The events of all hooks, as (kind, event)."""
    heard = []
    functions = []
    for kind in hooks.registered:
        register = getattr(hooks, f"on_{kind}")
        functions.append(register(lambda event, kind=kind: heard.append((kind, event))))
    yield heard
    for function in functions:
        assert hooks.unregister(function)


def loops_of(run):
    return list(PORTALS[run.__code__].loops.values())


def test_a_hot_loop_runs_as_machine_code(counted, events):
    run = machine()
    assert run(COUNT, [0]) == 1000
    assert counted.loops_compiled == 1
    assert 1 <= counted.loop_entries <= 5
    kinds = [kind for kind, _ in events]
    assert kinds[0] == "compile"
    event = events[0][1]
    assert (event.driver, event.greens) == ("machine", (0, COUNT))
    assert event.filename == __file__
    assert event.operations > 0
    assert event.machine_code_bytes > 0
    assert event.guard is None


def test_a_call_that_was_inlined_and_goes_round_is_called_from_there(counted):
    """A bridge that begins inside of it has no other beginning."""
    walk_driver = JitDriver(greens=[], name="walk")
    outer = machine()

    @walk_driver.portal
    def walk(number):
        while number > 0:
            walk_driver.jit_merge_point()
            number -= 1
        return number

    rounds = [1] * 500 + [30] * 500
    code = (("apply", lambda value: value + 1 + walk(rounds[value])), ("less", 1000), END)
    assert outer(code, [0]) == 1000
    outer(code, [0])
    before = counted.guard_exits
    assert outer(code, [0]) == 1000
    assert counted.guard_exits - before < 10


def test_portals_with_equal_greens_are_told_apart():
    driver = JitDriver(greens=[], name="both")

    @driver.portal
    def inner(left, total):
        while left > 0:
            driver.jit_merge_point()
            left -= 1
            total += 2
        return total

    @driver.portal
    def outer(left, total):
        while left > 0:
            driver.jit_merge_point()
            left -= 1
            total = inner(5, total)
        return total

    for _ in range(5):
        assert outer(100, 1) == 1001


class Link:
    __slots__ = ("following", "number")

    def __init__(self, number, following):
        self.number = number
        self.following = following


def test_a_portal_gives_a_traced_caller_a_long_list():
    list_driver = JitDriver(greens=[], name="list")
    outer = machine()

    @list_driver.portal
    def linked(number):
        link = None
        while number > 0:
            list_driver.jit_merge_point()
            link = Link(number, link)
            number -= 1
        link.following.following.following = link  # circular, too
        return link

    code = (("apply", lambda value: value + linked(3000).number), ("less", 30), END)
    assert outer(code, [0]) == 30


def test_later_calls_enter_what_is_there(counted):
    run = machine()
    assert [run(COUNT, [0]) for _ in range(5)] == [1000] * 5
    assert counted.loop_entries >= 5
    assert counted.recordings_started <= 4


def test_code_that_goes_while_it_is_entered_is_not_missed(monkeypatch):
    driver = JitDriver(greens=["step"], reds=["left"], name="going")

    @driver.portal
    def run(left):
        step = 2
        while left > 0:
            driver.jit_merge_point(step=step, left=left)
            left -= step
            driver.can_enter_jit(step=step, left=left)
        return left

    with parameters(threshold=3, function_threshold=3, replace="off"):
        for _ in range(50):
            run(41)
        (loop,) = [loop for loop in loops_of(run) if loop.piece is not None]
        began = driving.began

        def begin():
            if loop.piece is not None:  # as another thread may do just then
                piece, loop.piece = loop.piece, None
                loop.ref.label = None
                retire(piece)
            return began()

        monkeypatch.setattr(driving, "began", begin)
        assert run(41) == -1
        monkeypatch.undo()
        assert run(41) == -1


def test_guards_that_fail_often_get_a_bridge(counted, events):
    run = machine()
    code = (("add", 1), ("odd", 3), ("add", 2), ("less", 1000), END)
    expected = 0
    while expected < 1000:
        expected += 1
        if not expected & 1:
            expected += 2
    assert run(code, [0]) == expected
    bridges = [event for kind, event in events if kind == "bridge"]
    failures = [event for kind, event in events if kind == "guard_failure"]
    assert counted.bridges_compiled == len(bridges) >= 1
    assert {event.guard for event in bridges} <= {event.guard for event in failures}
    assert counted.guard_exits == len(failures) < 100
    assert sum(loop.record.bridges for loop in loops_of(run)) == len(bridges)


def test_no_bridges_beyond_the_limit(counted):
    run = machine()
    code = (("add", 1), ("odd", 3), ("add", 2), ("less", 1000), END)
    with parameters(bridge_limit=0):
        run(code, [0])
    assert counted.bridges_compiled == 0
    assert counted.guard_exits > 100


def test_exceptions_leave_with_the_authors_lines_only():
    run = machine()

    def fail_late(value):
        if value > 500:
            raise LookupError(value)
        return value

    code = (("add", 1), ("apply", fail_late), ("less", 1000), END)
    with pytest.raises(LookupError, match="501") as caught:
        run(code, [0])
    names = [entry.name for entry in traceback.extract_tb(caught.value.__traceback__)]
    assert names[-2:] == ["run", "fail_late"]
    assert not [entry for entry in traceback.extract_tb(caught.value.__traceback__) if "metatracer/" in entry.filename]
    assert sys.exception() is None
    assert run(COUNT, [0]) == 1000


def test_portals_made_by_one_function_are_different():
    first, second = machine("first"), machine("second")
    assert first(COUNT, [0]) == second(COUNT, [0]) == 1000
    for run, name in ((first, "first"), (second, "second")):
        assert [loop.record.driver for loop in loops_of(run)] == [name]
        assert loops_of(run)[0].record.entries >= 1

    def make(scale):
        driver = JitDriver(greens=["n"], reds="auto", name=f"by {scale}")

        @driver.portal
        def total(n):
            found = i = 0
            while i < n:
                driver.jit_merge_point(n=n)
                found += scale if i & 1 else -1
                i += 1
            return found

        return total

    by_ten, by_thousand = make(10), make(1000)
    for _ in range(3):
        assert (by_ten(100), by_thousand(100)) == (450, 49950)


def test_requests_inside_twins_do_not_nest_frames(counted):
    """Thousands of exits and entries in one call of the portal: neither stack grows."""
    run = machine()
    depths = set()

    def depth(value):
        frame, count = sys._getframe(), 0
        while frame is not None:
            frame, count = frame.f_back, count + 1
        depths.add(count)
        return value

    depth.__dict__["_jit_look_inside_"] = False
    code = (("add", 1), ("odd", 3), ("apply", depth), ("less", 4000), END)
    with parameters(bridge_limit=0):
        assert run(code, [0]) == 4000
    assert counted.guard_exits > 1000
    assert max(depths) - min(depths) <= 30  # the recorder has frames of its own


def test_portals_called_by_portals(counted):
    run = machine()
    inner = (("add", 1), ("odd", 0), END)
    outer = (("run", inner), ("less", 500), END)
    assert run(outer, [0]) == 500
    assert counted.loops_compiled >= 1
    assert not counted.aborts["INTERNAL_ERROR"]
    assert not counted.aborts["COMPILE_FAILED"]


def test_recursion_through_portals():
    run = machine()
    code = (("recurse", 1), END)
    assert [run(code, [n]) for n in range(60)] == list(range(60))


def test_a_broken_assumption_throws_the_code_away_and_it_is_made_again(counted, events):
    global _scale
    _scale = 1

    def scaled(value):
        return value + _scale

    run = machine()
    code = (("apply", scaled), ("less", 1000), END)
    assert run(code, [0]) == 1000
    _scale = 3
    assert run(code, [0]) == 1002
    assert run(code, [0]) == 1002
    invalidated = [event for kind, event in events if kind == "invalidate"]
    assert len(invalidated) == counted.invalidations >= 1
    assert "_scale" in invalidated[0].assumption
    assert len([kind for kind, _ in events if kind == "compile"]) >= 2
    assert counted.retired_codes_freed >= 1
    _scale = 1


def test_code_that_changes_its_own_assumption_leaves_at_once():
    global _flag
    _flag = 0

    def set_flag(value):
        global _flag
        if value == 300:
            _flag = 1
        return value

    set_flag.__dict__["_jit_look_inside_"] = False

    def read_flag(value):
        return value + 1 + _flag

    run = machine()
    code = (("apply", set_flag), ("apply", read_flag), ("less", 1000), END)
    assert run(code, [0]) == 1000
    assert _flag == 1


def test_aborts_make_the_next_attempt_wait_longer(counted, events):
    @unroll_safe  # else the loop gets a trace of its own after the first abort
    def long(value):
        total = 0
        for i in range(2000):
            total += i * value
        return value + 1

    run = machine()
    with parameters(trace_limit=50, backoff_factor=4, max_unroll_loops=5000):
        assert run((("apply", long), ("less", 100), END), [0]) == 100
    aborts = [event for kind, event in events if kind == "abort"]
    assert len(aborts) == counted.aborts["TRACE_TOO_LONG"]
    assert 1 <= len(aborts) <= 5
    assert aborts[0].reason == "TRACE_TOO_LONG"
    assert aborts[0].filename == __file__
    assert max(loop.wait for loop in loops_of(run)) == 4.0 ** len(aborts)
    assert loops_of(run)[0].record.aborts[0].reason == "TRACE_TOO_LONG"


def test_waiting_has_a_limit():
    run = machine()

    def reader(value):
        return value + len(locals())

    with parameters(backoff_factor=10, backoff_limit=20):
        run((("apply", reader), ("less", 2000), END), [0])
    assert max(loop.wait for loop in loops_of(run)) <= 20


def test_loops_may_be_refused(counted):
    asked = []
    run = machine(confirm_enter_jit=lambda pc, code, stack: asked.append((pc, stack[:])) or False)
    assert run(COUNT, [0]) == 1000
    assert asked
    assert counted.loops_compiled == 0
    assert {loop.record.status for loop in loops_of(run)} >= {"refused"}


def test_switched_off_nothing_is_recorded(counted):
    run = machine()
    with parameters(enable=False):
        assert run(COUNT, [0]) == 1000
    assert counted.recordings_started == 0
    assert run(COUNT, [0]) == 1000
    assert counted.loops_compiled == 1


def test_failing_hooks_are_counted_and_the_guest_goes_on(counted, capsys):
    @hooks.on_compile
    def broken(event):
        raise ValueError("hook")

    try:
        assert machine()(COUNT, [0]) == 1000
    finally:
        hooks.unregister(broken)
    assert counted.hook_errors == 1
    assert "ValueError: hook" in capsys.readouterr().err


def test_guards_of_freed_code_are_forgotten(counted):
    class Scaled:
        step = 1

        def bump(self, value):
            return value + self.step

    run = machine()
    scaled = Scaled()
    code = (("apply", lambda value: scaled.bump(value)), ("less", 400), END)
    for Scaled.step in range(1, 12):
        run(code, [0])
    assert counted.invalidations >= 1
    assert counted.retired_codes_freed >= 1
    live = {id(state.piece) for state in GUARDS.values() if state.piece.loop.portal.function is run}
    assert len(live) <= 3


def test_every_value_of_the_guest_is_let_go():
    run = machine()
    token = object()
    before = sys.getrefcount(token)

    def keep(value):
        held = [token, value]
        return len(held) - 1 + value

    code = (("apply", keep), ("less", 500), END)
    for _ in range(3):
        assert run(code, [0]) == 500
    assert sys.getrefcount(token) - before <= 1  # the closure of `keep`


def test_calls_on_heap_frames_are_no_loops():
    """A portal that runs its callees itself passes their merge points twice in an iteration; the loop closes all the same."""
    from tests.scenarios.programs import heap_frames

    before = STATISTICS.recorded_operations
    aborted = Counter(STATISTICS.aborts)
    for _ in range(4):
        assert heap_frames.run(heap_frames.Frame(heap_frames.LOOP, None, 0, heap_frames.NESTED)) == 402
    assert before < STATISTICS.recorded_operations < before + 2000
    assert not Counter(STATISTICS.aborts) - aborted


def test_code_whose_polled_words_are_never_as_expected_is_made_anew(monkeypatch):
    monkeypatch.setattr(driving, "_MOST_RECHECKS", 100)
    run = machine()
    program = (("add", 1), ("less", 1000), END)
    run(program, [0])
    loop = next(loop for loop in loops_of(run) if loop.piece is not None)
    first = loop.piece
    write_word(first.code.memory.flag_address, 1)  # as if a word had changed that nothing brings up to date
    assert run(program, [0]) == 1000
    assert loop.piece is not first
    assert not loop.piece.reason
    exits = STATISTICS.guard_exits
    assert run(program, [0]) == 1000
    assert STATISTICS.guard_exits < exits + 100
