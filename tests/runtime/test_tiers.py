"""Hot trees: when they are compiled as one function, what runs then, when they are dropped again, and the thread."""

from __future__ import annotations

import sys
import threading
import time
import warnings

import pytest

from metatracer import JitDriver, parameters, platforms
from metatracer.backend.layout import read_word
from metatracer.platforms import UntracedWarning
from metatracer.runtime import compiling, tiers
from metatracer.runtime.host import PORTALS
from metatracer.statistics import STATISTICS
from tests.scenarios.scripts import run_script

EAGERLY = {
    "threshold": 2, "function_threshold": 2, "trace_eagerness": 2, "compile_level": 0, "tier2_threshold": 20,
    "tier2_level": 0, "background": False, "replace": "off",
}  # fmt: skip


class Step:
    """What the guest adds: a class attribute, which traces take for granted."""

    size = 1


def stepping():
    """A portal for a guest loop with two ways, new for each test; gives (rounds by the odd way, sum)."""
    driver = JitDriver(greens=["pc"], reds=["left", "odd", "total"], name="stepping")

    @driver.portal
    def run(left):
        pc = odd = total = 0
        while left > 0:
            driver.jit_merge_point(pc=pc, left=left, odd=odd, total=total)
            left -= 1
            if left & 1:
                odd += Step.size
                total += left
            else:
                total += Step.size
            driver.can_enter_jit(pc=pc, left=left, odd=odd, total=total)
        return odd, total

    return run


def expected(left):
    return left // 2, sum(n for n in range(left) if n & 1) + (left + 1) // 2


@pytest.fixture(autouse=True)
def _eagerly():
    with parameters(**EAGERLY):
        yield


@pytest.fixture
def trees():
    """How many trees were compiled since."""
    before = STATISTICS.trees_compiled
    return lambda: STATISTICS.trees_compiled - before


def only_root(run):
    (root,) = [loop.piece for loop in PORTALS[run.__code__].loops.values() if loop.piece is not None]
    return root


def test_a_hot_loop_becomes_a_tree_with_its_bridge(trees) -> None:
    run = stepping()
    assert run(1000) == expected(1000)
    root = only_root(run)
    assert trees() >= 1
    assert root.tree is not None
    assert [piece.parent.piece for piece in root.tree.bridges] == [root]
    assert read_word(root.loop.ref.cell) == root.tree.code.address
    assert run(1001) == expected(1001)


def test_a_loop_that_does_not_stay_hot_becomes_none(trees) -> None:
    run = stepping()
    with parameters(tier2_threshold=5000):
        run(1000)
    assert trees() == 0


def test_without_a_threshold_nothing_is_counted(trees) -> None:
    run = stepping()
    with parameters(tier2_threshold=0):
        assert run(3000) == expected(3000)
    assert trees() == 0
    assert only_root(run).code.runs == 0


def test_an_invalidated_tree_is_left_and_another_one_made(trees) -> None:
    run = stepping()
    run(1000)
    first = only_root(run)
    tree = first.tree
    Step.size = 2
    try:
        odd, total = expected(1000)
        assert run(1000) == (2 * odd, total + 500)
    finally:
        Step.size = 1
    assert run(1000) == expected(1000)
    assert first.reason
    assert first.code.is_freed
    assert tree.code.is_freed
    assert trees() >= 2


def test_a_tree_is_dropped_with_one_of_its_bridges(trees) -> None:
    run = stepping()
    run(1000)
    root = only_root(run)
    tree = root.tree
    tree.bridges[0].invalidate("the test says so")
    assert root.tree is None
    assert tree.code.is_freed
    assert read_word(root.loop.ref.cell) == root.code.address
    assert run(1000) == expected(1000)
    assert root.tree is not None
    assert run(999) == expected(999)


