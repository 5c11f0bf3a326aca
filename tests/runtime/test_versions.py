"""Loops entered with arguments that were not allocated: versions, unwinding, and what callers rely on."""

from __future__ import annotations

from typing import Any

import pytest

from metatracer import JitDriver, assert_green, parameters
from metatracer.ir.shapes import Known, Shape
from metatracer.runtime import summaries
from metatracer.runtime.host import PORTALS
from metatracer.runtime.loops import Version
from metatracer.runtime.versions import version_for
from metatracer.statistics import STATISTICS

EAGERLY = {"threshold": 2, "function_threshold": 2, "trace_eagerness": 2, "compile_level": 0}


class Frame:
    __slots__ = ("cells",)

    def __init__(self, size: int) -> None:
        self.cells: list[Any] = [0] * size


def machine() -> Any:
    """A portal with frames that its calls allocate, new for each test."""
    driver = JitDriver(greens=["pc", "code"], reds="auto", name="versions")
    heap = [0]

    @driver.portal
    def run(code: Any, frame: Frame) -> Any:
        pc = 0
        while True:
            driver.jit_merge_point(pc=pc, code=code)
            op, argument = code[pc]
            cells = frame.cells
            if op == "add":
                cells[0] += argument
            elif op == "count":
                cells[1] += 1
            elif op == "less":
                if cells[1] < argument:
                    pc = 0
                    driver.can_enter_jit(pc=pc, code=code)
                    continue
            elif op == "call":
                inner = Frame(2)
                inner.cells[0] = cells[0]
                cells[0] = run(argument, inner)
            elif op == "fib":
                if cells[0] >= 2:
                    left, right = Frame(2), Frame(2)
                    left.cells[0], right.cells[0] = cells[0] - 1, cells[0] - 2
                    cells[0] = run(code, left) + run(code, right)
            elif op == "heap":
                if cells[0] % 1000 >= argument:
                    heap[0] += 1
            elif op == "wrap":
                if cells[0] > argument:
                    assert_green(cells)
            else:
                return cells[0]
            pc += 1

    return run, heap


END = ("end", 0)


def start(run: Any, code: Any, value: int = 0) -> Any:
    frame = Frame(2)
    frame.cells[0] = value
    return run(code, frame)


def loops(run: Any) -> Any:
    return PORTALS[run].loops if run in PORTALS else next(p for p in PORTALS.values() if p.function is run).loops


@pytest.fixture(autouse=True)
def _eagerly() -> Any:
    with parameters(**EAGERLY):
        yield


def test_recursion_passes_frames_in_parts() -> None:
    run, _ = machine()
    code = (("fib", 0), END)
    for _ in range(6):
        assert start(run, code, 15) == 610
    (loop,) = [loop for loop in loops(run).values() if loop.versions]
    assert any(isinstance(version, Version) and version.piece is not None for version in loop.versions.values())


def test_loops_in_callees_are_entered_with_their_frames_in_parts() -> None:
    run, _ = machine()
    inner = (("add", 2), ("count", 0), ("less", 10), END)
    outer = (("call", inner), ("count", 0), ("less", 50), END)
    for _ in range(6):
        assert start(run, outer) == 1000
    compiled = [version for loop in loops(run).values() for version in loop.versions.values() if version.piece]
    assert compiled


def test_a_callee_that_comes_to_do_more_invalidates_its_callers() -> None:
    run, heap = machine()
    inner = (("add", 1), ("heap", 900), ("count", 0), ("less", 3), END)
    outer = (("call", inner), ("count", 0), ("less", 40), END)
    values = range(0, 900, 10)  # guards in front of a label get bridges late
    before = STATISTICS.invalidations
    results = [start(run, outer, value) for value in values]
    assert results == [value + 120 for value in values]
    assert heap[0] == sum(1 for value in values for n in range(1, 121) if (value + n) % 1000 >= 900)
    assert STATISTICS.invalidations > before


def test_reliances_end_with_the_code_that_has_them() -> None:
    run, _ = machine()
    inner = (("add", 2), ("count", 0), ("less", 10), END)
    outer = (("call", inner), ("count", 0), ("less", 50), END)
    for _ in range(6):
        start(run, outer)
    pieces = {id(item.piece) for items in summaries._relying.values() for item in items}
    relying = [loop.piece for loop in loops(run).values() if id(loop.piece) in pieces]
    assert relying
    for piece in relying:
        summaries.forget(piece)
    left = {id(item.piece) for items in summaries._relying.values() for item in items}
    assert not left & {id(piece) for piece in relying}


def test_callers_stop_unwinding_for_a_callee_that_always_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metatracer.runtime.driving._MOST_UNWOUND", 20)
    run, _ = machine()
    # Recordings of the branch that the second part takes are given up: the callee leaves its machine code each time.
    inner = (("add", 1), ("count", 0), ("less", 2), ("wrap", 5000), END)
    outer = (("call", inner), ("count", 0), ("less", 400), END)
    for _ in range(4):
        assert start(run, outer, 0) == 800
    assert all(loop.may_unwind for loop in loops(run).values())
    for _ in range(4):
        assert start(run, outer, 10_000) == 10_800
    assert [loop for loop in loops(run).values() if not loop.may_unwind]


def test_a_version_serves_values_of_several_classes() -> None:
    run, _ = machine()
    code = (("fib", 0), END)
    assert start(run, code, 15) == 610
    loop = next(loop for loop in loops(run).values() if loop.piece is not None)
    loop.versions.clear()

    def shape(cls: type | None) -> tuple[Shape, ...]:
        return (Shape("items", "r", Known(list), ((None, Shape("leaf", "r", cls and Known(cls))),), 0),)

    first, second = (version_for(loop, shape(cls)) for cls in (int, str))
    assert first is not None
    assert first.shapes == shape(int)
    assert second is not None
    assert second.shapes == shape(None)
    assert version_for(loop, shape(int)) is version_for(loop, shape(float)) is second
    assert list(loop.versions) == [shape(int), shape(None)]
