"""How long code lives that other code enters at its label."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from metatracer import JitDriver, parameters
from metatracer.runtime import hotness
from metatracer.runtime.host import PORTALS
from metatracer.runtime.loops import Piece, began, ended, hold, release, retire


class Code:
    def __init__(self) -> None:
        self.is_freed = False
        self.guards: dict[int, Any] = {}
        self.memory = None

    def free(self) -> None:
        self.is_freed = True


def piece() -> Piece:
    loop: Any = SimpleNamespace()
    code: Any = Code()
    trace: Any = SimpleNamespace(operations=[])
    return Piece(loop, code, trace, None, 1)


def test_code_that_is_held_is_freed_after_its_holder() -> None:
    target, bridge = piece(), piece()
    assert hold(target)
    bridge.entered.append(target)
    retire(target)
    assert not target.code.is_freed
    retire(bridge)
    assert bridge.code.is_freed
    assert target.code.is_freed


def test_code_is_kept_for_each_holder() -> None:
    target = piece()
    assert hold(target)
    assert hold(target)
    retire(target)
    release(target)
    assert not target.code.is_freed
    release(target)
    assert target.code.is_freed


def test_retired_code_cannot_be_held() -> None:
    target = piece()
    retire(target)
    assert not hold(target)
    held = piece()
    assert hold(held)
    release(held)
    assert not held.code.is_freed


def test_what_two_threads_find_due_is_retired_once() -> None:
    caller, callee = piece(), piece()
    callee.loop.incoming = 2
    caller.targets = [callee.loop]
    began_before = began()  # so that nothing is freed yet
    retire(caller)
    retire(caller)
    ended(began_before)
    assert caller.code.is_freed
    assert callee.loop.incoming == 1


def test_code_that_enters_an_invalidated_loop_is_invalidated_too() -> None:
    """Else it would leave there each time, for the loop gets other code elsewhere."""
    driver = JitDriver(greens=["pc", "code"], reds="auto", name="nested")

    @driver.portal
    def run(code: Any, times: int) -> int:
        pc = outer = inner = total = 0
        while True:
            driver.jit_merge_point(pc=pc, code=code)
            op = code[pc]
            if op == "start":
                inner = 0
            elif op == "inner":
                inner += 1
                total += inner
                if inner < 10:
                    driver.can_enter_jit(pc=pc, code=code)
                    continue
            elif op == "outer":
                outer += 1
                if outer < times:
                    pc = 0
                    driver.can_enter_jit(pc=pc, code=code)
                    continue
            else:
                return total
            pc += 1

    code = ("start", "inner", "outer", "end")
    with parameters(threshold=2, function_threshold=2, trace_eagerness=2, compile_level=0):
        assert [run(code, 40) for _ in range(6)] == [2200] * 6
        (portal,) = [portal for portal in PORTALS.values() if portal.driver is driver]
        roots = [loop.piece for loop in portal.loops.values() if loop.piece is not None]
        root, enterer = next((root, enterer) for root in roots for enterer in root.enterers)
        root.invalidate("a test")
        assert enterer.reason == f"it goes to {root.code.name}, which was invalidated"
        assert [run(code, 40) for _ in range(6)] == [2200] * 6


def test_a_callee_that_only_machine_code_calls_gets_code_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time it takes in the interpreter counts, though no marker is met on the way in."""
    monkeypatch.setattr(hotness, "GRACE", 1e9)
    driver = JitDriver(greens=["pc"], reds="auto", name="callee")

    @driver.portal
    def run(pc: int, times: int) -> int:
        total = 0
        while True:
            driver.jit_merge_point(pc=pc)
            if pc:
                return times + pc
            total += run(1, times)
            times -= 1
            if not times:
                return total
            driver.can_enter_jit(pc=pc)

    with parameters(threshold=2, payback=1e-9, compile_level=0):
        portal = next(portal for portal in PORTALS.values() if portal.driver is driver)
        callee = portal.loop_of(portal.key((1,)), (1,))
        callee.may_inline = False
        callee.waited_for = 100  # by the caller's recording, which now has it called through a stub
        assert run(0, 50) == 50 * 51 // 2 + 50
        assert callee.piece is None
        callee.spent = 0.0
        assert run(0, 1000) == 1000 * 1001 // 2 + 1000
        assert callee.piece is not None
