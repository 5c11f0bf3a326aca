"""Machine code against the evaluator, on random traces: same exits, same effects, no reference lost or kept."""

from __future__ import annotations

import gc
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metatracer.backend.compile import compile_trace
from metatracer.ir import evaluator
from metatracer.ir.values import Const, Operation, Trace
from tests.backend.machine import Counts, exit_of
from tests.ir.strategies import Case, Plain, W_Int, W_Node, cases

CLASSES = (W_Int, W_Node, Plain)


def force_at(k: int) -> Any:
    """Force as the build flag does: every forcible guard at its k-th execution, calls' guards excepted."""

    def force(op: Operation, count: int) -> bool:
        return op.opcode.name != "guard_no_exception" and count == k

    return force


def counted_objects(trace: Trace) -> list[Any]:
    """Constants whose count only this trace changes."""
    constants = [arg.value for op in trace.operations for arg in op.args if isinstance(arg, Const) and arg.kind == "r"]
    return [value for value in constants if type(value) in (tuple, float) or (type(value) is int and value > 1 << 40)]


@settings(max_examples=50 if sys.version_info < (3, 12) else 20, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=cases(), k=st.integers(1, 4), level=st.sampled_from([0, 0, 0, 1, 2]))
def test_machine_code_agrees_with_the_evaluator(case: Case, k: int, level: int) -> None:
    roots = case.make_args()
    expected_exit = evaluator.run(case.trace, roots, force_exit=force_at(k), max_iterations=10)
    if expected_exit.kind == "jump":
        return
    expected = evaluator.observable(expected_exit, roots)
    del expected_exit, roots
    gc.collect()
    code = compile_trace(case.trace, level=level, force_exits=k)
    objects = counted_objects(case.trace)
    counts = Counts(*CLASSES, *objects).start()
    roots = case.make_args()
    leaving = exit_of(code, case.trace, list(roots))
    seen = evaluator.observable(leaving, roots)
    assert seen == expected
    del leaving, roots, seen
    gc.collect()
    assert counts.changes() == [0] * (len(CLASSES) + len(objects))
    code.free()


@pytest.mark.parametrize("level", [0, 1, 2])
def test_levels_compile_every_random_trace(level: int) -> None:
    @settings(max_examples=10, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=cases())
    def check(case: Case) -> None:
        code = compile_trace(case.trace, level=level)
        assert code.size_bytes > 0
        code.free()

    check()
