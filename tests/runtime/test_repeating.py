"""Roots whose iteration cannot be gone again with what it leaves behind: others are tried first."""

from __future__ import annotations

from typing import Any

import pytest

from metatracer import JitDriver, parameters, promote
from metatracer.errors import AbortReason
from metatracer.ir.opcodes import LABEL
from metatracer.runtime import driving
from metatracer.runtime.host import PORTALS
from metatracer.statistics import STATISTICS


class Step:
    """What a continuation does next."""

    _immutable_fields_ = ("name", "next")

    def __init__(self, name: str) -> None:
        self.name = name


def machine(following: dict[str, str]) -> Any:
    """A guest loop that keeps what it does next in a tuple; `following` says which step a step leaves behind."""
    driver = JitDriver(greens=[], reds="auto", name="steps")
    steps = {name: Step(name) for name in following}
    for step in steps.values():
        step.next = steps[following[step.name]]

    @driver.portal
    def run(name: str, n: int) -> int:
        continuation = (steps[name], 0)
        while n > 0:
            driver.jit_merge_point()
            step, total = continuation
            step = promote(step)
            n -= 1
            continuation = (step.next, total + len(step.name))
        return continuation[1]

    return run


@pytest.mark.parametrize(
    ("following", "missed"), [({"a": "a"}, 0), ({"a": "bb", "bb": "a"}, 4), ({"a": "bb", "bb": "bb"}, 1)]
)
def test_an_iteration_that_leaves_another_state_is_not_the_first_root(following: dict[str, str], missed: int) -> None:
    run = machine(following)
    name, before = "a", STATISTICS.aborts.get(AbortReason.NOT_REPEATED.name, 0)
    expected, total = name, 0
    for _ in range(500):
        total += len(expected)
        expected = following[expected]
    with parameters(threshold=1 if missed == 1 else 7, function_threshold=10_000, trace_eagerness=5):
        assert run(name, 500) == total
    assert STATISTICS.aborts.get(AbortReason.NOT_REPEATED.name, 0) == before + missed
    (loop,) = [loop for loop in PORTALS[run.__code__].loops.values() if loop.piece is not None]
    is_simple = loop.piece.trace.operations[0].opcode is LABEL
    assert is_simple == (missed == 4)


def test_without_peeling_no_other_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METATRACER_OPT", "-peel")
    before = STATISTICS.aborts.get(AbortReason.NOT_REPEATED.name, 0)
    run = machine({"a": "a"})
    with parameters(threshold=7, function_threshold=10_000):
        assert run("a", 500) == 500
    assert STATISTICS.aborts.get(AbortReason.NOT_REPEATED.name, 0) == before
    assert any(loop.piece is not None for loop in PORTALS[run.__code__].loops.values())


def test_no_other_is_tried_beside_a_long_iteration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driving, "_MOST_UNREPEATED", 8)
    before = STATISTICS.aborts.get(AbortReason.NOT_REPEATED.name, 0)
    run = machine({"a": "bb", "bb": "a"})
    with parameters(threshold=7, function_threshold=10_000):
        assert run("a", 500) == 750
    assert STATISTICS.aborts.get(AbortReason.NOT_REPEATED.name, 0) == before
    assert any(loop.piece is not None for loop in PORTALS[run.__code__].loops.values())


def nested():
    """A loop in a loop, ten times each time."""
    driver = JitDriver(greens=["pc"], reds="auto", name="nested")

    @driver.portal
    def run(outer):
        pc = total = i = j = 0
        while True:
            driver.jit_merge_point(pc=pc)
            if pc == 0:
                if i == outer:
                    return total
                i += 1
                j = 0
                pc = 1
            elif pc == 1:
                total += j
                j += 1
                if j < 10:
                    driver.can_enter_jit(pc=pc)
                else:
                    pc = 2
            else:
                pc = 0
                driver.can_enter_jit(pc=pc)

    return run


@pytest.mark.parametrize("threshold", range(17, 28))
def test_an_iteration_that_goes_round_the_outer_loop_is_no_loops_first_root(threshold: int) -> None:
    run = nested()
    before = STATISTICS.aborts.get(AbortReason.LEFT_LOOP.name, 0)
    with parameters(threshold=threshold, function_threshold=10**6, trace_eagerness=10**6):
        assert run(100) == 4500
    (inner,) = [loop for loop in PORTALS[run.__code__].loops.values() if loop.greens == (1,)]
    recorded, _ = inner.recorded
    assert [op.opcode.name for op in recorded.operations].count("merge_point") <= 1  # its own
    assert STATISTICS.aborts.get(AbortReason.LEFT_LOOP.name, 0) - before == (threshold % 9 == 0)