def test_a_way_that_comes_later_does_not_seem_more_frequent_than_the_root(trees, monkeypatch) -> None:
    """The first tree is the root alone, whose passes are not counted from then on."""
    counts = []
    emit_tree = tiers.emit_tree

    def noting(root, **how):
        counts.append((root.count, [branch.count for branch in root.branches.values()]))
        return emit_tree(root, **how)

    monkeypatch.setattr(tiers, "emit_tree", noting)
    driver = JitDriver(greens=["pc"], reds=["left", "total", "marks"], name="seldom")

    @driver.portal
    def run(marks, total):
        pc = 0
        left = len(marks)
        while left > 0:
            driver.jit_merge_point(pc=pc, left=left, total=total, marks=marks)
            left -= 1
            if marks[left]:
                total -= left
            else:
                total += Step.size
            driver.can_enter_jit(pc=pc, left=left, total=total, marks=marks)
        return total

    marks = bytes([n % 16 == 0 and n < 19_000 for n in range(20_000)])
    with parameters(tier2_threshold=400):
        assert run(marks, 0) == sum(-n if mark else 1 for n, mark in enumerate(marks))
    assert trees() == len(counts) == 2
    assert counts[0] == (400, [])
    root, (bridge,) = counts[1]
    assert bridge == 800
    assert root == tiers.USUAL * bridge


def choosing():
    """A portal without a loop, new for each test: it is called, takes one of two ways, and returns."""
    driver = JitDriver(greens=["pc"], reds=["number"], name="choosing")

    @driver.portal
    def run(number):
        pc = 0
        while True:
            driver.jit_merge_point(pc=pc, number=number)
            if number & 1:
                return 3 * number + Step.size
            return number // 2

    return run


