"""Guest functions that make a trace too long: what took most of it is called from then on, and has code of its own."""

from __future__ import annotations

from typing import Any

from metatracer import JitDriver, parameters
from metatracer.ir import opcodes as ops
from metatracer.runtime.host import PORTALS
from metatracer.statistics import STATISTICS


class Code:
    """A guest function: ("add", n), ("call", code), ("loop", n): the whole again, n times, and ("return",)."""

    def __init__(self, *instructions: tuple[Any, ...]) -> None:
        self.instructions = [*instructions, ("return",)]


class Machine:
    def __init__(self) -> None:
        self.driver = driver = JitDriver(greens=["pc", "code"], reds=["total", "left"], name="calls")

        @driver.portal
        def run(code, total):
            pc = 0
            left = -1
            while True:
                driver.jit_merge_point(pc=pc, code=code, total=total, left=left)
                instruction = code.instructions[pc]
                pc += 1
                if instruction[0] == "add":
                    total = (total * 5 + instruction[1]) % 1000003
                elif instruction[0] == "call":
                    total = run(instruction[1], total)
                elif instruction[0] == "loop":
                    if left < 0:
                        left = instruction[1]
                    left -= 1
                    if left:
                        pc = 0
                        driver.can_enter_jit(pc=pc, code=code, total=total, left=left)
                else:
                    return total

        self.run = run

def aborts(name: str) -> int:
    return STATISTICS.aborts.get(name, 0)


def test_the_function_that_took_most_of_a_trace_that_was_too_long_is_called() -> None:
    small = Code(("add", 1), ("add", 2))
    big = Code(*[("add", number) for number in range(30)])
    middle = Code(("call", small), ("call", big), ("call", big))
    main = Code(("call", small), ("call", middle), ("call", small), ("call", big), ("call", middle), ("loop", 300))
    machine = Machine()
    with parameters(enable=False):
        wanted = machine.run(main, 1)
    too_long, long_callee = aborts("TRACE_TOO_LONG"), aborts("LONG_CALLEE")
    with parameters(threshold=20, function_threshold=1000, trace_eagerness=5, compile_level=0, trace_limit=1500):
        for _ in range(4):
            assert machine.run(main, 1) == wanted
    assert aborts("LONG_CALLEE") == long_callee + 1
    assert aborts("TRACE_TOO_LONG") == too_long
    portal = PORTALS[machine.run.__code__]
    called = [loop for loop in portal.loops.values() if not loop.may_inline]
    assert len(called) == 1
    assert called[0].piece is not None
    (root,) = [loop for loop in portal.loops.values() if loop.piece is not None and loop.may_inline]
    assert root.piece.trace.operations[-1].opcode is ops.JUMP


def test_small_functions_are_looked_into_all_the_same() -> None:
    small = Code(("add", 1), ("add", 2))
    main = Code(*[("call", small)] * 80, ("loop", 100))
    machine = Machine()
    with parameters(enable=False):
        wanted = machine.run(main, 1)
    too_long = aborts("TRACE_TOO_LONG")
    with parameters(threshold=20, function_threshold=1000, trace_eagerness=5, compile_level=0, trace_limit=700):
        assert machine.run(main, 1) == wanted
    assert aborts("TRACE_TOO_LONG") > too_long
    assert all(loop.may_inline for loop in PORTALS[machine.run.__code__].loops.values())
