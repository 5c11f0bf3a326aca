"""Loops over integers, recorded as a guest might have run them, do the same before and after optimization.

Random traces of all rows (`test_differential`) seldom come back to the same few numbers. These do: sums and differences
with small numbers, comparisons of whatever there is, and guards that hold for the numbers at the start.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metatracer.ir.evaluator import observable, run
from metatracer.ir.opcodes import OPCODES, GuardFailed
from metatracer.ir.verifier import verify
from metatracer.optimizer.pipeline import PASSES, optimize
from tests.optimizer.text import optimized, parse

BINARY = ["int_add_ovf", "int_sub_ovf", "int_add", "int_sub", "int_mul_ovf", "int_and", "int_or", "int_xor"]
DIVISIONS = ["int_mod", "int_floordiv"]
COMPARISONS = ["int_lt", "int_le", "int_eq", "int_ne", "int_gt", "int_ge", "uint_lt", "uint_le"]
CONSTANTS = [0, 1, 2, 3, -1, -2, 7, 8, 64, 2**63 - 1, -(2**63), 2**62]
INPUTS = 3


@dataclass
class Recording:
    """A trace in the making, and what its numbers are while it is recorded."""

    start: list[int]
    lines: list[str] = field(default_factory=list)
    values: list[tuple[str, int]] = field(default_factory=list)
    count: int = 100

    def __post_init__(self) -> None:
        for number, value in enumerate(self.start):
            self.lines.append(f"i{number} = int_unbox(r{number}){self.snapshot}")
            self.values.append((f"i{number}", value))

    @property
    def snapshot(self) -> str:
        return " -> [" + ", ".join([*[name for name, _ in self.values[-6:]], "r0, r1, r2]"])

    def new(self, kind: str) -> str:
        self.count += 1
        return f"{kind}{self.count}"

    def compute(self, name: str, left: tuple[str, int], right: tuple[str, int]) -> None:
        row = OPCODES[name]
        assert row.evaluate is not None
        try:
            value = row.evaluate(left[1], right[1])
        except GuardFailed:
            return
        result = self.new("i")
        self.lines.append(f"{result} = {name}({left[0]}, {right[0]})" + (self.snapshot if row.is_guard else ""))
        self.values.append((result, value))

    def divide(self, name: str, left: tuple[str, int], right: tuple[str, int]) -> None:
        """With the guards that a recorder puts before a division."""
        if right[1] in (0, -1):
            return
        for excluded in (0, -1):
            self.guard("int_ne", right, (str(excluded), excluded))
        self.compute(name, left, right)

    def guard(self, name: str, left: tuple[str, int], right: tuple[str, int]) -> None:
        condition = self.new("b")
        evaluate = OPCODES[name].evaluate
        assert evaluate is not None
        holds = "true" if evaluate(left[1], right[1]) else "false"
        self.lines.append(f"{condition} = {name}({left[0]}, {right[0]})")
        self.lines.append(f"guard_{holds}({condition}){self.snapshot}")

    def text(self, ends: list[str]) -> str:
        boxes = [self.new("r") for _ in ends]
        lines = ["guard_no_attention() -> [r0, r1, r2]", *self.lines]
        lines += [f"{box} = int_box({end})" for box, end in zip(boxes, ends, strict=True)]
        return "t(r0: int, r1: int, r2: int)\n " + "\n ".join(lines) + f"\n jump({', '.join(boxes)})"


@st.composite
def recordings(draw: Any) -> tuple[str, list[int]]:
    """The text of a loop, and the numbers it starts with."""
    start = draw(st.lists(st.integers(-4, 12) | st.sampled_from(CONSTANTS), min_size=INPUTS, max_size=INPUTS))
    recording = Recording(list(start))

    def value() -> tuple[str, int]:
        if draw(st.integers(0, 3)) == 0:
            constant = draw(st.sampled_from(CONSTANTS))
            return str(constant), constant
        return draw(st.sampled_from(recording.values))

    for _ in range(draw(st.integers(2, 10))):
        kind = draw(st.sampled_from(["step", "binary", "guard", "guard", "divide"]))
        if kind == "step":
            step = draw(st.sampled_from([1, 1, 2, -1]))
            recording.compute("int_add_ovf", draw(st.sampled_from(recording.values)), (str(step), step))
        elif kind == "binary":
            recording.compute(draw(st.sampled_from(BINARY)), value(), value())
        elif kind == "divide":
            recording.divide(draw(st.sampled_from(DIVISIONS)), value(), value())
        else:
            recording.guard(draw(st.sampled_from(COMPARISONS)), value(), value())
    ends = [draw(st.sampled_from(recording.values))[0] for _ in range(INPUTS)]
    return recording.text(ends), start


def outcome(trace: Any, start: list[int]) -> Any:
    args = list(start)
    return observable(run(trace, args, max_iterations=8), args)


def check(text: str, start: list[int], passes: frozenset[str]) -> None:
    before = parse(text)
    after = optimize(parse(text), passes=passes)
    verify(after)
    for shift in (0, 1, -3):  # other numbers leave elsewhere
        numbers = [max(-(2**63), min(2**63 - 1, number + shift)) for number in start]
        assert outcome(after, numbers) == outcome(before, numbers)


quick = settings(deadline=None, suppress_health_check=list(HealthCheck))


@settings(quick, max_examples=300)
@given(recordings())
def test_integer_loop_is_equivalent(case: tuple[str, list[int]]) -> None:
    check(*case, frozenset(PASSES))


@pytest.mark.parametrize("left_out", ["fold", "algebra", "ranges", "relations", "cse", "types"])
def test_integer_loop_without_a_pass_is_equivalent(left_out: str) -> None:
    @settings(quick, max_examples=40, database=None)
    @given(recordings())
    def without(case: tuple[str, list[int]]) -> None:
        check(*case, frozenset(PASSES) - {left_out})

    without()


# --- bounds at the label ----------------------------------------------------------------------------------------------


def carried(operations: str) -> tuple[int, int]:
    """The bounds at the label of what becomes of i1 in an iteration, i8."""
    trace = optimized(
        "t(r0: int)\n guard_no_attention() -> [r0]\n i1 = int_unbox(r0) -> [r0]\n"
        + operations
        + "\n r9 = int_box(i8)\n jump(r9)"
    )
    assert trace.label is not None
    assert trace.entry is not None
    (param,) = trace.label.params
    found: tuple[int, int] = trace.entry.label.state.bounds(trace.entry.value_of[param])
    return found


def test_that_a_sum_has_not_overflowed_is_no_bound_at_the_label() -> None:
    assert carried(" i8 = int_add_ovf(i1, 3) -> [r0]") == (-(2**63), 2**63 - 1)
    assert carried(" i8 = int_sub_ovf(i1, 3) -> [r0]") == (-(2**63), 2**63 - 1)


def test_bounds_from_guards_stay_at_the_label_where_they_save_a_check() -> None:
    limited = " i8 = int_add_ovf(i1, 3) -> [r0]\n b2 = int_lt(i8, 1000)\n guard_true(b2) -> [r0]"
    assert carried(limited) == (-(2**63), 999)
    assert carried(" b2 = int_le(0, i1)\n guard_true(b2) -> [r0]\n i8 = int_add_ovf(i1, 3) -> [r0]") == (3, 2**63 - 1)


def test_bounds_from_guards_that_save_nothing_are_none_at_the_label() -> None:
    """Who has gone the other way enters there, too: it has other bounds."""
    limited = " i8 = int_add_ovf(i1, 3) -> [r0]\n b2 = int_lt(i8, 9223372036854775806)\n guard_true(b2) -> [r0]"
    assert carried(limited) == (-(2**63), 2**63 - 1)
    other_way = """ i7 = int_mul(i1, 1103515245)
 i8 = int_and(i7, 2147483647)
 b2 = int_lt(i8, 1073741824)
 guard_false(b2) -> [r0]"""
    assert carried(other_way) == (0, 2**31 - 1)


def test_what_follows_from_a_bound_that_is_given_up_is_not_relied_on() -> None:
    """That bit 30 is set, here; the comparison is made in each iteration."""
    trace = optimized(
        """t(r0: int, r1: int)
        guard_no_attention() -> [r0, r1]
        i2 = int_unbox(r0) -> [r0, r1]
        i3 = int_unbox(r1) -> [r0, r1]
        i4 = int_xor(i2, i3)
        i5 = int_and(i4, 2147483647)
        b6 = int_lt(i5, 1073741824)
        guard_false(b6) -> [r0, r1]
        r7 = int_box(i5)
        jump(r7, r1)"""
    )
    assert trace.label is not None
    inside = trace.operations[trace.operations.index(trace.label) :]
    assert [op.opcode.name for op in inside if op.opcode.name.startswith("int_")] == ["int_xor", "int_and", "int_lt"]
    assert trace.entry is not None
    assert [fact for fact in trace.entry.used if fact[1][0].name == "int_and"] == []