def test_a_function_and_its_bridge_are_compiled_once_more_when_they_stay_hot(trees) -> None:
    run = choosing()
    before = STATISTICS.traces_compiled_again
    with parameters(compile_level=1):
        for number in range(200):
            assert run(number) == (3 * number + 1 if number & 1 else number // 2)
    root = only_root(run)
    (bridge,) = [guard.bridge for guard in root.guards.values() if guard.bridge is not None]
    assert [piece.code.level for piece in (root, bridge)] == [0, 0]
    assert [piece.tree.code.level for piece in (root, bridge)] == [1, 1]
    assert read_word(root.loop.ref.cell) == root.tree.code.address
    assert STATISTICS.traces_compiled_again == before + 2
    assert trees() == 0


def test_an_invalidated_bridge_takes_its_second_code_along() -> None:
    run = choosing()
    with parameters(compile_level=1):
        for number in range(200):
            run(number)
    pieces = [guard.bridge for guard in only_root(run).guards.values() if guard.bridge is not None]
    (bridge,) = pieces
    code = bridge.tree.code
    bridge.invalidate("the test says so")
    assert code.is_freed
    assert [run(number) for number in (6, 7)] == [3, 22]


def test_a_function_that_calls_itself_is_compiled_quickly_and_then_well(trees) -> None:
    driver = JitDriver(greens=["pc"], reds=["number"], name="calling")

    @driver.portal
    def count(number):
        pc = 0
        while True:
            driver.jit_merge_point(pc=pc, number=number)
            if number == 0:
                return 0
            return 1 + count(number - 1)

    with parameters(compile_level=1, max_unroll_recursion=1):
        for _ in range(60):
            assert count(20) == 20
    calling = [piece for piece in pieces_of(count) if any("call" in op.opcode.name for op in piece.trace.operations)]
    assert calling
    for piece in calling:
        assert piece.code.level == 0
        assert piece.tree.code.level == 1


def pieces_of(run):
    """All code of a portal's loops."""
    waiting = [loop.piece for loop in PORTALS[run.__code__].loops.values() if loop.piece is not None]
    found = []
    while waiting:
        found.append(waiting.pop())
        waiting += [guard.bridge for guard in found[-1].guards.values() if guard.bridge is not None]
    return found


def test_the_background_thread_compiles_while_the_guest_runs(trees) -> None:
    run = stepping()
    with parameters(background=True):
        assert run(1000) == expected(1000)
        tiers.wait_for_trees()
        assert trees() == 1
        assert only_root(run).tree is not None
        assert run(1000) == expected(1000)


def test_a_loop_that_never_ends_on_its_own_gets_its_tree(trees) -> None:
    driver = JitDriver(greens=["pc"], reds=["stop"], name="endless")

    @driver.portal
    def run(stop):
        pc = 0
        while not stop:
            driver.jit_merge_point(pc=pc, stop=stop)
            driver.can_enter_jit(pc=pc, stop=stop)

    stop: list[bool] = []
    with parameters(background=True):
        guest = threading.Thread(target=run, args=(stop,))
        guest.start()
        end = time.monotonic() + 60
        while not trees() and time.monotonic() < end:
            time.sleep(0.01)
        stop.append(True)
        guest.join()
    assert trees() >= 1


def test_the_thread_is_not_seen_by_the_guest() -> None:
    run = stepping()
    with parameters(background=True):
        before = threading.enumerate()
        run(1000)
        assert threading.enumerate() == before
        tiers.wait_for_trees()


def test_a_bridge_that_goes_while_its_tree_is_compiled_keeps_it_out(monkeypatch, trees) -> None:
    run = stepping()
    waiting = []
    monkeypatch.setattr(tiers, "_start", waiting.append)
    with parameters(background=True):
        run(1000)
        root = only_root(run)
        (job,) = waiting
        job.bridges[0].invalidate("the test says so")
        tiers._compile(job)
        tiers.put_in_place()
    assert job.code.is_freed
    assert root.tree is None
    assert trees() == 0
    monkeypatch.undo()
    assert run(1000) == expected(1000)


def test_a_root_that_goes_while_its_tree_is_compiled_keeps_it_out(monkeypatch, trees) -> None:
    run = stepping()
    waiting = []
    monkeypatch.setattr(tiers, "_start", waiting.append)
    with parameters(background=True):
        run(1000)
        (job,) = waiting
        job.root.invalidate("the test says so")
        tiers._compile(job)
        tiers.put_in_place()
    assert job.code.is_freed
    assert trees() == 0
    monkeypatch.undo()
    assert run(1000) == expected(1000)


def refuse(*args, **how):
    raise RuntimeError("no")


def test_a_mistake_of_the_toolkit_is_told_once(monkeypatch) -> None:
    run = stepping()
    monkeypatch.setattr(compiling, "compile_trace", refuse)
    monkeypatch.setattr(platforms, "_told_of_mistake", False)
    with pytest.warns(UntracedWarning, match="the recorded trace could not be compiled") as told:
        results = [run(1000), run(1000)]
    assert results == [expected(1000)] * 2
    assert len(told) == 1


def test_where_warnings_are_errors_a_mistake_is_no_error_of_the_guest(monkeypatch) -> None:
    run = stepping()
    monkeypatch.setattr(compiling, "compile_trace", refuse)
    monkeypatch.setattr(platforms, "_told_of_mistake", False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run(1000) == expected(1000)


def test_what_llvm_refuses_is_an_abort(monkeypatch, trees) -> None:
    run = stepping()
    monkeypatch.setattr(tiers, "link_tree", refuse)
    before = STATISTICS.aborts.get("COMPILE_FAILED", 0)
    assert run(1000) == expected(1000)
    assert trees() == 0
    assert STATISTICS.aborts["COMPILE_FAILED"] > before


_SCRIPT = """
import json, os, sys, threading
import metatracer
from tests.runtime.test_tiers import stepping, expected
from metatracer.runtime import tiers
metatracer.set_param(None, "tier2_level", 2)
run = stepping()
"""
SETTING = "threshold=2,function_threshold=2,trace_eagerness=2,compile_level=0,tier2_threshold=20,replace=off"


def test_the_process_may_end_while_a_tree_is_compiled() -> None:
    assert run_script(_SCRIPT + "result = run(500)\nprint(json.dumps(tiers._Worker.is_running))", SETTING) in (True, False)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="3.12 warns of forks in processes with threads")
def test_a_child_process_has_its_own_thread() -> None:
    text = """
run(500)
child = os.fork()
if not child:
    again = stepping()
    good = again(1000) == expected(1000)
    tiers.wait_for_trees()
    os._exit(0 if good and again(1000) == expected(1000) else 1)
print(json.dumps(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))
"""
    assert run_script(_SCRIPT + text, SETTING) == 0


def test_threads_share_trees() -> None:
    text = """
results = []
def work():
    for n in range(900, 940):
        results.append(run(n) == expected(n))
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
tiers.wait_for_trees()
for _ in range(10):  # the threads may have put other roots or bridges in place of those whose trees were being compiled
    run(1000)
    tiers.wait_for_trees()
print(json.dumps([len(results), all(results), metatracer.statistics_snapshot()["trees_compiled"] > 0]))
"""
    assert run_script(_SCRIPT + text, SETTING) == [160, True, True]
