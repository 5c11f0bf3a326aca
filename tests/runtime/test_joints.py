"""Where the ways of a tree meet again: bridges that end at a common copy of what comes then."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from examples.registervm.__main__ import prepare
from examples.registervm.vm import load, run_program
from examples.registervm.vm import run as run_registers
from metatracer import JitDriver, parameters
from metatracer.errors import AbortReason
from metatracer.runtime.host import PORTALS
from metatracer.runtime.joints import behind
from metatracer.runtime.loops import tree_of
from metatracer.statistics import STATISTICS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metatracer.runtime.loops import Piece

ROOT = Path(__file__).parents[2]

WAYS = 9
"""Branches that do not depend on each other, in each iteration: 2 ** 9 ways."""


class Machine:
    """A guest of conditional additions, one after the other, in a loop."""

    def __init__(self) -> None:
        self.driver = driver = JitDriver(greens=["pc"], reds=["frame", "bits", "total"], name="ways")

        @driver.portal
        def run(frame, bits):
            pc = total = 0
            while True:
                driver.jit_merge_point(pc=pc, frame=frame, bits=bits, total=total)
                if pc == WAYS:
                    frame.left -= 1
                    if frame.left == 0:
                        return total
                    bits = frame.bits[frame.left]
                    pc = 0
                    driver.can_enter_jit(pc=pc, frame=frame, bits=bits, total=total)
                    continue
                if bits & (1 << pc):
                    total += pc + 1
                    total ^= 3
                else:
                    total -= frame.step
                    total ^= 5
                pc += 1

        self.run = run

    def loops(self):
        return PORTALS[self.run.__code__].loops


class Frame:
    def __init__(self, bits: list[int], step: int) -> None:
        self.bits = bits
        self.left = len(bits)
        self.step = step


def expected(bits: list[int], step: int) -> int:
    total = 0
    for word in [0, *reversed(bits[1:])]:
        for place in range(WAYS):
            total = (total + place + 1) ^ 3 if word & (1 << place) else (total - step) ^ 5
    return total


def work(limit: int) -> tuple[Machine, int]:
    """A machine that has gone all ways often, and how many operations it has recorded."""
    machine = Machine()
    source = random.Random(7)
    before = STATISTICS.recorded_operations
    with parameters(threshold=20, function_threshold=1000, trace_eagerness=3, compile_level=0, tail_limit=limit):
        for _ in range(12):
            bits = [source.getrandbits(WAYS) for _ in range(400)]
            assert machine.run(Frame(bits, 2), 0) == expected(bits, 2)
    return machine, STATISTICS.recorded_operations - before


def test_branches_that_do_not_depend_on_each_other_do_not_multiply() -> None:
    machine, joined = work(8)
    _, repeated = work(100_000)
    assert joined * 4 < repeated
    joints = [loop for loop in machine.loops().values() if loop.ref.is_joint]
    assert joints
    assert all(loop.piece is not None for loop in joints)
    assert STATISTICS.aborts[AbortReason.JOINT_FIRST.name] >= len(joints)


def test_many_short_copies_count_as_much_as_two_long_ones() -> None:
    _, joined = work(100)  # no way from a merge point to the end of the iteration is that long
    _, repeated = work(100_000)
    assert joined * 3 < repeated


def test_a_root_that_is_recorded_again_does_not_end_at_its_joints() -> None:
    machine, _ = work(8)
    (root,) = [loop for loop in machine.loops().values() if loop.piece is not None and not loop.ref.is_joint]
    root.piece.invalidate("the test says so")
    source = random.Random(8)
    with parameters(threshold=20, function_threshold=1000, trace_eagerness=3, compile_level=0, tail_limit=8):
        for _ in range(6):
            bits = [source.getrandbits(WAYS) for _ in range(400)]
            assert machine.run(Frame(bits, 2), 0) == expected(bits, 2)
    last = root.piece.trace.operations[-1]
    assert last.opcode.name == "jump"
    assert last.descr is None


def test_copies_that_are_gone_do_not_count() -> None:
    machine = Machine()
    source = random.Random(9)
    gone = 0
    with parameters(threshold=20, function_threshold=1000, trace_eagerness=3, compile_level=0, tail_limit=8):
        for _ in range(4):
            bits = [source.getrandbits(1) for _ in range(400)]
            assert machine.run(Frame(bits, 2), 0) == expected(bits, 2)
            bridges = [
                guard.bridge
                for loop in machine.loops().values()
                if loop.piece is not None
                for guard in loop.piece.guards.values()
                if guard.bridge is not None
            ]
            gone += len(bridges)
            for bridge in bridges:
                bridge.invalidate("the test says so")
    assert gone >= 4
    assert not [loop for loop in machine.loops().values() if loop.ref.is_joint]


def nested():
    """A guest function of several branches that each iteration of another one calls."""
    driver = JitDriver(greens=["code", "pc"], reds=["frame", "number"], name="nested")

    class Activation:
        def __init__(self, number: int) -> None:
            self.number = number
            self.result = 0

    @driver.portal
    def run(code, frame, number):
        pc = 0
        while True:
            driver.jit_merge_point(code=code, pc=pc, frame=frame, number=number)
            if code == "main":
                if number == 0:
                    return frame.result
                frame.result += run("callee", Activation(number), number)
                frame.result &= 0xFFFFFF
                number -= 1
                pc = 0
                driver.can_enter_jit(code=code, pc=pc, frame=frame, number=number)
                continue
            if pc == 6:
                return frame.result
            if frame.number & (1 << pc):
                frame.result += 3 * pc + number % 5
            else:
                frame.result ^= number + pc
            pc += 1

    return run, lambda count: run("main", Activation(0), count)


@pytest.mark.parametrize("setting", [{}, {"force_exits": 3}, {"inlining": False}])
def test_joints_in_inlined_calls_become_calls(setting: dict[str, int]) -> None:
    _, run = nested()
    with parameters(enable=False):
        wanted = [run(count) for count in (50, 700, 701)]
    portal, run = nested()
    eager = {"threshold": 5, "function_threshold": 1000, "trace_eagerness": 2, "compile_level": 0, "tail_limit": 4}
    with parameters(**eager, **setting):
        for _ in range(4):
            assert [run(count) for count in (50, 700, 701)] == wanted
    joints = [loop.greens for loop in PORTALS[portal.__code__].loops.values() if loop.ref.is_joint]
    if not setting:
        assert any(code == "callee" for code, _ in joints)


def _below(piece: Piece) -> Iterator[Piece]:
    for guard in piece.guards.values():
        if guard.bridge is not None:
            yield guard.bridge
            yield from _below(guard.bridge)


@pytest.mark.parametrize("threshold", [5, 11, 50])
def test_what_copies_an_iteration_of_a_loop_gets_there(threshold: int, capsys: pytest.CaptureFixture[str]) -> None:
    """A joint in a loop with two ways went to the loop by the other way, and came back to itself from the copied iteration."""
    run = prepare([str(ROOT / "examples/registervm/programs/mandelbrot.rvm"), "16"])
    before = {id(loop) for portal in PORTALS.values() for loop in portal.loops.values()}
    with parameters(threshold=threshold, function_threshold=2 * threshold, trace_eagerness=2, background=False):
        for _ in range(30):
            run()
    assert set(capsys.readouterr().out.split()) == {"4350"}
    loops = [loop for portal in PORTALS.values() for loop in portal.loops.values() if id(loop) not in before]
    copying = [loop.piece for loop in loops if loop.piece is not None and loop.piece.trace.repeats]
    assert copying
    assert not [bridge.code.name for root in copying for bridge in _below(root) if root.loop in bridge.targets]


@pytest.mark.parametrize("seed", [7, 984, 1961, 2938])
def test_what_joints_copy_does_not_keep_the_guest_from_the_loop(seed: int) -> None:
    """Two joints that copied an iteration of the root's way, which the guest did not take any more, went round for ever."""
    program = load(str(ROOT / "benchmarks/replacement/programs/drift.rvm"))
    portal = PORTALS[run_registers.__code__]
    before = {id(loop) for loop in portal.loops.values()}
    setting = {"threshold": 20, "function_threshold": 1_000_000, "trace_eagerness": 20, "tail_limit": 20}
    with parameters(**setting, replace="full", replace_margin=1000.0, background=False):
        sums = [run_program(program, 2000, k, 40, seed).value for k in (0, 10) for _ in range(20)]
        loops = [loop for loop in portal.loops.values() if id(loop) not in before and loop.piece is not None]
        roots = [loop.piece for loop in loops if loop.is_watched]
        passes = sum([root.passes for root in roots])
        run_program(program, 2000, 10, 40, seed)
        assert any(loop.ref.is_joint for loop in loops)
        assert sum([root.passes for root in roots]) - passes > 400
    with parameters(enable=False):
        assert sums == [run_program(program, 2000, k, 40, seed).value for k in (0, 10) for _ in range(20)]


def test_joints_are_not_looked_at() -> None:
    """Their passes take the time of the whole loop: with that taken away, nothing was ever to be gained for it."""
    program = load(str(ROOT / "benchmarks/replacement/programs/drift.rvm"))
    portal = PORTALS[run_registers.__code__]
    with parameters(threshold=0, trace_eagerness=20, tail_limit=20, background=False, replace="full"):
        for k in (0, 10):
            for _ in range(10):
                run_program(program, 2000, k, 40, 7)
        led = [loop for loop in portal.loops.values() if loop.piece is not None and behind(tree_of(loop.piece))]
        assert led
        joints = [joint for loop in led for joint in behind(tree_of(loop.piece))]
        assert not any(joint.replacement or (joint.piece is not None and joint.piece.code.counted) for joint in joints)
